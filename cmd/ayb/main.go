// Command ayb is the server of ayb: it hosts databases, and lets people make
// accounts by e-mail, share databases and query them over HTTP. It is a thin
// layer over package ayb, in which everything is decided.
//
// "ayb server" works without any configuration; docs/configuration.md lists what
// can be configured, and docs/operating.md says how to run it for good.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
