package sandbox

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"ayb/fault"
)

// remark says who made a wall, if it was not us.
func (j Jail) remark() string {
	if j.Kind == "" {
		return ""
	}
	return "Made by " + string(j.Kind) + "."
}

// jailLayers are the layers that a jail makes. The others are the worker's own
// doing, in a jail as elsewhere.
func jailLayers() []Layer {
	return []Layer{Environment, Users, Network, Processes, IPC, Hostname, Mounts}
}

// jail makes cmd start the jail, and the jail start what cmd was to start.
func (p Policy) jail(cmd *exec.Cmd) error {
	j, err := newJailed(cmd.Path, p)
	if err != nil || !j.absolute() {
		return fault.Wrap(fault.Invalid, err, "A jail needs the worker's program, and its own, by absolute paths")
	}
	uid, gid := p.outside()
	if uid != os.Geteuid() || gid != os.Getegid() {
		j.uid, j.gid = uid, gid
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

// libraries are where a program that is linked with a C library has it from.
func libraries() []string {
	return []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"}
}

// newJailed looks at a program. One that is linked statically needs nothing.
func newJailed(program string, p Policy) (jailed, error) {
	j := jailed{program: program, policy: p, proc: threadsNeedProc}
	file, err := elf.Open(program)
	if err != nil {
		return j, err
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		for _, path := range libraries() {
			if _, err := os.Stat(path); err == nil {
				j.needs = append(j.needs, path)
			}
		}
	}
	return j, nil
}

// absolute reports whether all paths that a jail is told are absolute.
func (j jailed) absolute() bool {
	return filepath.IsAbs(j.program) && filepath.IsAbs(j.policy.Jail.Path)
}
