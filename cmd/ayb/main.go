// Command ayb is all of ayb: the server, which hosts databases and lets people
// make accounts by e-mail, share databases and query them over HTTP; and the
// client, which does all of that from a terminal. It is a thin layer over the
// packages ayb and client, in which everything is decided.
//
// "ayb server" works without any configuration; docs/configuration.md lists what
// can be configured, and docs/operating.md says how to run it for good. "ayb
// client" is described in docs/cli.md.
package main

import (
	"os"

	_ "ayb/hosting/worker/early"
)

func main() {
	os.Exit(run(os.Args[1:], surrounding{environ: os.Environ(), in: os.Stdin, out: os.Stdout, errout: os.Stderr}))
}
