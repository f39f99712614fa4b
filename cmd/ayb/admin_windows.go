package main

import "io/fs"

// isMine reports whether a file belongs to the user who runs this program. Here
// the rights on the directory say so.
func isMine(fs.FileInfo) bool { return true }
