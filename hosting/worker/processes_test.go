//go:build linux

package worker

import (
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func TestRunner_counts_its_processes(t *testing.T) {
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: slow * 300 * time.Millisecond}, Workers: 1}, "create", "CREATE TABLE t (a)")
	ended := func(end End, most uint64) func() bool {
		return func() bool { return h.Processes().Ended[end] == most }
	}
	if p := h.Processes(); p.Alive != 1 || p.Started != 1 || len(p.Ended) != len(Ends()) {
		t.Errorf("at first: %+v", p)
	}
	h.owner().create()
	eventually(t, "one made room", ended(Retired, 1))
	if p := h.Processes(); p.Evicted != 1 || p.Started != 2 {
		t.Errorf("then: %+v", p)
	}
	_, err := h.try(t.Context(), deaf)
	wantKind(t, "a text that does not look up", err, fault.TimedOut)
	eventually(t, "it is counted as overstayed", func() bool {
		ends := h.Processes().Ended
		return ends[Overstayed]+ends[Mute] == 1 // the second if the machine was slow just then
	})
	h.must("INSERT INTO t VALUES (1)")
	for _, w := range h.allWorkers() {
		w.cmd.Process.Kill()
		<-w.gone
	}
	if !ended(Died, 1)() {
		t.Errorf("after a kill: %+v", h.Processes())
	}
	h.must("INSERT INTO t VALUES (1)")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	p, sum := h.Processes(), uint64(0)
	for _, n := range p.Ended {
		sum += n
	}
	if p.Alive != 0 || p.Ended[Closed] != 1 || sum != p.Started {
		t.Errorf("at the end: %+v", p)
	}
}

func TestFailure_keeps_its_reason(t *testing.T) {
	for _, reason := range fault.Reasons() {
		f := failureOf(fault.Refuse(reason, "no"))
		b := decoder{b: f.append(nil)}
		if got := fault.ReasonOf(b.failure().err()); got != reason {
			t.Errorf("%s arrives as %q", reason, got)
		}
	}
	if got := fault.ReasonOf(failureOf(fault.Wrap(fault.Busy, errMute, "no")).err()); got != "" {
		t.Errorf("what has no reason arrives with %q", got)
	}
}
