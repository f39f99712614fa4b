//go:build !google

package main

// linksGoogle reports whether gs:// can be opened.
const linksGoogle = false

func setGoogleMetadata(func(any) bool, map[string]string) bool { return false }
