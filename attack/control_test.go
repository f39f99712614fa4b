//go:build linux

package attack

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A control is a process that does nothing but wake up, all the time, and notes
// by how much it is late. It uses nothing of ayb. What it is late by, the machine
// was late by: for everybody, so also for the attack that goes on meanwhile.
type control struct {
	cmd   *exec.Cmd
	stop  io.Closer
	ended sync.WaitGroup

	mu      sync.Mutex
	delays  []delay
	excused int           // how often
	sum     time.Duration // by how much
}

// A delay is a time for which a process that wanted to run did not.
type delay struct{ from, to time.Time }

const (
	controlProcess = "AYB_ATTACK_CONTROL"
	controlTick    = time.Millisecond

	// leastDelay is what a scheduler may take without being late.
	leastDelay = 5 * time.Millisecond

	// mostExcluded bounds what is excluded from the time of one step. On a machine
	// that is later than this nothing can be measured, and steps that are late fail.
	mostExcluded = time.Second

	// mostExcused bounds what is excluded in all attacks of a mode together.
	mostExcused = 3 * time.Second
)

// keepTime is the control's program. It ends with its standard input.
func keepTime() {
	runtime.LockOSThread()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		due := time.Now().Add(controlTick)
		time.Sleep(controlTick)
		if now := time.Now(); now.Sub(due) > leastDelay {
			fmt.Println(due.UnixNano(), now.UnixNano())
		}
	}
}

func newControl() (*control, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &control{cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), controlProcess+"=1", "GOMAXPROCS=1")
	if c.stop, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.ended.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			from, to, _ := strings.Cut(lines.Text(), " ")
			c.mu.Lock()
			c.delays = append(c.delays, delay{nanoseconds(from), nanoseconds(to)})
			c.mu.Unlock()
		}
	})
	return c, nil
}

func nanoseconds(text string) time.Time {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(0, n)
}

func (c *control) close() {
	c.stop.Close()
	c.ended.Wait()
	c.cmd.Wait()
}

// most returns by how much a step may be late and still be excused.
func (c *control) most() time.Duration {
	if c == nil {
		return 0
	}
	return mostExcluded
}

// excuse reports whether something that took too long did so because the machine
// was late by at least that much meanwhile.
func (c *control) excuse(began time.Time, took, over time.Duration) bool {
	if c == nil || c.late(began, began.Add(took)) < over {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excused++
	c.sum += over
	return true
}

func (c *control) excuses() (times int, sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.excused, c.sum
}

// late returns by how much the machine was late between two times, at most
// mostExcluded.
func (c *control) late(from, to time.Time) (sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.delays {
		if overlap := earlier(d.to, to).Sub(later(d.from, from)); overlap > 0 {
			sum += overlap
		}
	}
	return min(sum, mostExcluded)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
