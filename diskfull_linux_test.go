package ayb_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ayb"
	"ayb/internal/durable"
)

// tmpfsVariable names a directory to the test process that mounts a small disk there.
const tmpfsVariable = "AYB_TEST_TMPFS"

// tmpfsBytes is how large that disk is.
const tmpfsBytes = 4 << 20

// TestDisk_that_is_full does everything that needs room on a disk on which there is
// none, or a little: a file system of 4 MiB, in a namespace of its own.
func TestDisk_that_is_full(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestDisk_small_child$", "-test.v")
	cmd.Env = append(os.Environ(), tmpfsVariable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	output, err := cmd.CombinedOutput()
	_, unstarted := errors.AsType[*os.SyscallError](err)
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed || unstarted || strings.Contains(string(output), "NOT TESTED") {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatalf("AYB_TEST_REQUIRE is set, and no disk can be mounted: %v\n%s", err, output)
		}
		t.Skipf("NOT TESTED: no disk can be mounted: %v\n%s", err, output)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Log(string(output))
}

// TestDisk_small_child is the process with a disk of its own.
func TestDisk_small_child(t *testing.T) {
	dir := os.Getenv(tmpfsVariable)
	if dir == "" {
		t.Skip("it is for TestDisk_that_is_full")
	}
	if err := unix.Mount("ayb-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", tmpfsBytes)); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	base := filepath.Join(dir, "base")
	must(t, openDiskScene(t, base).end())
	for name, work := range diskWorks {
		t.Run(name, func(t *testing.T) {
			full, refused := 0, 0
			for room, done := int64(0), false; !done; room += 16 << 10 {
				if room > tmpfsBytes {
					t.Fatal("it never succeeds")
				}
				err := work.runIn(t, base, filepath.Join(dir, "scene"), room)
				done = err == nil
				switch {
				case errors.Is(err, syscall.ENOSPC):
					full++
				case err != nil:
					refused++
				}
			}
			t.Logf("the disk was full %d times, and %d times there was no room from the outset", full, refused)
			if full+refused == 0 {
				t.Error("it needs no room")
			}
		})
	}
}

// runIn does the work in a copy of a scene on whose disk so many bytes are free, and
// looks at what is left when there is room again.
func (w diskWork) runIn(t *testing.T, base, dir string, room int64) error {
	t.Helper()
	must(t, os.CopyFS(dir, os.DirFS(base)))
	s := openDiskScene(t, dir)
	if w.prepare != nil {
		w.prepare(s, t)
	}
	free, err := durable.Free(dir)
	must(t, err)
	ballast := filepath.Join(filepath.Dir(dir), "ballast")
	must(t, os.WriteFile(ballast, make([]byte, max(0, free-room)), 0o600))
	err = w.do(s)
	what := fmt.Sprintf("%d bytes are free (%v)", room, err)
	if err != nil && (!errors.Is(err, ayb.ErrUnavailable) || !errors.Is(err, ayb.ErrDiskFull) || strings.Contains(ayb.Message(err), "/")) {
		t.Errorf("%s: %q", what, ayb.Message(err))
	}
	if _, read := s.Query(ctx, ayb.System, "alice/db", "SELECT count(*) FROM t"); read != nil && !errors.Is(read, ayb.ErrDiskFull) {
		t.Errorf("%s: and the database can't be read: %v", what, read)
	}
	must(t, os.Remove(ballast))
	must(t, s.end())
	w.look(t, dir, what, err == nil)
	return err
}
