package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ayb/fault"
)

// probeArgument begins the argument by which a process knows that it is a probe.
const probeArgument = "sandbox-probe="

// probeTime bounds one probe.
const probeTime = 10 * time.Second

// A question is what a probe is asked: to try what the given layers stand
// against. Without any, it waits until its standard input ends.
type question struct {
	Target target
	Layers []Layer
}

// An answer is what a probe has seen. A failure is empty where an attempt
// succeeded; the key is layer and name of the attempt.
type answer struct {
	Report   Report
	Failures map[string]string
	Fault    string // why the probe ended early
}

// Main runs a probe, and does not return, if [Probe] started this process to run
// one. Else it returns at once. It is called first of all in main.
func Main() {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], probeArgument) {
		return
	}
	// Not os.Exit, which under the race detector waits for a second.
	unix.Exit(probe(os.Args[1][len(probeArgument):]))
}

// probe answers the question in its argument on the standard output, and returns
// with what code the process ends.
func probe(text string) int {
	var q question
	if json.Unmarshal([]byte(text), &q) != nil {
		return 0 // what runProgram starts
	}
	p, _, err := FromArgs(os.Args)
	if err != nil {
		return 1
	}
	if q.Layers == nil {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	if json.NewEncoder(os.Stdout).Encode(q.answer(p)) != nil {
		return 1
	}
	return 0
}

// answer enters the policy's layers and tries what the question asks for.
func (q question) answer(p Policy) answer {
	list := attempts() // made while all is allowed
	report, err := Enter(p)
	a := answer{Report: report, Failures: map[string]string{}}
	if err != nil {
		a.Fault = fault.Message(err)
		return a
	}
	for _, attempt := range list {
		if slices.Contains(q.Layers, attempt.layer) {
			failure := ""
			if err := attempt.do(q.Target, p); err != nil {
				failure = err.Error()
			}
			a.Failures[attempt.key()] = failure
		}
	}
	if err := work(p.Dirs[0]); err != nil {
		a.Fault = "A worker could not use its own directory"
	}
	return a
}

// key names an attempt in an answer.
func (a attempt) key() string { return string(a.layer) + ": " + a.name }

// work does with files what a worker must be able to do.
func work(dir string) error {
	name, err := os.MkdirTemp(dir, "work")
	if err != nil {
		return err
	}
	file := name + "/file"
	for _, step := range []func() error{
		func() error { return os.WriteFile(file, []byte("x"), 0o600) },
		func() error { return os.Rename(file, dir+"/moved") },
		func() error { _, err := os.ReadFile(dir + "/moved"); return err },
		func() error { return os.Remove(dir + "/moved") },
		func() error { return os.Remove(name) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Probe finds out which of the policy's layers stand on this machine, by trying.
// It starts exe, a program whose main calls [Main], many times: once outside all
// walls, where what a layer is to prevent must succeed, once for each layer behind
// it alone, where it must fail, and once behind all of them, where it must fail
// still and a worker's own work must succeed. A layer of which nothing succeeds
// outside is Unproven, unless the kernel refuses it. Of the policy the layers, the
// user and the jail count; the directories and bounds are the probe's own. It takes
// about 50 ms and may be called at any time, as often as one likes.
//
// Errors: the context's, Unavailable (nothing could be tried).
func Probe(ctx context.Context, exe string, p Policy) (Report, error) {
	r, err := newRange(ctx, exe, p)
	if err != nil {
		return nil, err
	}
	defer r.close()
	outside, err := r.outside(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The sandbox could not be tried out on this machine")
	}
	report := newReport(p, notReached)
	groups := r.policy.groups()
	answers := make([][]answer, len(groups))
	faults := make([]error, len(groups))
	var running sync.WaitGroup
	turns := make(chan struct{}, 4)
	for i, group := range groups {
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			answers[i], faults[i] = r.behind(ctx, group, len(outside))
		})
	}
	running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, group := range groups {
		for _, layer := range group {
			report.judge(layer, outside, answers[i], faults[i])
		}
	}
	return report, r.together(ctx, outside, report)
}

// outside asks a probe without any layer and, where there are user namespaces, one
// in a namespace of its own. A server without rights starts workers that have none
// to lose, except in their namespaces: only there does trying show whether
// Privileges stands.
func (r *shootingRange) outside(ctx context.Context) ([]answer, error) {
	bare, err := r.ask(ctx, Policy{Layers: []Layer{}}, Layers())
	if err != nil {
		return nil, err
	}
	ruling, err := r.ask(ctx, Policy{Layers: []Layer{Users}}, []Layer{Privileges})
	if err != nil {
		return []answer{bare}, ctx.Err()
	}
	return []answer{bare, ruling}, nil
}

// behind asks the same places as outside, so many, behind one group of layers.
func (r *shootingRange) behind(ctx context.Context, group []Layer, places int) ([]answer, error) {
	p := r.policy.alone(group)
	bare, err := r.ask(ctx, p, group)
	if err != nil || places == 1 || group[0] != Privileges {
		return []answer{bare}, err
	}
	p.Layers = []Layer{Users, Privileges}
	ruling, err := r.ask(ctx, p, group)
	return []answer{bare, ruling}, err
}

// groups returns the layers that are tried together: those of a jail, and each
// other by itself.
func (p Policy) groups() (groups [][]Layer) {
	var jailed []Layer
	for _, layer := range Layers() {
		switch {
		case !p.wants(layer):
		case p.Jail.Kind != "" && slices.Contains(jailLayers(), layer):
			jailed = append(jailed, layer)
		default:
			groups = append(groups, []Layer{layer})
		}
	}
	if jailed != nil {
		groups = append(groups, jailed)
	}
	return groups
}

// alone returns the policy with one group of layers: with the jail only where the
// group is the jail's.
func (p Policy) alone(group []Layer) Policy {
	p.Layers = group
	if !slices.Contains(jailLayers(), group[0]) {
		p.Jail = Jail{}
	}
	return p
}

// allows reports whether an attempt was made and succeeded.
func (a answer) allows(t attempt) bool {
	failure, tried := a.Failures[t.key()]
	return tried && failure == ""
}

// judge sets the finding about a layer from what was seen outside and, place by
// place, inside. What fails outside too proves nothing.
func (r Report) judge(layer Layer, outside, inside []answer, err error) {
	if err != nil {
		r.miss(layer, why(err))
		return
	}
	judged := false
	for place, a := range inside {
		if f := a.Report.Of(layer); f.State != Active {
			r.set(layer, Missing, f.Reason)
			return
		}
		for _, t := range attempts() {
			if t.layer != layer || !outside[place].allows(t) {
				continue
			}
			if a.Failures[t.key()] != "" {
				judged = true
				continue
			}
			if !t.weak {
				r.miss(layer, "Behind it, a worker can still "+t.name)
				return
			}
		}
	}
	if !judged {
		r.set(layer, Unproven, "What it prevents is impossible here without it too, so that trying shows nothing.")
		return
	}
	r.set(layer, Active, inside[0].Report.Of(layer).Reason)
}

// together makes sure that the layers that stand alone stand together too. Where
// they do not, the namespaces of processes and mounts give way: others need the
// /proc that they hide.
func (r *shootingRange) together(ctx context.Context, outside []answer, report Report) error {
	for _, yields := range [][]Layer{nil, {Processes, Mounts}} {
		for _, layer := range yields {
			if slices.Contains(report.Entered(), layer) {
				report.miss(layer, "It does not stand together with the other layers here")
			}
		}
		entered := report.Entered()
		p := r.policy
		p.Layers = entered
		all, err := r.ask(ctx, p, entered)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "A worker behind all layers of the sandbox does not start on this machine")
		}
		inside := slices.Repeat([]answer{all}, len(outside))
		trial := slices.Clone(report)
		for _, layer := range entered {
			trial.judge(layer, outside, inside, nil)
		}
		if len(trial.Entered()) == len(entered) && all.Fault == "" {
			copy(report, trial)
			return nil
		}
	}
	return fault.New(fault.Unavailable, "The layers of the sandbox do not stand together on this machine; see the log, and name those that do in the configuration")
}

// ask starts a probe under a policy and returns what it has seen. A start that
// fails is an error that [why] has words for.
func (r *shootingRange) ask(ctx context.Context, p Policy, layers []Layer) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	text, err := json.Marshal(question{Target: r.target, Layers: layers})
	if err != nil {
		return a, err
	}
	cmd := exec.CommandContext(ctx, r.exe, probeArgument+string(text))
	cmd.Env = append(os.Environ(), r.target.Variable+"=secret")
	cmd.ExtraFiles = []*os.File{nil, r.secret} // the second is descriptor 4, the first one too many
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := r.within(p).Command(cmd); err != nil {
		return a, err
	}
	if err := cmd.Run(); err != nil {
		return a, err
	}
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return a, reason("The probe behind it came to no answer")
	}
	return a, nil
}
