// Package sandbox puts the walls of the operating system around a worker
// process: a process of our own program that runs strangers' SQL. The parent
// calls [Policy.Command] before it starts the worker; the worker calls [Enter]
// before it does anything else; and [Probe] finds out, by trying, which layers
// this machine really has.
//
// The layers are independent: each one is meant to hold when the others have
// fallen, and each can be switched off by itself to show that the others do.
// They exist on Linux. Elsewhere the package builds and reports every layer as
// missing.
package sandbox

// A Layer is one of the walls around a worker, by the name that reports use.
type Layer string

// The layers, in the order in which a worker enters them.
const (
	// Environment: the worker is started with no environment variables.
	Environment Layer = "environment"
	// Descriptors: nothing is open in the worker but what it was given.
	Descriptors Layer = "descriptors"
	// Users: a user namespace, in which the worker's user has no rights outside.
	Users Layer = "user-namespace"
	// Network: a network namespace without any interface.
	Network Layer = "network-namespace"
	// Processes: a process namespace, in which no other process has a number.
	Processes Layer = "process-namespace"
	// IPC: a namespace for System V and POSIX message queues and shared memory.
	IPC Layer = "ipc-namespace"
	// Hostname: a namespace for the name of the machine.
	Hostname Layer = "hostname-namespace"
	// Mounts: a file system of the worker's own, that holds its directories only.
	Mounts Layer = "mount-namespace"
	// Privileges: no capability, and no way to get one.
	Privileges Layer = "privileges"
	// Landlock: the kernel's rules for files, TCP ports, signals and sockets.
	Landlock Layer = "landlock"
	// Limits: bounds on memory, size of files, open files and threads.
	Limits Layer = "limits"
	// Seccomp: a list of the system calls that a worker needs; no others.
	Seccomp Layer = "seccomp"
)

// Layers returns all layers, in the order in which a worker enters them.
func Layers() []Layer {
	return []Layer{
		Environment, Descriptors, Users, Network, Processes, IPC, Hostname, Mounts, Privileges, Landlock, Limits, Seccomp,
	}
}

// Without returns, as a sentence, what a worker could do that the layer alone
// keeps it from: what its absence means to an operator.
func (l Layer) Without() string {
	switch l {
	case Environment:
		return "A worker that is taken over can read the server's environment variables, and with them its secrets"
	case Descriptors:
		return "A worker that is taken over can use files and sockets that were open when the server started"
	case Users:
		return "A worker that is taken over acts on this machine with all rights of the user it runs as"
	case Network:
		return "Nothing but Landlock and seccomp keeps a worker that is taken over from the network"
	case Processes:
		return "Nothing but Landlock and seccomp keeps a worker that is taken over from seeing and signalling other processes of its user"
	case IPC:
		return "Nothing but seccomp keeps a worker that is taken over from the shared memory and message queues of its user"
	case Hostname:
		return "A worker that is taken over can read the name of this machine"
	case Mounts:
		return "Nothing but Landlock keeps a worker that is taken over from the other files of its user, other tenants' databases among them"
	case Privileges:
		return "A worker that is taken over keeps the rights of the user it runs as, and may gain others from set-uid programs"
	case Landlock:
		return "Nothing but the mount namespace keeps a worker that is taken over from the other files of its user, other tenants' databases among them"
	case Limits:
		return "A worker that is taken over can use up this machine's memory, disk and process table"
	case Seccomp:
		return "A worker that is taken over can call all of the kernel: sockets, programs, debugging, and the kernel's defects"
	}
	return ""
}
