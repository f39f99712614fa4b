//go:build !linux

package sandbox

import (
	"context"
	"os/exec"
	"runtime"
)

// reasonNotLinux is why nothing stands here.
const reasonNotLinux = "The layers of the sandbox exist on Linux only; this is " + runtime.GOOS

// Command prepares cmd, whose Path and Args are set, to start a worker under the
// policy. Here it appends the policy to the arguments and does nothing else.
func (p Policy) Command(cmd *exec.Cmd) error {
	cmd.Args = append(cmd.Args, p.argument())
	return p.check()
}

// Enter puts this process behind the policy's layers. Here it reports every
// layer as missing.
func Enter(p Policy) (Report, error) { return newReport(p, reasonNotLinux), p.check() }

// Probe finds out which layers of the policy this machine has. Here it has none.
func Probe(_ context.Context, _ string, p Policy) (Report, error) {
	return newReport(p, reasonNotLinux), nil
}

// Main does nothing here: no probe is ever started.
func Main() {}
