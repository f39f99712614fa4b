// Package early makes a process a worker, if it is to be one, while the program
// is still being initialized. A program imports it for that alone:
//
//	import _ "ayb/hosting/worker/early"
//
// It does what a call of [worker.Main] first in main does. The difference is that
// packages which a worker does not need, as those of a server are, have as a rule
// not been initialized yet: each worker is smaller and sooner ready for what their
// tables and expressions would have taken. Go initializes packages in the order of
// their dependencies and, where these leave a choice, of their paths.
package early

import "ayb/hosting/worker"

func init() { worker.Main() }
