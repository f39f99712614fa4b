package sandbox

import (
	"fmt"
	"strings"
)

// A jailed program is what a jail starts, and what of the file system it is to see.
type jailed struct {
	program string   // read-only
	needs   []string // read-only: what the program itself is loaded with
	policy  Policy
	proc    bool // whether the program needs its threads listed in /proc

	// uid and gid are whom user 0 of the jail is outside; zero: whoever starts it.
	uid, gid int
}

// nsjailConfig returns the configuration of nsjail in protobuf's text form. What
// nsjail would bound by default is set as the policy says, so that the worker can
// lower it further; the list of system calls is left to the worker, which knows it
// better.
func (j jailed) nsjailConfig() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: \"ayb-worker\"")
	line("mode: ONCE")
	line("hostname: \"worker\"")
	line("cwd: \"/\"")
	line("log_level: ERROR")
	line("time_limit: 0")
	line("nice_level: 0")
	line("keep_env: false")
	line("keep_caps: false")
	line("disable_no_new_privs: false")
	for fd := 3; fd < j.policy.kept(); fd++ {
		line("pass_fd: %d", fd)
	}
	const mebibyte = 1 << 20
	limit := func(name string, value, unit int64) {
		if value == 0 {
			line("rlimit_%s_type: HARD", name)
			return
		}
		line("rlimit_%s: %d", name, (value+unit-1)/unit)
	}
	limit("as", 0, mebibyte) // Go reserves more than it uses; the worker bounds what is used
	limit("cpu", 0, 1)
	line("rlimit_core: 0")
	limit("fsize", j.policy.FileBytes, mebibyte)
	limit("nofile", int64(j.policy.OpenFiles), 1)
	limit("nproc", int64(j.policy.Threads), 1)
	for _, namespace := range []string{"user", "net", "pid", "ipc", "uts", "ns", "cgroup"} {
		line("clone_new%s: true", namespace)
	}
	line("iface_no_lo: true")
	line("uidmap { inside_id: \"0\" outside_id: %s count: 1 }", outsideID(j.uid))
	line("gidmap { inside_id: \"0\" outside_id: %s count: 1 }", outsideID(j.gid))
	line("mount_proc: %t", j.proc)
	mount := func(path string, writable bool) {
		line("mount { src: %s dst: %[1]s is_bind: true rw: %t mandatory: true nosuid: true nodev: true }", protoString(path), writable)
	}
	mount(j.program, false)
	for _, path := range j.needs {
		mount(path, false)
	}
	for _, path := range j.policy.ReadOnly {
		mount(path, false)
	}
	for _, path := range j.policy.Dirs {
		mount(path, true)
	}
	return b.String()
}

// outsideID returns a user's or a group's number for nsjail, to which nothing means
// its own.
func outsideID(id int) string {
	if id == 0 {
		return `""`
	}
	return fmt.Sprintf("\"%d\"", id)
}

// protoString quotes a string for protobuf's text form.
func protoString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// nsjailArguments returns the arguments of nsjail, which reads its configuration
// from its standard input, up to those of the program.
func (j jailed) nsjailArguments() []string {
	return []string{"--config", "/dev/stdin", "--", j.program}
}

// bubblewrapArguments returns the arguments of bubblewrap up to those of the
// program.
func (j jailed) bubblewrapArguments() []string {
	args := []string{
		"--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		"--uid", "0", "--gid", "0", "--hostname", "worker", "--clearenv", "--new-session", "--die-with-parent",
		"--as-pid-1", "--cap-drop", "ALL",
	}
	if j.proc {
		args = append(args, "--proc", "/proc")
	}
	args = append(args, "--ro-bind", j.program, j.program)
	for _, path := range append(append([]string{}, j.needs...), j.policy.ReadOnly...) {
		args = append(args, "--ro-bind", path, path)
	}
	for _, path := range j.policy.Dirs {
		args = append(args, "--bind", path, path)
	}
	return append(args, "--remount-ro", "/", "--chdir", "/", "--", j.program)
}
