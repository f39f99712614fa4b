package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ayb/fault"
)

// reserved are attempts that an ordinary user, or a machine with strict settings,
// is refused without any sandbox. All others must succeed outside, or a mistake in
// an attempt would pass for a wall.
func reserved(a attempt) bool {
	switch a.name {
	case "read files of other users, as root can", "give a file to another user, as root can", "mount file systems",
		"load programs into the kernel", "hold capabilities in its user namespace", "use capabilities in its user namespace":
		return os.Geteuid() != 0
	case "use io_uring", "watch what the kernel does", "handle page faults", "use the kernel's keys", "make an MPTCP socket":
		return true // switched off on some machines
	case "use more memory than its bound":
		return raceDetector
	}
	return false
}

func TestProbe_each_wall_is_seen_open_and_shut(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRange(t.Context(), exe, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	outside, err := r.ask(t.Context(), Policy{Layers: []Layer{}}, Layers())
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range Layers() {
		t.Run(string(layer), func(t *testing.T) {
			inside, err := r.ask(t.Context(), Policy{Layers: []Layer{layer}}, []Layer{layer})
			if err != nil {
				untested(t, why(err))
				return
			}
			if f := inside.Report.Of(layer); f.State != Active || inside.Fault != "" {
				untested(t, f.Reason+inside.Fault)
				return
			}
			for _, a := range attempts() {
				failed, tried := inside.Failures[a.key()]
				switch {
				case a.layer != layer:
				case !tried:
					t.Errorf("nobody tried to %s", a.name)
				case outside.Failures[a.key()] != "" && reserved(a):
					t.Logf("impossible here: %s: %s", a.name, outside.Failures[a.key()])
				case outside.Failures[a.key()] != "":
					t.Errorf("outside, a worker can't %s: %s", a.name, outside.Failures[a.key()])
				case failed == "":
					t.Errorf("inside, a worker can %s", a.name)
				}
			}
		})
	}
}

func TestProbe_all_layers_stand_together(t *testing.T) {
	policies := map[string]Policy{"of the same user": {}}
	if os.Geteuid() == 0 {
		policies["of another user"] = Policy{UID: nobody, GID: nobody}
		policies["of another user, without a user namespace"] = Policy{
			UID: nobody, GID: nobody, Layers: slices.DeleteFunc(Layers(), func(l Layer) bool { return l == Users }),
		}
		policies["as root, without a user namespace"] = Policy{
			Layers: slices.DeleteFunc(Layers(), func(l Layer) bool { return l == Users }),
		}
	}
	exe := copyProgram(t, 0o755)
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			report, err := Probe(t.Context(), exe, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Missing() {
				untested(t, string(f.Layer)+": "+f.Reason)
			}
		})
	}
}

func TestProbe_a_layer_that_nobody_wants_is_off(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := Probe(t.Context(), exe, Policy{Layers: []Layer{Environment, Limits}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report {
		want := Off
		if f.Layer == Environment || f.Layer == Limits {
			want = Active
		}
		if f.State != want {
			t.Errorf("%v, want %v", f, want)
		}
	}
}

func TestProbe_believes_what_it_saw(t *testing.T) {
	outside, inside := answer{Failures: map[string]string{}}, answer{Report: newReport(Policy{}, notReached), Failures: map[string]string{}}
	for _, layer := range Layers() {
		inside.Report.set(layer, Active, "")
	}
	for _, a := range attempts() {
		outside.Failures[a.key()], inside.Failures[a.key()] = "", "no"
	}
	leak := attempt{layer: Seccomp, name: "make a UDP socket"}
	blind := attempt{layer: Descriptors, name: "read a file that the server left open"}
	weak := attempt{layer: Landlock, name: "serve TCP"}
	inside.Failures[leak.key()], outside.Failures[blind.key()], inside.Failures[weak.key()] = "", "no", ""
	report := newReport(Policy{}, notReached)
	for _, layer := range Layers() {
		report.judge(layer, []answer{outside}, []answer{inside}, nil)
	}
	missing, unproven := report.Missing(), report.Unproven()
	if len(missing) != 1 || missing[0].Layer != Seccomp || len(unproven) != 1 || unproven[0].Layer != Descriptors {
		t.Fatalf("missing are\n%vand unproven\n%v", Report(missing), Report(unproven))
	}
	if entered := report.Entered(); !slices.Contains(entered, Descriptors) || slices.Contains(entered, Seccomp) || slices.Contains(report.Active(), Descriptors) {
		t.Errorf("workers enter %v", entered)
	}
	if reason := missing[0].Reason; reason != "Behind it, a worker can still "+leak.name+". "+Seccomp.Without()+"." {
		t.Errorf("the reason is %q", reason)
	}
	if err := report.Err(); !errors.Is(err, fault.Unavailable) || !strings.HasSuffix(fault.Message(err), "lacks seccomp on this machine") {
		t.Errorf("the error is %v", err)
	}
}

func TestProbe_believes_the_worst_of_two_places(t *testing.T) {
	hold := attempt{layer: Privileges, name: "hold capabilities in its user namespace"}
	report := newReport(Policy{}, notReached)
	report.set(Privileges, Active, "")
	seen := func(failure string) answer { return answer{report, map[string]string{hold.key(): failure}, ""} }
	no, yes := seen("no"), seen("")
	for name, c := range map[string]struct {
		outside, inside []answer
		want            State
	}{
		"shut where it was open":     {[]answer{no, yes}, []answer{no, no}, Active},
		"open where it was open":     {[]answer{no, yes}, []answer{no, yes}, Missing},
		"open in one place of two":   {[]answer{yes, yes}, []answer{no, yes}, Missing},
		"shut before":                {[]answer{no, no}, []answer{no, no}, Unproven},
		"no second place":            {[]answer{no}, []answer{no}, Unproven},
		"not tried outside":          {[]answer{no, {}}, []answer{no, no}, Unproven},
		"not entered in the second":  {[]answer{no, yes}, []answer{no, {}}, Missing},
		"not tried where it is open": {[]answer{yes}, []answer{{Report: report}}, Missing},
	} {
		t.Run(name, func(t *testing.T) {
			judged := newReport(Policy{}, notReached)
			judged.judge(Privileges, c.outside, c.inside, nil)
			if f := judged.Of(Privileges); f.State != c.want || f.Reason == "" && c.want != Active {
				t.Errorf("%+v, want %s", f, c.want)
			}
		})
	}
}

func TestProbe_a_program_that_is_none_is_an_error(t *testing.T) {
	for _, exe := range []string{"/nonexistent", "/bin/true", "/bin/cat"} {
		if report, err := Probe(t.Context(), exe, Policy{}); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v\n%v", exe, err, report)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	exe, _ := os.Executable()
	if _, err := Probe(ctx, exe, Policy{}); err == nil {
		t.Error("it went on without a context")
	}
}

func TestProbe_leaves_nothing_behind(t *testing.T) {
	dir := sharedDir(t)
	t.Setenv("TMPDIR", dir)
	exe, _ := os.Executable()
	if _, err := Probe(t.Context(), exe, Policy{}); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	shared, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Skip("this kernel has no System V shared memory")
	}
	for line := range strings.Lines(string(shared)) { // key, id, mode, size, who made it
		if fields := strings.Fields(line); fields[4] == strconv.Itoa(os.Getpid()) {
			t.Errorf("it left shared memory: %s", line)
		}
	}
}

// runPowerless can get no rights, like a server under a service manager that
// allows it none. It probes and prints what it has found.
func runPowerless(_ Policy, args []string) error {
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	return printProbe(args[0])
}

func printProbe(exe string) error {
	report, err := Probe(context.Background(), exe, Policy{})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

// probeOf returns what a child has found, which enters the policy first.
func probeOf(t *testing.T, cmd *exec.Cmd) (report Report) {
	t.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	t.Logf("the operator reads\n%v", report)
	return report
}

func TestProbe_where_the_server_can_get_no_rights(t *testing.T) {
	exe := copyProgram(t, 0o755)
	cmd := childOf(t, exe, Policy{Layers: []Layer{}}, "powerless", exe)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	for _, f := range probeOf(t, cmd) {
		switch {
		case f.State == Active:
		case f.State == Missing && f.Layer != Privileges:
			untested(t, string(f.Layer)+": "+f.Reason)
		default:
			t.Errorf("%+v", f)
		}
	}
}

// runContained is in a container that allows no namespaces, as many do, and no
// new rights if its second argument says so. It probes and prints what it has found.
func runContained(p Policy, args []string) error {
	if err := enterAll(p); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if args[1] == "powerless" {
		return runPowerless(p, args)
	}
	return printProbe(args[0])
}

func TestProbe_where_namespaces_are_forbidden(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for rights, privileges := range map[string]State{"": Active, "powerless": Unproven} {
		t.Run(rights, func(t *testing.T) {
			for _, f := range probeOf(t, child(t, Policy{Layers: []Layer{Users}}, "contained", exe, rights)) {
				want := Active
				switch f.Layer {
				case Users, Network, Processes, IPC, Hostname, Mounts:
					want = Missing
				case Privileges:
					want = privileges
				}
				if f.State != want || want == Missing && !strings.Contains(f.Reason, "namespaces") {
					t.Errorf("%+v, want %s", f, want)
				}
			}
		})
	}
}
