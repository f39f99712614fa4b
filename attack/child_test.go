//go:build linux

package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ayb/internal/walls"
)

// How a test tells a child what to do.
const (
	childCase     = "AYB_ATTACK_CASE"
	childTemplate = "AYB_ATTACK_TEMPLATE"
	childDir      = "AYB_ATTACK_DIR"

	startedLine = "STARTED"
)

// What a child may use: what an attack does without its wall must not reach the
// machine.
const (
	childMemory = 2 << 30
	childFiles  = 1 << 30
	childTime   = 6 * time.Second // of the attack
)

// child carries out one attack with its walls down, in a process of its own,
// which may hang or crash.
func child(id string) int {
	time.AfterFunc(time.Minute, func() { os.Exit(1) }) // whatever becomes of the parent
	population = os.Getenv(childTemplate)
	for resource, limit := range map[int]uint64{syscall.RLIMIT_DATA: childMemory, syscall.RLIMIT_FSIZE: childFiles, syscall.RLIMIT_CORE: 0} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	all, err := Read(os.DirFS(cases))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := all[slices.IndexFunc(all, func(c *Case) bool { return c.ID() == id })]
	findings, err := carryOut(c, modes()[0], os.Getenv(childDir), c.Walls, func() { fmt.Println(startedLine) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	report(findings)
	return 0
}

// isGiven reports whether a wall is one that can't be taken down.
func isGiven(wall string) bool { return given[wall] != "" }

// isWall reports whether there is a wall of that name.
func isWall(name string) bool {
	_, err := walls.Parse(name)
	_, setting := settings[name]
	return err == nil || setting || isGiven(name)
}

// TestAttacks_need_their_walls carries out every attack with its walls down, in
// the first mode. Each must come to something, be it that the program crashes.
func TestAttacks_need_their_walls(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a process for each case")
	}
	places := make(chan struct{}, 3)
	var all sync.WaitGroup
	defer all.Wait()
	for i, c := range readCases(t) {
		if slices.ContainsFunc(c.Walls, isGiven) || c.Open != "" || !c.HoldsIn(modes()[0].kind) {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			dir := filepath.Join(filepath.Dir(population), fmt.Sprintf("child-%d", i))
			defer os.RemoveAll(dir)
			outcome, err := inChild(c, dir)
			if err != nil {
				t.Errorf("%s without %s: %v", c.ID(), strings.Join(c.Walls, ", "), err)
				return
			}
			t.Logf("%s without %s: %s", c.ID(), strings.Join(c.Walls, ", "), outcome)
		})
	}
}

// inChild carries out a case without its walls and returns what came of it. That
// nothing did is an error, and so is that the attack could not be tried.
func inChild(c *Case, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), childCase+"="+c.ID(), childTemplate+"="+population, childDir+"="+dir)
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", err
	}
	started, findings := false, ""
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == startedLine:
			started = true
			time.AfterFunc(childTime, cancel)
		case strings.HasPrefix(line, findingsLine):
			findings = strings.TrimPrefix(line, findingsLine)
		}
	}
	err = cmd.Wait()
	switch {
	case !started:
		return "", fmt.Errorf("it could not be tried: %v\n%s", err, failure.String())
	case ctx.Err() != nil:
		return "it does not end", nil
	case err != nil && findings == "" && crashed(err, failure.String()):
		return "the program crashes: " + crash(failure.String()), nil
	case err != nil:
		return "", fmt.Errorf("%w\n%s", err, failure.String())
	}
	var list []string
	if err := json.Unmarshal([]byte(findings), &list); err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", errors.New("the attack fails all the same, so it proves nothing")
	}
	return strings.Join(list[:min(len(list), 3)], "; "), nil
}

// crashed reports whether a program was ended by a panic, for want of memory, or
// by a signal.
func crashed(err error, stderr string) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && (exit.ExitCode() == 2 || exit.ExitCode() == -1) && !strings.HasPrefix(stderr, "line ")
}

func crash(stderr string) string {
	line, _, _ := strings.Cut(stderr, "\n")
	return short(line)
}
