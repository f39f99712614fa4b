//go:build google

package main

import (
	"cloud.google.com/go/storage"
	_ "gocloud.dev/blob/gcsblob"
)

// linksGoogle reports whether gs:// can be opened. The driver brings gRPC and all
// that belongs to it, a third of the program and of the memory of a server that has
// nothing to do,
// so whoever needs it asks for it.
const linksGoogle = true

// setGoogleMetadata is setBucketMetadata for that driver.
func setGoogleMetadata(as func(any) bool, metadata map[string]string) bool {
	var copier *storage.Copier
	if !as(&copier) {
		return false
	}
	copier.Metadata, copier.ContentType = metadata, "application/zstd"
	return true
}
