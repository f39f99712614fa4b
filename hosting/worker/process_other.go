//go:build !(linux || darwin)

package worker

import "errors"

// supported says whether workers can share a database with one another here.
const supported = false

func (w *worker) spawn() error { return errors.ErrUnsupported }

func run() (code int) { return 1 }
