// Package iofault has the file calls of a process fail, or kill the process at them,
// one after the other. It is for tests that want to know what is left of the work
// of a program when the disk fails in the middle of it, or the power.
//
// The calls are those that the process makes to the kernel, whoever makes them: our
// own code, SQLite's file system, a driver of metadata or of a bucket. Nothing in the
// program knows of it. What is not seen is what goes through mapped memory, and locks.
//
// The process, a child of the test, calls [Enter] first. From then on the kernel
// holds each of its file calls until the test says whether it is to be made. Between
// [Begin] and [End] the calls below one directory count.
package iofault

// A Mode says what goes wrong.
type Mode string

// The modes. The nth call is the first, if they are counted from 1.
const (
	Count Mode = "count" // nothing: calls are only counted
	Fail  Mode = "fail"  // the nth call fails with an I/O error, and is not made
	Full  Mode = "full"  // from the nth call on that may need room, of those that may, all fail: the disk is full
	Kill  Mode = "kill"  // the process is killed in place of the nth call that changes something
)

// prefix is what the path of a directory begins with that is made to tell the test
// something.
const prefix = "/iofault:"
