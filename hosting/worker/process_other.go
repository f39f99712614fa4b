//go:build !(linux || darwin)

package worker

import (
	"errors"
	"os"
)

// supported says whether workers can share a database with one another here.
const supported = false

func (w *worker) spawn() error { return errors.ErrUnsupported }

func run() (code int) { return 1 }

func exit(code int) { os.Exit(code) }
