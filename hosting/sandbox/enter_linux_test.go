package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runCrowd enters the layers while the process has many threads, says so, and
// waits until its standard input ends.
func runCrowd(p Policy, args []string) error {
	before, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range before {
		holdThread()
	}
	if err := enterAll(p); err != nil {
		return err
	}
	after, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for range after {
		holdThread()
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// holdThread takes a thread out of the hands of the scheduler for good.
func holdThread() {
	held := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(held)
		select {}
	}()
	<-held
}

func TestEnter_reaches_every_thread(t *testing.T) {
	p := usable(t, Jail{})
	cmd := child(t, p, "crowd", "20", "20")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	if err != nil || len(threads) < 40 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			t.Fatal(err)
		}
		for line, layer := range map[string]Layer{
			"Seccomp:\t2\n": Seccomp, "NoNewPrivs:\t1\n": Privileges, "CapEff:\t0000000000000000\n": Privileges,
			"CapPrm:\t0000000000000000\n": Privileges, "CapInh:\t0000000000000000\n": Privileges, "CapAmb:\t0000000000000000\n": Privileges,
		} {
			if slices.Contains(p.Layers, layer) && !bytes.Contains(text, []byte(line)) {
				t.Errorf("%s lacks %q", thread, line)
			}
		}
	}
}

func TestEnter_threads_have_a_bound(t *testing.T) {
	p := usable(t, Jail{})
	if os.Geteuid() == 0 { // of root's threads the kernel bounds none
		p.UID, p.GID = nobody, nobody
	}
	p.Threads = 50
	exe := copyProgram(t, 0o755)
	for after, works := range map[string]bool{"20": true, "100": false} {
		err := childOf(t, exe, p, "crowd", "0", after).Run()
		if (err == nil) != works {
			t.Errorf("%s threads: %v", after, err)
		}
	}
}

// runGrow uses so many mebibytes of memory.
func runGrow(p Policy, args []string) error {
	if err := enterAll(p); err != nil {
		return err
	}
	mebibytes, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var kept [][]byte
	for range mebibytes {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		kept = append(kept, piece)
	}
	runtime.KeepAlive(kept)
	return nil
}

func TestEnter_memory_up_to_its_bound_and_no_more(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector needs more memory than any bound")
	}
	p := usable(t, Jail{})
	if out, err := child(t, p, "grow", "500").CombinedOutput(); err != nil {
		t.Errorf("500 MiB of 768: %v\n%.500s", err, out)
	}
	cmd := child(t, p, "grow", "1000")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("1,000 MiB of 768 were there:\n%.500s", out)
	}
	if peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; peak > 800<<10 {
		t.Errorf("%d KiB were used at most", peak)
	}
}

// runSignals does what a Go program does with signals: the scheduler interrupts
// goroutines that never pause by signals to their threads.
func runSignals(p Policy, _ []string) error {
	if err := enterAll(p); err != nil {
		return err
	}
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for { // without a pause
			}
		}()
	}
	for range 3 {
		time.Sleep(time.Millisecond)
		runtime.GC()
	}
	return nil
}

func TestEnter_the_scheduler_still_interrupts(t *testing.T) {
	cmd := child(t, usable(t, Jail{}), "signals")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// runSetuid starts a program that belongs to root and has the set-uid bit, and
// passes its words on.
func runSetuid(p Policy, args []string) error {
	if len(args) == 1 {
		if err := enterAll(p); err != nil {
			return err
		}
		cmd := exec.Command(args[0], childArgument+"setuid", "", "", p.argument())
		cmd.Stdout = os.Stdout
		return cmd.Run()
	}
	fmt.Print(os.Geteuid())
	return nil
}

func TestEnter_no_rights_from_set_uid_programs(t *testing.T) {
	needRoot(t)
	exe, program := copyProgram(t, 0o755), copyProgram(t, 0o755|os.ModeSetuid)
	for name, c := range map[string]struct {
		layers []Layer
		want   string
	}{
		"without a wall":        {[]Layer{}, "0"},
		"behind Privileges":     {[]Layer{Privileges}, strconv.Itoa(nobody)},
		"in its user namespace": {[]Layer{Users}, "0"}, // which is nobody outside
	} {
		t.Run(name, func(t *testing.T) {
			p := Policy{Layers: c.layers, Dirs: []string{sharedDir(t)}}
			cmd := childOf(t, exe, p, "setuid", program)
			if cmd.SysProcAttr.Cloneflags == 0 {
				cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
			}
			out, err := cmd.Output()
			if err != nil || string(out) != c.want {
				t.Errorf("it runs as %s, want %s (%v)", out, c.want, err)
			}
		})
	}
}

func TestEnter_a_policy_without_sense_is_refused(t *testing.T) {
	for _, dir := range []string{"relative", "/", "", "/a/../b", "/a/"} {
		if _, err := Enter(Policy{Layers: []Layer{}, Dirs: []string{dir}}); err == nil {
			t.Errorf("%q was taken", dir)
		}
		if err := (Policy{ReadOnly: []string{dir}}).Command(exec.Command("/bin/true")); err == nil {
			t.Errorf("%q was taken by Command", dir)
		}
	}
}

func TestEnter_a_directory_that_is_not_there_leaves_no_hole(t *testing.T) {
	p := usable(t, Jail{})
	p.Dirs = append(p.Dirs, "/nonexistent")
	out, err := child(t, p, "nothing").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "landlock") {
		t.Errorf("%v\n%s", err, out)
	}
}

// runParent starts a child that waits, says its number, and waits for its own end.
func runParent(p Policy, args []string) error {
	var worker Policy
	worker, _, err := FromArgs(args)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, childArgument+"crowd", "0", "0")
	if err := worker.Command(cmd); err != nil {
		return err
	}
	in, out, err := os.Pipe() // the child holds both ends, so that its input never ends
	if err != nil {
		return err
	}
	if cmd.Stdin == nil {
		cmd.Stdin = in
	}
	cmd.ExtraFiles = []*os.File{out}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Wait()
}

// jails returns the jails of this machine, and none. The package that nsjail comes
// from may be out of reach, so that it may be missing where all else must be there.
func jails(t *testing.T) map[string]Jail {
	t.Helper()
	found := map[string]Jail{"no jail": {}}
	if path := os.Getenv("AYB_NSJAIL"); path != "" {
		found["nsjail"] = Jail{Nsjail, path}
	} else {
		t.Log("NOT TESTED: nsjail, because AYB_NSJAIL does not name it; scripts/nsjail gets it")
	}
	path := os.Getenv("AYB_BUBBLEWRAP")
	if path == "" {
		path, _ = exec.LookPath("bwrap")
	}
	if path != "" {
		found["bubblewrap"] = Jail{Bubblewrap, path}
	} else {
		untested(t, "bubblewrap: AYB_BUBBLEWRAP does not name it; scripts/bubblewrap gets it")
	}
	return found
}

func TestCommand_a_worker_dies_with_its_parent(t *testing.T) {
	for name, jail := range jails(t) {
		t.Run(name, func(t *testing.T) {
			p := usable(t, jail)
			// The worker, and all that stands between, holds the pipe open.
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			parent := child(t, Policy{Layers: []Layer{}}, "parent", p.argument())
			parent.Stdout, parent.Stderr = in, os.Stderr
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			in.Close()
			r := bufio.NewReader(out)
			if jail.Kind != Nsjail { // whose standard input is its configuration, so that the worker's ends
				if line, err := r.ReadString('\n'); err != nil || line != "ready\n" {
					t.Fatalf("the worker says %q, %v", line, err)
				}
			}
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			parent.Wait()
			if err := out.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Errorf("something of the worker still lives: %v", err)
			}
		})
	}
}

func TestCommand_killing_the_command_kills_the_worker(t *testing.T) {
	for name, jail := range jails(t) {
		t.Run(name, func(t *testing.T) {
			sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := os.NewFile(uintptr(sockets[0]), "ours"), os.NewFile(uintptr(sockets[1]), "theirs")
			defer ours.Close()
			cmd := child(t, usable(t, jail), "echo")
			cmd.ExtraFiles = []*os.File{theirs}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			if err := ours.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := ours.WriteString("hello"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(ours, make([]byte, 5)); err != nil {
				t.Fatalf("the worker's socket gives %v", err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the worker still holds its socket: %v", err)
			}
			cmd.Wait()
		})
	}
}

// runEcho answers on descriptor 3 what it reads there.
func runEcho(p Policy, _ []string) error {
	if err := enterAll(p); err != nil {
		return err
	}
	socket := os.NewFile(3, "socket")
	_, err := io.Copy(socket, socket)
	return err
}

func BenchmarkStart(b *testing.B) {
	dir := sharedDir(b)
	cases := []struct {
		name   string
		layers []Layer
	}{{"bare", []Layer{}}, {"all", nil}}
	for _, layer := range Layers() {
		cases = append(cases, struct {
			name   string
			layers []Layer
		}{string(layer), []Layer{layer}})
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				p := Policy{Layers: c.layers, Dirs: []string{dir}, DataBytes: 768 << 20, OpenFiles: 1024}
				if out, err := child(b, p, "nothing").CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}
