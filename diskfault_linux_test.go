package ayb_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"

	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ayb"
	"ayb/internal/iofault"
)

// The variables by which a test process is told to be one whose disk fails.
const (
	faultDirVariable  = "AYB_TEST_FAULT_DIR"  // a copy of the scene; of those that fail, what the copies' names begin with
	faultWorkVariable = "AYB_TEST_FAULT_WORK" // which work
	faultModeVariable = "AYB_TEST_FAULT_MODE"
	faultCallVariable = "AYB_TEST_FAULT_CALL" // at which it is killed
)

// run does the work with its nth call going wrong, and returns how many calls there
// were.
func (w diskWork) run(t *testing.T, dir string, mode iofault.Mode, n int) (calls int, err error) {
	t.Helper()
	s := openDiskScene(t, dir)
	if w.prepare != nil {
		w.prepare(s, t)
	}
	iofault.Begin(dir, mode, n)
	err = w.do(s)
	calls = iofault.End()
	fmt.Print(s.log)
	if closed := s.end(); closed != nil {
		t.Errorf("call %d: closing: %v", n, closed)
	}
	return calls, err
}

// judge looks at an error.
func judge(t *testing.T, n int, mode iofault.Mode, err error) {
	t.Helper()
	if !errors.Is(err, ayb.ErrUnavailable) && !errors.Is(err, ayb.ErrOutcomeUnknown) || strings.Contains(ayb.Message(err), "/") {
		t.Errorf("call %d: %v (%s): %q", n, err, ayb.KindOf(err), ayb.Message(err))
	}
	if mode == iofault.Full && (!errors.Is(err, ayb.ErrDiskFull) || !strings.Contains(ayb.Message(err), "disk")) {
		t.Errorf("call %d, and the disk is full: %v", n, err)
	}
}

// look opens the scene and looks whether all is as it should be.
func (w diskWork) look(t *testing.T, dir, what string, done bool) {
	t.Helper()
	s := openDiskScene(t, dir)
	if err := w.check(t, s, done); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if left := s.settle(t); len(left) > 0 {
		t.Errorf("%s: left behind: %v; the engine says\n%s", what, left, s.log)
	}
	must(t, s.end())
	must(t, os.RemoveAll(dir))
}

// TestDisk_child is the process whose disk fails.
func TestDisk_child(t *testing.T) {
	dir, mode := os.Getenv(faultDirVariable), iofault.Mode(os.Getenv(faultModeVariable))
	if dir == "" {
		t.Skip("it is for TestDisk_faults")
	}
	must(t, iofault.Enter())
	work := diskWorks[os.Getenv(faultWorkVariable)]
	if mode == iofault.Kill {
		n, err := strconv.Atoi(os.Getenv(faultCallVariable))
		must(t, err)
		s := openDiskScene(t, dir)
		iofault.Begin(dir, mode, n)
		must(t, work.do(s))
		iofault.End()
		must(t, s.end())
		return
	}
	// The test makes the copies and looks at them: here each of its calls would be asked about.
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		must(t, err)
		calls, err := work.run(t, dir+in.Text(), mode, n)
		if err != nil {
			judge(t, n, mode, err)
		}
		fmt.Printf("%s%d %v\n", ranPrefix, calls, err)
	}
}

// ranPrefix is what the line begins with that the child says after each call.
const ranPrefix = "calls: "

// memoryDir returns a directory in main memory, if there is one: its syncs take no time,
// of which nothing is to be found out here.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ayb-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// diskChild returns the command of TestDisk_child.
func diskChild(dir, work string, mode iofault.Mode, n int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestDisk_child$")
	cmd.Env = append(os.Environ(), faultDirVariable+"="+dir, faultWorkVariable+"="+work, faultModeVariable+"="+string(mode), faultCallVariable+"="+strconv.Itoa(n))
	return cmd
}

// TestDisk_faults has each file call of one snapshot and of one restore fail, and
// find the disk full, and kills the process at each that changes something: those of
// SQLite, of the engine, of the metadata and of the bucket, which is a directory. Of
// everything else that needs room, each call finds the disk full.
func TestDisk_faults(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	base := filepath.Join(memoryDir(t), "scene")
	must(t, openDiskScene(t, base).end())
	for name, work := range diskWorks {
		t.Run(name+"/full", func(t *testing.T) {
			t.Parallel()
			work.fails(t, base, name, iofault.Full)
		})
		if work.full {
			continue
		}
		t.Run(name+"/fail", func(t *testing.T) {
			t.Parallel()
			work.fails(t, base, name, iofault.Fail)
		})
		t.Run(name+"/kill", func(t *testing.T) {
			t.Parallel()
			work.isKilled(t, base, name)
		})
	}
}

// fails has each call of the work fail.
func (w diskWork) fails(t *testing.T, base, name string, mode iofault.Mode) {
	dir := filepath.Join(memoryDir(t), "call")
	cmd := diskChild(dir, name, mode, 0)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	trace := iofault.Require(t, cmd)
	said, count := bufio.NewScanner(out), 0
	next := func() {
		copied := dir + strconv.Itoa(count+1)
		must(t, os.CopyFS(copied, os.DirFS(base)))
		fmt.Fprintln(in, count+1)
	}
	next()
	var output strings.Builder
	for said.Scan() {
		line, ok := strings.CutPrefix(said.Text(), ranPrefix)
		if !ok {
			fmt.Fprintln(&output, said.Text())
			continue
		}
		calls, outcome, _ := strings.Cut(line, " ")
		if n, err := strconv.Atoi(calls); err != nil || n <= count {
			in.Close() // none was left to fail
			continue
		}
		count++
		w.look(t, dir+strconv.Itoa(count), fmt.Sprintf("call %d, %s (%s), of which its engine says\n%s", count, mode, outcome, &output), outcome == "<nil>")
		output.Reset()
		next()
	}
	err = cmd.Wait()
	calls, trouble := trace.Calls()
	if err != nil || trouble != nil || count < 5 {
		var list strings.Builder
		for i, call := range calls {
			fmt.Fprintf(&list, "\n%d: %s", i+1, call)
		}
		t.Errorf("after %d calls: %v, %v\n%s\nThe calls are%s", count, err, trouble, &output, &list)
	}
	t.Logf("%d calls: %s", count, counted(calls))
}

// isKilled has the process be killed at each call of the work that changes something.
func (w diskWork) isKilled(t *testing.T, base, name string) {
	var killed []string
	for n := 1; ; n++ {
		dir := filepath.Join(memoryDir(t), strconv.Itoa(n))
		must(t, os.CopyFS(dir, os.DirFS(base)))
		cmd := diskChild(dir, name, iofault.Kill, n)
		var output bytes.Buffer
		cmd.Stdout = &output
		trace := iofault.Require(t, cmd)
		err := cmd.Wait()
		at := trace.KilledAt()
		if at == "" {
			if err != nil {
				t.Errorf("nobody has killed it: %v\n%s", err, &output)
			}
			break
		}
		killed = append(killed, at)
		w.look(t, dir, fmt.Sprintf("killed at %d, %s", n, at), false)
	}
	if len(killed) < 20 {
		t.Errorf("it was killed only at %v", killed)
	}
	t.Logf("killed at %d calls: %s", len(killed), counted(killed))
}

// counted writes what follows each other equally once, with its number.
func counted(calls []string) string {
	var text strings.Builder
	for i := 0; i < len(calls); {
		n := i
		for n < len(calls) && calls[n] == calls[i] {
			n++
		}
		fmt.Fprintf(&text, "%s", calls[i])
		if n-i > 1 {
			fmt.Fprintf(&text, " x%d", n-i)
		}
		text.WriteString(", ")
		i = n
	}
	return strings.TrimSuffix(text.String(), ", ")
}
