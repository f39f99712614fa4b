// Package worker is a [hosting.Runner] that runs each tenant's SQL in processes
// of that tenant's own, which it can kill.
//
// The processes are the program itself, started again: a program that makes a
// [Runner] calls [Main] before anything else in its main function. An owner has
// a worker of its own, started when it is first needed and ended when it was
// idle for a while; callers who may only read, and are not the owner, are served
// by a second one, the reader, so that a visitor can never take the owner's
// worker down. Runner and worker speak in frames over a socket pair; the Runner
// believes nothing that a worker says without looking, and kills one that does
// not keep to the protocol.
//
// Within a worker runs a [hosting.InProcess], with all its walls. What this
// package adds is the end that a goroutine cannot have: a text that overstays is
// interrupted, and if that does not help within a fraction of a second its
// worker is killed. Whoever shared the worker does not notice: what had not
// begun to answer nor to commit is run again. A write of which nobody can know
// whether it was kept says exactly that.
//
// Both workers of an owner may have the same database open. They share it as
// processes share a SQLite database in WAL mode, by a memory-mapped file beside
// it, for which Linux and macOS are needed. The reader has to be able to write to
// that file and thus, as the system sees it, to the owner's directory; that it
// writes nothing else is held by its connections, which are opened for reading,
// and by the guard on its SQL.
package worker
