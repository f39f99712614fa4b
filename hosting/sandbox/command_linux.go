package sandbox

import (
	"cmp"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command prepares cmd, whose Path and Args are set, to start a worker under the
// policy: it sets what must be set when a process is made (its environment, its
// namespaces, its user, its death with the parent) and appends the policy to its
// arguments. Files that the worker needs go into cmd.ExtraFiles as usual.
//
// The worker is killed when the thread that started it ends. Go keeps threads,
// except those whose goroutine ends while it holds runtime.LockOSThread: do not
// start workers from such a goroutine.
//
// Errors: Invalid. A kernel that refuses a namespace fails the start of cmd, not
// this call; that is what [Probe] is for.
func (p Policy) Command(cmd *exec.Cmd) error {
	if err := p.check(); err != nil {
		return err
	}
	cmd.Args = append(cmd.Args, p.argument())
	if p.wants(Environment) {
		cmd.Env = []string{}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	attr := cmd.SysProcAttr
	attr.Setsid = true
	attr.Pdeathsig = syscall.SIGKILL
	if p.Jail.Kind != "" {
		return p.jail(cmd)
	}
	p.namespaces(attr)
	p.user(attr)
	return nil
}

// namespaceFlags are the flags of clone(2) by the layer they make.
func namespaceFlags() map[Layer]uintptr {
	return map[Layer]uintptr{
		Users: unix.CLONE_NEWUSER, Network: unix.CLONE_NEWNET, Processes: unix.CLONE_NEWPID,
		IPC: unix.CLONE_NEWIPC, Hostname: unix.CLONE_NEWUTS, Mounts: unix.CLONE_NEWNS,
	}
}

// namespaces asks for the namespaces. Whoever may not make them gets them by way of
// a user namespace, wanted or not.
func (p Policy) namespaces(attr *syscall.SysProcAttr) {
	for layer, flag := range namespaceFlags() {
		if p.wants(layer) {
			attr.Cloneflags |= flag
		}
	}
	if attr.Cloneflags != 0 && !has(unix.CAP_SYS_ADMIN) {
		attr.Cloneflags |= unix.CLONE_NEWUSER
	}
}

// user says whom the worker becomes. In a user namespace it is number 0, which
// gives it the right to build its own walls there before it gives all rights up;
// outside that number means the user it runs as.
func (p Policy) user(attr *syscall.SysProcAttr) {
	uid, gid := p.outside()
	if attr.Cloneflags&unix.CLONE_NEWUSER != 0 {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
		if mayBecomeOthers() { // the kernel lets nobody else drop the parent's groups
			attr.GidMappingsEnableSetgroups = true
			attr.Credential = &syscall.Credential{}
		}
		return
	}
	if uid == os.Geteuid() && gid == os.Getegid() {
		return
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if p.wants(Mounts) || p.wants(Hostname) {
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
}

// outside returns whom the worker is to the rest of the machine.
func (p Policy) outside() (uid, gid int) {
	uid, gid = os.Geteuid(), os.Getegid()
	if mayBecomeOthers() && p.wants(Privileges) {
		uid, gid = cmp.Or(p.UID, uid), cmp.Or(p.GID, gid)
	}
	return uid, gid
}

// mayBecomeOthers reports whether this process may start one of another user, as
// root may unless it is root of a container only.
func mayBecomeOthers() bool { return has(unix.CAP_SETUID) && has(unix.CAP_SETGID) }
