//go:build linux

package attack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// memoryBound is how much the program may grow in one attack.
const memoryBound = 128 << 20

// neighbourBound is how long a small request of somebody else may take.
const neighbourBound = 500 * time.Millisecond

// A neighbourhood is other people at work: somebody else, and the attacked owner
// on another database, each with small reads and writes.
type neighbourhood struct {
	w    *world
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex
	requests int
	slowest  time.Duration
	failures []string
}

func (w *world) neighbours() *neighbourhood {
	n := &neighbourhood{w: w, stop: make(chan struct{})}
	for _, who := range []struct{ slug, ref string }{{"nina", "nina/db"}, {"alice", "alice/other"}} {
		n.resume(&run{world: w}, who.slug, who.ref) // what is used for the first time takes a process to start
		n.all.Go(func() { n.work(who.slug, who.ref, func(int) (string, string) { return "SELECT count(*) FROM n", "1" }) })
		n.all.Go(func() {
			n.work(who.slug, who.ref, func(i int) (string, string) { return "UPDATE n SET v = v + 1 RETURNING v", strconv.Itoa(i) })
		})
	}
	return n
}

// resume returns the number of the last write that was kept.
func (n *neighbourhood) resume(r *run, slug, ref string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	last, _ := strconv.Atoi(n.ask(ctx, r, slug, ref, "SELECT v FROM n").rows)
	return last
}

// ask sends one request.
func (n *neighbourhood) ask(ctx context.Context, r *run, slug, ref, sql string) answer {
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url("/v1/"+ref+"/query"), strings.NewReader(sql))
	req.Header.Set("Authorization", "Bearer "+n.w.tokens[slug])
	resp, err := r.client().Do(req)
	if err != nil {
		return answer{kind: broken, message: err.Error()}
	}
	return read(resp)
}

// work sends small requests until it is over, at least one.
func (n *neighbourhood) work(slug, ref string, next func(i int) (sql, want string)) {
	r := &run{world: n.w}
	for i := 1; ; i++ {
		sql, want := next(i)
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		a := n.ask(ctx, r, slug, ref, sql)
		cancel()
		took := time.Since(began)
		n.mu.Lock()
		n.requests++
		if over := took - slowness*neighbourBound; over <= 0 || !n.w.control.excuse(began, took, over) {
			n.slowest = max(n.slowest, took)
		}
		if own := slug == "alice" && a.kind == string(fault.OutcomeUnknown); own {
			// The worker that has been killed is that of all databases of alice, who
			// attacks. That nobody knows what became of her write is true.
			i, a.rows = n.resume(r, slug, ref), want
		}
		if a.rows != want {
			n.failures = append(n.failures, fmt.Sprintf("%s: %s: %s, want %s", ref, sql, a, want))
		}
		n.mu.Unlock()
		select {
		case <-n.stop:
			return
		case <-time.After(3 * time.Millisecond):
		}
		if a.rows != want {
			return
		}
	}
}

// end ends the work and says what went wrong.
func (n *neighbourhood) end() (findings []string) {
	close(n.stop)
	n.all.Wait()
	if n.slowest > slowness*neighbourBound {
		findings = append(findings, fmt.Sprintf("a request of a neighbour took %v of %d", n.slowest, n.requests))
	}
	for _, failure := range n.failures {
		findings = append(findings, "a neighbour fails: "+failure)
	}
	return findings
}

// A meter watches the memory of the program.
type meter struct{ before int64 }

func newMeter() meter {
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // where it can't be reset, the peak is since the start
	return meter{memory("self", "VmRSS")}
}

// grown returns how much memory the program took more than at the beginning, or
// that one of its workers took in all, less what one takes that does nothing.
func (m meter) grown() int64 {
	grown := memory("self", "VmHWM") - m.before
	for _, worker := range children("self") {
		grown = max(grown, memory(worker, "VmHWM")-idleWorker)
	}
	return grown
}

// idleWorker is more than the memory of a worker that does nothing, most of which
// it shares with the others.
const idleWorker = 64 << 20

// children returns the processes that a process has started, and those that they
// have started.
func children(pid string) (all []string) {
	if pid == "self" {
		pid = strconv.Itoa(os.Getpid())
	}
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if parent := parentLine.FindSubmatch(text); parent != nil && string(parent[1]) == pid {
			child := filepath.Base(filepath.Dir(file))
			all = append(append(all, child), children(child)...)
		}
	}
	return all
}

var parentLine = regexp.MustCompile(`(?m)^PPid:\s+(\d+)$`)

var memoryLine = regexp.MustCompile(`(?m)^(\w+):\s+(\d+) kB$`)

// memory returns a figure of a process, in bytes; 0 where there is none.
func memory(pid, name string) int64 {
	text, _ := os.ReadFile("/proc/" + pid + "/status")
	for _, m := range memoryLine.FindAllStringSubmatch(string(text), -1) {
		if m[1] == name {
			n, _ := strconv.ParseInt(m[2], 10, 64)
			return n << 10
		}
	}
	return 0
}

// untouched describes everything that the attack may not change: all files but
// those of alice, of the neighbours, and of the metadata.
func (w *world) untouched() (string, error) {
	var b strings.Builder
	for _, root := range []string{w.dir, os.TempDir()} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case w.touched[path] || d.Name() == "crafted":
				return fs.SkipDir
			case d.IsDir() || strings.HasPrefix(d.Name(), "ayb.sqlite"):
				fmt.Fprintln(&b, path)
				return nil
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			fmt.Fprintf(&b, "%s %v %x\n", path, info.Mode(), sha256.Sum256(content))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// alive says what is wrong with the server after an attack.
func (r *run) alive() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, check := range []struct{ who, on, sql string }{{"owner", "alice/other", "SELECT 40 + 2"}, {"owner", "alice/test", "SELECT 40 + 2"}} {
		a := r.sql(ctx, &Step{Who: check.who, On: check.on}, check.sql)
		if a.rows != "42" && (check.on != "alice/test" || !r.c.Damages && a.kind != string(fault.NotFound)) {
			r.find("afterwards %s answers %s", check.on, a)
		}
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.url("/health"), nil)
	resp, err := r.client().Do(req)
	if err != nil || read(resp).status != http.StatusOK {
		r.find("afterwards the server is not well: %v", err)
	}
	if n := r.inner.visits.Load(); n > 0 {
		r.find("somebody has got at the inner service, %d times", n)
	}
	for _, line := range r.panics.all() {
		r.find("a panic: %s", short(line))
	}
}

// sound checks the databases for damage.
func (r *run) sound() {
	for _, ref := range []string{"alice/test", "alice/other", "nina/db", "stella/still"} {
		if ref == "alice/test" && r.c.Damages {
			continue
		}
		id, err := r.fileOf(ref)
		switch {
		case ref == "alice/test" && (err == nil && id.Version.IsZero() || fault.KindOf(err) == fault.NotFound):
			continue // it was deleted, and perhaps made anew
		case err != nil:
			r.find("%s: %v", ref, err)
			continue
		}
		if err := r.runner.Check(context.Background(), id, hosting.IntegrityCheck); err != nil {
			r.find("%s is damaged: %v", ref, err)
		}
	}
}

// descriptors returns how many files the program has open.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// leftovers says what is still running or open some time after the world has
// ended.
func leftovers(files, goroutines int) (findings []string) {
	deadline := time.Now().Add(3 * time.Second)
	for descriptors() > files || runtime.NumGoroutine() > goroutines {
		if time.Now().After(deadline) {
			return []string{fmt.Sprintf("%d files and %d goroutines are left over", descriptors()-files, runtime.NumGoroutine()-goroutines)}
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
