package sandbox

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ayb/fault"
)

// Enter puts this process, with all its threads, behind the policy's layers. It
// must be called once, before anything else of the worker. A layer that the
// kernel does not have is left out and reported; whether that is good enough is
// the caller's to decide, for instance by [Report.Err].
//
// Errors: Invalid (the policy), Unavailable (a layer fell over half-way). After
// an error the process must end.
func Enter(p Policy) (Report, error) {
	report := newReport(p, notReached)
	if err := p.check(); err != nil {
		return report, err
	}
	// Mounts come before Privileges, which gives up the right to make them, and
	// before Landlock, which forbids them. Seccomp comes last: its list knows
	// nothing of what the other layers need.
	for _, layer := range Layers() {
		if !p.wants(layer) {
			continue
		}
		remark, err := enter(layer, p)
		if err == nil {
			report.set(layer, Active, remark)
			continue
		}
		report.miss(layer, why(err))
		if errors.Is(err, errHalfway) {
			return report, fault.Wrap(fault.Unavailable, err, "The worker's sandbox could not be finished")
		}
	}
	return report, nil
}

// notReached is why a layer is missing that came after something fatal.
const notReached = "What came before it went wrong"

// errHalfway marks a failure that leaves the process in no known state.
var errHalfway = errors.New("a layer was entered in part only")

// enter enters one layer. It returns a remark, a sentence, if the layer stands in
// part, and an error that [why] has words for if it does not stand.
func enter(layer Layer, p Policy) (remark string, err error) {
	switch layer {
	case Environment:
		return enterEnvironment()
	case Descriptors:
		return "", enterDescriptors(p.kept())
	case Users, Network, Processes, IPC:
		return p.Jail.remark(), nil // made with the process, which would not be there otherwise
	case Hostname:
		return p.Jail.remark(), enterHostname(p)
	case Mounts:
		return p.Jail.remark(), enterMounts(p)
	case Landlock:
		return enterLandlock(p)
	case Privileges:
		return "", enterPrivileges()
	case Limits:
		return enterLimits(p)
	case Seccomp:
		return "", enterSeccomp()
	}
	return "", nil
}

// why says in words for the operator why a layer does not stand.
func why(err error) string {
	var sentence reason
	var errno syscall.Errno
	switch {
	case errors.As(err, &sentence):
		return string(sentence)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return "This kernel does not have it"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "It is not permitted here, by a container's rules or the system's settings"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return "The system's bound on namespaces (user.max_user_namespaces and its like) is reached or zero"
	case errors.As(err, &errno):
		return "The kernel refused it (" + errno.Error() + ")"
	}
	return "It failed"
}

// A reason is an error that is a sentence for the operator, without its full stop.
type reason string

// Error returns the sentence.
func (r reason) Error() string { return string(r) }

// enterEnvironment only looks: the environment was left empty when the process
// was made, and what came in cannot be taken out of its memory again.
func enterEnvironment() (string, error) {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name != "PWD" && name != "HOME" { // a jail may set these
			return "", reason("The worker was started with environment variables")
		}
	}
	return "", nil
}

// enterHostname gives the worker's namespace a name that tells nothing.
func enterHostname(p Policy) error {
	if p.Jail.Kind != "" {
		return nil
	}
	return unix.Sethostname([]byte("worker"))
}
