package crew

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestCrew(t *testing.T) {
	before := runtime.NumGoroutine()
	c := New(3)
	var done sync.WaitGroup
	free := make(chan struct{})
	for range 10 {
		done.Add(1)
		c.Do(func() {
			defer done.Done()
			<-free
		})
	}
	if n := runtime.NumGoroutine() - before; n != 10 {
		t.Errorf("%d goroutines do ten things at once", n)
	}
	close(free)
	done.Wait()
	settle(t, "at most three wait for work", func() bool { return runtime.NumGoroutine() == before+3 })
	for range 100 { // one after the other
		done.Add(1)
		c.Do(done.Done)
		done.Wait()
	}
	settle(t, "no more do afterwards", func() bool { return runtime.NumGoroutine() <= before+3 })
	c.Dismiss()
	settle(t, "none is left", func() bool { return runtime.NumGoroutine() == before })
	done.Add(1)
	c.Do(done.Done)
	done.Wait()
	settle(t, "none stays any more", func() bool { return runtime.NumGoroutine() == before })
}

func settle(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: there are %d goroutines", what, runtime.NumGoroutine())
		}
	}
}
