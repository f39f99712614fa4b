package ayb_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ayb/internal/iofault"
)

// The variables by which a test process is told to be one that is killed while it
// recovers.
const (
	recoverDirVariable  = "AYB_TEST_RECOVER_DIR"
	recoverCallVariable = "AYB_TEST_RECOVER_CALL"
)

// TestRecover_child is the process that is killed.
func TestRecover_child(t *testing.T) {
	dir := os.Getenv(recoverDirVariable)
	if dir == "" {
		t.Skip("it is for TestRecover_goes_on_after_every_kill")
	}
	must(t, iofault.Enter())
	n, err := strconv.Atoi(os.Getenv(recoverCallVariable))
	must(t, err)
	r := ruin{dir, &points{}}
	iofault.Begin(filepath.Join(dir, "data"), iofault.Kill, n)
	_, _, err = r.recover(t)
	must(t, err)
	iofault.End()
}

// killed recovers in a process that is killed at the nth file call that changes
// something, and returns which of them it came to.
func (r ruin) killed(t *testing.T, n int) (calls []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRecover_child$")
	cmd.Env = append(os.Environ(), recoverDirVariable+"="+r.dir, recoverCallVariable+"="+strconv.Itoa(n))
	var output bytes.Buffer
	cmd.Stdout = &output
	trace := iofault.Require(t, cmd)
	err := cmd.Wait()
	calls, trouble := trace.Calls()
	if at := trace.KilledAt(); at == "" && err != nil || trouble != nil {
		t.Fatalf("killed at %q: %v, %v\n%s", at, err, trouble, &output)
	}
	return calls
}

// TestRecover_goes_on_after_every_kill kills a recovery at its file calls in the data
// path, whoever makes them: at each that is another than the one before, since several
// writes to one log are one change, and is no sync, since the death of a process loses
// nothing that is written. Run again, it comes to the same end.
func TestRecover_goes_on_after_every_kill(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	base := ruin{memoryDir(t), &points{}}
	base.build(t)
	fresh := func(t *testing.T) ruin {
		r := ruin{memoryDir(t), &points{}}
		must(t, os.CopyFS(r.dir, os.DirFS(base.dir)))
		return r
	}
	lines, result, err := fresh(t).recover(t)
	must(t, err)
	const never = 1 << 30
	calls := fresh(t).killed(t, never)
	kills := 0
	for i, call := range calls {
		if i > 0 && call == calls[i-1] || strings.HasPrefix(call, "sync ") || strings.HasSuffix(call, "-shm") {
			continue
		}
		kills++
		t.Run(fmt.Sprintf("%d %s", i+1, call), func(t *testing.T) {
			t.Parallel()
			r := fresh(t)
			r.killed(t, i+1)
			r.again(t, lines, result)
		})
	}
	if kills < 60 {
		t.Errorf("it was killed %d times only", kills)
	}
	t.Logf("killed at %d of %d calls: %s", kills, len(calls), counted(calls))
}
