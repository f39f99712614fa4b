package sandbox

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"ayb/fault"
)

// jail makes cmd start the jail, and the jail start what cmd was to start.
func (p Policy) jail(cmd *exec.Cmd) error {
	j, err := newJailed(cmd.Path, p)
	if err != nil || !j.absolute() {
		return fault.Wrap(fault.Invalid, err, "A jail needs the worker's program, and its own, by absolute paths")
	}
	if os.Geteuid() == 0 && p.wants(Privileges) {
		j.uid, j.gid = p.UID, p.GID
	}
	var args []string
	switch p.Jail.Kind {
	case Nsjail:
		args = j.nsjailArguments()
		cmd.Stdin = strings.NewReader(j.nsjailConfig())
	case Bubblewrap:
		args = j.bubblewrapArguments()
		if j.uid != 0 || j.gid != 0 { // it knows no user but the one that starts it
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(j.uid), Gid: uint32(j.gid)}
		}
	default:
		return fault.New(fault.Invalid, "%q is no jail that is known here; those known are %s and %s", p.Jail.Kind, Nsjail, Bubblewrap)
	}
	cmd.Args = append(append([]string{p.Jail.Path}, args...), cmd.Args[1:]...)
	cmd.Path = p.Jail.Path
	return nil
}
