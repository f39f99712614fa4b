package sandbox

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"ayb/fault"
)

// A Policy says what a worker may have. It is plain data: the parent makes it,
// [Policy.Command] puts it into the worker's last argument, [FromArgs] gets it
// out again, [Enter] enforces it.
type Policy struct {
	// Layers are those that are wanted. Nil means all. What [Probe] found
	// missing is best left out, since a start for which the kernel refuses a
	// namespace fails.
	Layers []Layer `json:",omitzero"`

	// Dirs are directories, with all below, that the worker may read and write;
	// ReadOnly those that it may only read. Paths are absolute and exist.
	Dirs     []string `json:",omitzero"`
	ReadOnly []string `json:",omitzero"`

	// Bounds of the layer Limits; zero is no bound. DataBytes counts private
	// writable memory, used or only reserved; Go and a C library need about
	// 128 MiB of it. FileBytes is the largest size of a file. OpenFiles counts
	// descriptors. Threads is enforced in a user namespace only, because
	// elsewhere the kernel would count all threads of the user, and not for a
	// worker that is root outside, because of root's it counts none.
	DataBytes int64 `json:",omitzero"`
	FileBytes int64 `json:",omitzero"`
	OpenFiles int   `json:",omitzero"`
	Threads   int   `json:",omitzero"`

	// Descriptors is how many descriptors the worker keeps, counted from 0; zero
	// means 4: the standard ones, and the one socket to its parent.
	Descriptors int `json:",omitzero"`

	// UID and GID are whom the worker becomes, in the layer Privileges, if the
	// parent is root; zero means that it stays the parent's user. The user must be
	// able to reach Dirs.
	UID int `json:",omitzero"`
	GID int `json:",omitzero"`

	// Jail is a program that starts the worker inside walls of its own, which
	// then stand for our namespaces, all of them. The zero Jail is none.
	Jail Jail `json:",omitzero"`
}

// A Jail is a program that starts another one inside walls, and where it is.
type Jail struct {
	Kind JailKind
	Path string // absolute
}

// A JailKind is how a jail is spoken to.
type JailKind string

// The kinds of jail.
const (
	Nsjail     JailKind = "nsjail"
	Bubblewrap JailKind = "bubblewrap"
)

// wants reports whether a layer is wanted.
func (p Policy) wants(layer Layer) bool { return p.Layers == nil || slices.Contains(p.Layers, layer) }

// kept returns how many descriptors stay open.
func (p Policy) kept() int {
	if p.Descriptors == 0 {
		return 4
	}
	return p.Descriptors
}

// check reports what is wrong with the policy itself.
func (p Policy) check() error {
	for _, dir := range slices.Concat(p.Dirs, p.ReadOnly) {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
			return fault.New(fault.Invalid, "The directories of a sandbox must be given by clean absolute paths")
		}
	}
	return nil
}

// policyArgument begins the argument that holds a worker's policy.
const policyArgument = "sandbox="

// argument returns the policy as a command line argument.
func (p Policy) argument() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // a Policy has nothing that JSON has no form for
	}
	return policyArgument + string(text)
}

// FromArgs takes the policy that [Policy.Command] appended off the end of a
// worker's arguments and returns the arguments before it. Errors: Invalid.
func FromArgs(args []string) (p Policy, rest []string, err error) {
	if len(args) == 0 {
		return p, nil, fault.New(fault.Invalid, "A worker was started without a policy")
	}
	last := len(args) - 1
	text, ok := strings.CutPrefix(args[last], policyArgument)
	if !ok || json.Unmarshal([]byte(text), &p) != nil {
		return p, nil, fault.New(fault.Invalid, "A worker was started without a policy that it can read")
	}
	return p, args[:last], p.check()
}
