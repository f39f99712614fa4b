package iofault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// dirVariable names the directory to a test process that is a child.
const dirVariable = "AYB_TEST_IOFAULT_DIR"

// work writes a file under another name, and renames it.
func work(dir string) error {
	for _, step := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "new"), []byte("content"), 0o600) },
		func() error { return os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "file")) },
		func() error { _, err := os.ReadFile(filepath.Join(dir, "file")); return err },
		func() error { return os.Remove(filepath.Join(dir, "file")) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestMain(m *testing.M) {
	dir := os.Getenv(dirVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := Enter(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	Begin(dir, Count, 0)
	if err := work(dir); err != nil {
		fmt.Println(err)
	}
	n := End()
	for i := 1; i <= n; i++ {
		Begin(dir, Fail, i)
		err := work(dir)
		End()
		fmt.Println(i, errors.Is(err, syscall.EIO))
	}
	Begin(dir, Full, 2)
	err := work(dir)
	fmt.Println(End(), errors.Is(err, syscall.ENOSPC))
	os.Remove(filepath.Join(dir, "new"))
	Begin(dir, Kill, 3)
	fmt.Println(work(dir))
}

func TestTrace_has_each_call_go_wrong(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	trace := Require(t, cmd)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child ended with %v", err)
	}
	calls, err := trace.Calls()
	if err != nil {
		t.Error(err)
	}
	if want := []string{"open new", "write new", "rename file"}; !reflect.DeepEqual(calls, want) || trace.KilledAt() != want[2] {
		t.Errorf("the calls were %v, and it was killed at %s", calls, trace.KilledAt())
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err != nil {
		t.Errorf("killed before it renamed, it has left no file: %v", err)
	}
	if want := "1 true\n2 true\n3 true\n4 true\n5 true\n6 true\n7 true\n2 true\n"; output.String() != want {
		t.Errorf("it has said\n%s", output.String())
	}
}
