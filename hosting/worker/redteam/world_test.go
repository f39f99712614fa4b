//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ayb/catalog"
	"ayb/hosting"
	"ayb/hosting/sandbox"
	"ayb/hosting/worker"
)

// programVariable names the program for tests that are run as another user.
const programVariable = "AYB_REDTEAM"

// program builds the program, once.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(programVariable); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "redteam-program-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "redteam")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

var builtIn string // the directory of the program, if this process has made it

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(builtIn)
	os.Exit(code)
}

// A world is a server's data, and what else on the machine a worker has no business
// with.
type world struct {
	testing.TB
	dir    string
	exe    string
	target target
	secret []byte // what every secret file holds
	log    *logged
}

func newWorld(t testing.TB) *world {
	t.Helper()
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "redteam-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{TB: t, dir: dir, exe: exe, log: &logged{}}
	w.target.Token = rand.Text()
	w.target.Program = exe
	w.secret = []byte("secret " + w.target.Token)
	w.target.Memory, w.target.OpenFiles = 4<<30, openFiles
	w.target.Parent = os.Getpid()
	w.target.Host, _ = os.Hostname()
	w.makeFiles()
	w.listen()
	w.share()
	w.standBy()
	return w
}

// Bounds of the workers.
const (
	openFiles   = 256
	ownerMemory = 128 << 20
)

// owners is the directory of the Runner.
func (w *world) owners() string { return filepath.Join(w.dir, "data", "owners") }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// makeFiles makes the secret files.
func (w *world) makeFiles() {
	other := hosting.DB{Owner: newID(), Database: newID(), Version: newID()}
	w.target.Files = map[string]string{
		"config":    filepath.Join(w.dir, "ayb.toml"),
		"key":       filepath.Join(w.dir, "data", "fernet.key"),
		"metadata":  filepath.Join(w.dir, "data", "ayb.sqlite"),
		"neighbour": filepath.Join(hosting.VersionPath(w.owners(), other), "db"),
		"file":      filepath.Join(w.dir, "readable"),
	}
	for name, path := range w.target.Files {
		mode := os.FileMode(0o600)
		if name == "file" {
			mode = 0o644
		}
		w.must(os.MkdirAll(filepath.Dir(path), 0o755))
		w.must(os.WriteFile(path, w.secret, mode))
	}
	w.target.Drop = filepath.Join(w.dir, "drop")
	w.must(os.Mkdir(w.target.Drop, 0o777))
	w.must(os.WriteFile(filepath.Join(w.target.Drop, "doomed"), nil, 0o666))
	if handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, w.target.Files["key"], 0); err == nil {
		w.target.Handle, w.target.Kind = handle.Bytes(), handle.Type()
	}
	w.leaveOpen()
}

// leaveOpen opens a file as a careless library would, so that workers inherit it, a
// terminal too, and another file with more care.
func (w *world) leaveOpen() {
	open := func(path string, flags int) int {
		fd, err := unix.Open(path, flags, 0)
		if err != nil {
			w.Logf("%s: %v", path, err)
			return -1
		}
		w.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	open(w.target.Files["key"], unix.O_RDONLY)
	w.target.ParentFile = open(w.target.Files["key"], unix.O_RDONLY|unix.O_CLOEXEC)
	terminal := open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if terminal < 0 {
		return
	}
	_ = unix.IoctlSetPointerInt(terminal, unix.TIOCSPTLCK, 0)
	if number, err := unix.IoctlGetInt(terminal, unix.TIOCGPTN); err == nil {
		open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY)
	}
}

func (w *world) listen() {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	w.must(err)
	w.Cleanup(func() { tcp.Close() })
	w.target.TCP = tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	w.must(err)
	w.Cleanup(func() { udp.Close() })
	w.target.UDP = udp.LocalAddr().(*net.UDPAddr).Port
	w.target.Unix, w.target.Abstract = filepath.Join(w.dir, "operator.sock"), "@redteam-"+w.target.Token
	for _, name := range []string{w.target.Unix, w.target.Abstract} {
		l, err := net.Listen("unix", name)
		w.must(err)
		w.Cleanup(func() { l.Close() })
	}
}

func (w *world) share() {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, os.Getpagesize(), 0o600)
	if err != nil {
		w.target.Shared = -1
		return
	}
	w.target.Shared = id
	w.Cleanup(func() { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
}

// standBy starts the bystander.
func (w *world) standBy() {
	cmd := exec.Command(w.exe, beBystander, w.target.Token)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	w.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			w.Errorf("the bystander ended with %v", err)
		}
	})
	_, err = fmt.Fscan(out, &w.target.Address)
	w.must(err)
	w.target.Bystander = cmd.Process.Pid
}

// unharmed reports what has become of secret files.
func (w *world) unharmed() {
	w.Helper()
	for name, path := range w.target.Files {
		if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, w.secret) {
			w.Errorf("the file %s was changed: %q, %v", name, text, err)
		}
	}
}

// careless returns a program that starts ours as a careless server would: with
// secrets in its environment and arguments.
func (w *world) careless() string {
	path := filepath.Join(w.dir, "careless")
	script := fmt.Sprintf("#!/bin/sh\nSECRET=%s exec %s \"$1\" \"$2\"\n", w.target.Token, w.exe)
	w.must(os.WriteFile(path, []byte(script), 0o755))
	return path
}

// A squad is a Runner of evil and honest workers.
type squad struct {
	*world
	*worker.Runner
}

func (w *world) squad(policy sandbox.Policy, exe string, limits hosting.Limits) *squad {
	w.Helper()
	policy.OpenFiles = openFiles
	r, err := worker.New(worker.Config{
		Dir: w.owners(), Limits: limits, OwnerMemory: ownerMemory, Executable: exe, Sandbox: policy, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	w.must(err)
	return &squad{w, r}
}

// An owner of databases in a squad.
type owner struct {
	*squad
	job hosting.Job
	dir string
}

func (s *squad) owner() *owner {
	o := &owner{squad: s}
	o.job = hosting.Job{DB: hosting.DB{Owner: newID(), Database: newID(), Version: newID()}, Class: hosting.Write}
	o.job.Caller.Entity = o.job.Owner
	o.dir = hosting.OwnerPath(s.owners(), o.job.Owner)
	return o
}

// evil returns an owner whose worker was taken over.
func (s *squad) evil() *owner {
	s.Helper()
	o := s.owner()
	s.must(os.MkdirAll(o.dir, 0o700))
	s.must(os.WriteFile(filepath.Join(o.dir, evilMark), nil, 0o600))
	return o
}

// visited returns the owner's databases as somebody asks them who may only read.
func (o *owner) visited() *owner {
	visited := *o
	visited.job.Class, visited.job.Caller = hosting.Read, hosting.Caller{}
	return &visited
}

// A taker takes the first text of an answer.
type taker struct{ text string }

func (*taker) Columns([]catalog.Column) error { return nil }

func (k *taker) Row(row catalog.Row) error {
	if k.text == "" && row.Len() > 0 {
		k.text = string(row.Bytes(0))
	}
	return nil
}

// ask runs SQL, by a caller of its own: who asks for much that is evil is kept away.
func (o *owner) ask(sql string) (string, error) {
	var answer taker
	job := o.job
	job.Statement.SQL = sql
	job.Caller.Address = rand.Text()
	_, err := o.Run(context.Background(), job, &answer)
	return answer.text, err
}

// command has the evil worker do something.
func (o *owner) command(sql string, what order) (string, error) {
	o.Helper()
	text, err := json.Marshal(what)
	o.must(err)
	return o.ask(sql + " " + orderBegins + string(text) + orderEnds)
}

// logged keeps what the Runner logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

func newID() (id catalog.ID) {
	rand.Read(id[:])
	return id
}

// processes returns those, zombies too, in whose arguments there is a text, or whose
// parent is this one.
func processes(text string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if strings.Contains(string(args), text) {
			found = append(found, filepath.Base(dir))
		}
	}
	return found
}

// zombies returns this process's children that have ended and were not waited for.
func zombies() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		stat, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, string(stat))
		}
	}
	return found
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s: not after %v", what, patience)
			return
		}
	}
}
