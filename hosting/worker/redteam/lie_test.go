//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// What lying workers may cost others.
const (
	atOnce        = 12       // lies are told
	mostGrowth    = 48 << 20 // of the server's memory
	mostDelay     = time.Second
	mostLogged    = 64 << 10 // in one entry
	endsWithin    = 15 * time.Second
	liarQueryTime = time.Second
)

// TestRedteam_lies_to_no_avail has workers that were taken over, an owner's and
// that of readers, tell all lies, some at the same time, while neighbours go on
// with their work. A caller of a liar gets
// the right error, neighbours notice nothing, the server's memory stays as it is,
// and no process is left.
func TestRedteam_lies_to_no_avail(t *testing.T) {
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.squad(m.policy, w.exe, hosting.Limits{
				QueryTime: liarQueryTime, MaintenanceTime: liarQueryTime, StreamTime: liarQueryTime, QueueTime: liarQueryTime,
			})
			memory := watchMemory()
			neighbours := s.neighbours(2)
			var told sync.WaitGroup
			places := make(chan struct{}, atOnce)
			for _, l := range lies() {
				if l.name == neverLeaves().name {
					continue // see below
				}
				for _, liar := range []*owner{s.evil(), s.evil().visited()} {
					places <- struct{}{}
					told.Go(func() {
						defer func() { <-places }()
						liar.told(l)
					})
				}
			}
			told.Wait()
			neighbours()
			grown := memory()
			stats := s.Stats()
			s.closes()
			w.unharmed()
			s.left()
			t.Logf("%d lies of either worker, the server's memory grew by %d KiB", len(lies())-1, grown>>10)
			if grown > mostGrowth {
				t.Errorf("the server's memory grew by %d KiB", grown>>10)
			}
			if stats.Evictions > 0 {
				t.Errorf("%d databases of neighbours were closed to make room", stats.Evictions)
			}
			w.log.check(t)
		})
	}
}

// TestRedteam_never_leaves closes a Runner of which a worker does not end when it is
// told to. It takes as long as the Runner's patience.
func TestRedteam_never_leaves(t *testing.T) {
	t.Parallel()
	var leaving sync.WaitGroup
	defer leaving.Wait()
	for _, m := range modes(t) {
		w := newWorld(t)
		s := w.squad(m.policy, w.exe, hosting.Limits{})
		s.evil().told(neverLeaves())
		leaving.Go(func() {
			s.closes()
			s.left()
		})
	}
}

// told has the worker tell a lie and looks at what its caller gets.
func (o *owner) told(l lie) {
	o.Helper()
	sql := "SELECT 1"
	if l.write {
		sql = "INSERT INTO t VALUES (1)"
	}
	_, err := o.command(sql, order{Lie: l.name})
	name, kinds := l.name, l.kinds
	if o.job.Class == hosting.Read {
		name, kinds = name+", of readers", l.toReaders()
	}
	switch {
	case len(kinds) == 0 && err != nil:
		o.Errorf("%s: %v", name, err)
	case len(kinds) > 0 && !slices.Contains(kinds, fault.KindOf(err)):
		o.Errorf("%s: %v (%s), want %v", name, err, fault.KindOf(err), kinds)
	}
	if l.ends {
		eventually(o, name+": the worker is gone", func() bool { return len(processes(o.job.Owner.String())) == 0 })
	}
}

// toReaders returns the errors that callers may get who are served by the worker of
// readers: nobody has it write, so nobody is told that a write may have been kept.
func (l lie) toReaders() (kinds []fault.Kind) {
	for _, k := range l.kinds {
		if k == fault.OutcomeUnknown {
			k = fault.Unavailable
		}
		kinds = append(kinds, k)
	}
	return kinds
}

// neighbours has so many honest owners write and read until the function that it
// returns is called.
func (s *squad) neighbours(n int) (stop func()) {
	var over atomic.Bool
	var working sync.WaitGroup
	for i := range n {
		o := s.owner()
		s.must(o.Create(s.Context(), o.job.DB))
		if _, err := o.ask("CREATE TABLE t (a)"); err != nil {
			s.Fatal(err)
		}
		working.Go(func() {
			worst, count := time.Duration(0), 0
			for !over.Load() {
				for _, sql := range []string{"INSERT INTO t VALUES (1)", fmt.Sprintf("SELECT CASE count(*) WHEN %d THEN 'all' ELSE 'no' END FROM t", count+1)} {
					start := time.Now()
					answer, err := o.ask(sql)
					worst = max(worst, time.Since(start))
					if err != nil || sql[0] == 'S' && answer != "all" {
						s.Errorf("a neighbour gets %q, %v", answer, err)
					}
				}
				count++
				time.Sleep(time.Millisecond)
			}
			s.Logf("neighbour %d: %d writes and reads, the slowest took %v", i, count, worst)
			if worst > mostDelay {
				s.Errorf("a neighbour waited for %v", worst)
			}
		})
	}
	return func() {
		over.Store(true)
		working.Wait()
	}
}

// watchMemory returns a function that says by how much this process's memory has
// grown at most.
func watchMemory() func() int64 {
	read := func() int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
	}
	first, most := read(), int64(0)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, read()-first)
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-ended
		return most
	}
}

// closes closes the Runner, which must not wait for ever for a worker that does not
// leave.
func (s *squad) closes() {
	start := time.Now()
	if err := s.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > endsWithin {
		s.Errorf("Close took %v", took)
	}
}

// left reports processes that are left when the Runner is closed.
func (s *squad) left() {
	eventually(s, "no worker is left", func() bool { return len(processes(s.owners())) == 0 })
	if z := zombies(); len(z) > 0 {
		s.Errorf("zombies are left: %v", z)
	}
}

// check reports what a worker has made of the log.
func (l *logged) check(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := false
	for _, line := range l.lines {
		said = said || strings.Contains(line, "forged")
		switch {
		case strings.Contains(line[:len(line)-1], "\n"):
			t.Errorf("a worker has made a line of the log: %.200s", line)
		case len(line) > mostLogged:
			t.Errorf("an entry of the log has %d bytes", len(line))
		}
	}
	if !said {
		t.Error("what a worker said was not logged")
	}
}

// TestRedteam_is_no_part_of_the_program holds that the program does not know the red
// team.
func TestRedteam_is_no_part_of_the_program(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("\npackage main\n")) {
		t.Error("the red team can be imported")
	}
}
