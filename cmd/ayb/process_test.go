package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ayb/hosting/worker"
)

// patience is how long a test waits for something that is about to happen.
const patience = 30 * time.Second

// builtProgram is set once there is a program to remove.
var builtProgram atomic.Bool

// program builds the command once for all tests, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ayb-command-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ayb")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	worker.Main() // as main does
	status := m.Run()
	if builtProgram.Load() {
		if path, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(status)
}

// command returns the program with the arguments, in a directory and with nothing in
// the environment that configures it but the variables given.
func command(t *testing.T, dir string, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	builtProgram.Store(true)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); !strings.HasPrefix(strings.ToUpper(name), "AYB_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, environ...)
	return cmd
}

// unprivileged makes a command run as somebody without rights, if it would run as
// root.
func unprivileged(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		return cmd
	}
	if err := os.Chmod(filepath.Dir(cmd.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "--"}, cmd.Args...)
	other := exec.CommandContext(t.Context(), require(t, "setpriv"), args...)
	other.Dir, other.Env = cmd.Dir, cmd.Env
	return other
}

// An output gathers what a process writes, and can be waited on.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced with every write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

// Write adds to the text.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

// String returns the text so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns the first match of a pattern, once it is there; nil after the
// end of ctx.
func (o *output) await(ctx context.Context, pattern *regexp.Regexp) []string {
	for {
		o.mu.Lock()
		match, more := pattern.FindStringSubmatch(o.text.String()), o.more
		o.mu.Unlock()
		if match != nil {
			return match
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}

// A process is a running "ayb server".
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	dir, url    string
	out, errout *output
	ended       chan struct{}
	err         error // of the process; once it has ended
}

// startServer starts "ayb server" in a directory, on any port, and waits until it
// says where. It is killed when the test ends, unless it has ended before.
func startServer(t *testing.T, dir string, environ ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, out: newOutput(), errout: newOutput(), ended: make(chan struct{})}
	p.cmd = command(t, dir, append([]string{"AYB__PORT=0"}, environ...), "server")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
		cancel()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	match := p.out.await(ctx, regexp.MustCompile(`(?m)^Starting server .*:(\d+)\.\.\.$`))
	if match == nil {
		p.cmd.Process.Kill()
		<-p.ended
		t.Fatalf("the server did not start: %v\n%s%s", p.err, p.out, p.errout)
	}
	p.url = "http://127.0.0.1:" + match[1]
	return p
}

// stop sends a signal and waits for the end.
func (p *process) stop(signal os.Signal) error {
	p.t.Helper()
	p.cmd.Process.Signal(signal)
	return p.awaitEnd()
}

// awaitEnd waits until the process has ended, and returns how.
func (p *process) awaitEnd() error {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the server did not end\n%s%s", p.out, p.errout)
	}
	return p.err
}

// request sends a request and returns status and body.
func (p *process) request(method, path, body string, header ...string) (int, string) {
	p.t.Helper()
	status, text, err := send(p.t.Context(), method, p.url+path, body, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.errout)
	}
	return status, text
}

func send(ctx context.Context, method, url, body string, header ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// must is request, and fails the test unless the status is 2xx.
func (p *process) must(method, path, body string, header ...string) string {
	p.t.Helper()
	status, text := p.request(method, path, body, header...)
	if status/100 != 2 {
		p.t.Fatalf("%s %s: %d %s\n%s", method, path, status, text, p.errout)
	}
	return text
}

// mailedToken returns the token of the last e-mail in a file.
func mailedToken(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	matches := regexp.MustCompile(`ayb client confirm ([A-Za-z0-9_=-]+)`).FindAllSubmatch(text, -1)
	if matches == nil {
		t.Fatalf("no token in %s", text)
	}
	return string(matches[len(matches)-1][1])
}

// account registers and confirms an entity and returns its API token.
func (p *process) account(entity string) string {
	p.t.Helper()
	p.must("POST", "/v1/register", "", "entity", entity, "entity-type", "user", "email-address", entity+"@example.org")
	text := p.must("POST", "/v1/confirm", "", "authentication-token", mailedToken(p.t, filepath.Join(p.dir, "ayb_data", "emails.jsonl")))
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" {
		p.t.Fatalf("no token in %s: %v", text, err)
	}
	return answer.Token
}

func TestServer_needs_no_configuration(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir())
	if text := p.must("GET", "/health", ""); text != `{"status":"ok"}` {
		t.Errorf("health is %s", text)
	}
	token := p.account("alice")
	p.must("POST", "/v1/alice/test.sqlite/create", "", "db-type", "sqlite", "authorization", "Bearer "+token)
	got := p.must("POST", "/v1/alice/test.sqlite/query", "SELECT 1 AS one", "authorization", "Bearer "+token)
	if got != `{"fields":["one"],"rows":[["1"]]}` {
		t.Errorf("the answer is %s", got)
	}
	mails, err := os.ReadFile(filepath.Join(p.dir, "ayb_data", "emails.jsonl"))
	if err != nil || !strings.Contains(string(mails), p.url[len("http://127.0.0.1"):]+"/confirm/") {
		t.Errorf("the e-mail has no link with the port: %s, %v", mails, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if p.errout.await(ctx, regexp.MustCompile(`emails\.jsonl`)) == nil || strings.Contains(p.out.String()+p.errout.String(), "/confirm/") {
		t.Errorf("what is no terminal should be told the file, and no link:\n%s%s", p.out, p.errout)
	}
	if !strings.Contains(p.out.String(), "\nIsolation: SQL runs in") {
		t.Errorf("nothing was said of isolation:\n%s", p.out)
	}
	if strings.Contains(p.errout.String(), token) || strings.Contains(p.errout.String(), "SELECT") {
		t.Errorf("the log holds a token or SQL:\n%s", p.errout)
	}
	filepath.WalkDir(filepath.Join(p.dir, "ayb_data"), func(path string, d os.DirEntry, err error) error {
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %v", path, info.Mode())
		}
		return err
	})
}

func TestServer_answers_every_curl_line_of_the_seed(t *testing.T) {
	t.Parallel()
	require(t, "curl")
	script, err := os.ReadFile("testdata/curl.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := startServer(t, t.TempDir())
	var token, apiToken string
	for _, step := range regexp.MustCompile(`(?m)^\$ (.*)\n(.*)$`).FindAllStringSubmatch(string(script), -1) {
		if strings.Contains(step[1], "TOKEN_FROM_EMAIL") {
			token = mailedToken(t, filepath.Join(p.dir, "ayb_data", "emails.jsonl"))
		}
		line := strings.NewReplacer("http://127.0.0.1:5433", p.url, "http://localhost:5433", strings.Replace(p.url, "127.0.0.1", "localhost", 1),
			"TOKEN_FROM_EMAIL", token, "<API_TOKEN_FROM_PREVIOUS_COMMAND>", apiToken).Replace(step[1])
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl ", "curl --silent --noproxy '*' ", 1)).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if match := regexp.MustCompile(`"token":"(ayb_[^"]+)"`).FindSubmatch(out); match != nil {
			apiToken = string(match[1])
		}
		if want := strings.Replace(step[2], "<API_TOKEN>", apiToken, 1) + "\n"; string(out) != want {
			t.Errorf("%s\nanswers %swant    %s", step[1], out, want)
		}
	}
}

func TestServer_starts_from_the_default_configuration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := command(t, dir, nil, "default_server_config").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ayb.toml"), out, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startServer(t, dir, "AYB__HOST=127.0.0.1")
	p.account("alice") // although no mail server listens
	if strings.Contains(p.out.String(), "/confirm/") {
		t.Errorf("e-mails are shown:\n%s", p.out)
	}
	if !strings.Contains(p.errout.String(), "transport=smtp") {
		t.Errorf("that the mail server does not work was not logged:\n%s", p.errout)
	}
}

// numbers is SQL for so many rows of a kilobyte; for ever if that is 0.
func numbers(rows int) string {
	bound := ""
	if rows > 0 {
		bound = fmt.Sprintf(" WHERE n < %d", rows)
	}
	return "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c" + bound + ") SELECT n, zeroblob(735) FROM c" // 980 characters in base64
}

// stream sends a query and returns its answer once that has begun to arrive, so
// that the query is known to be running.
func (p *process) stream(token, sql string) io.ReadCloser {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url+"/v1/alice/t/query", strings.NewReader(sql))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/x-ndjson")
	request.Header.Set("Accept-Encoding", "identity")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.errout)
	}
	p.t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		p.t.Fatalf("status %d", answer.StatusCode)
	}
	return answer.Body
}

// database makes an account with the database alice/t.
func (p *process) database() (token string) {
	p.t.Helper()
	token = p.account("alice")
	p.must("POST", "/v1/alice/t/create", "", "db-type", "sqlite", "authorization", "Bearer "+token)
	return token
}

// awaitStopping waits until the server says that it is going to end.
func (p *process) awaitStopping() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if p.out.await(ctx, regexp.MustCompile("Shutting down")) == nil {
		p.t.Fatalf("it did not begin to end:\n%s", p.out)
	}
}

func TestServer_lets_requests_finish(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			const rows = 25_000 // more bytes than fit between server and client
			p := startServer(t, t.TempDir())
			answer := p.stream(p.database(), numbers(rows))
			p.cmd.Process.Signal(signal)
			p.awaitStopping()
			text, err := io.ReadAll(answer)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			if last := lines[len(lines)-1]; err != nil || len(lines) != rows+2 || !strings.Contains(last, fmt.Sprintf(`"rows":%d`, rows)) {
				t.Errorf("the answer has %d lines, the last is %s, and then: %v", len(lines), last, err)
			}
			if err := p.awaitEnd(); err != nil {
				t.Errorf("the server ended with %v\n%s", err, p.errout)
			}
		})
	}
}

func TestServer_ends_within_its_bound(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir())
	answer := p.stream(p.database(), numbers(0))
	drained := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, answer)
		drained <- err
	}()
	began := time.Now()
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the server ended with %v\n%s", err, p.errout)
	}
	if took := time.Since(began); took < drainTime || took > stopTime+time.Second {
		t.Errorf("it took %v", took)
	}
	if err := <-drained; err == nil {
		t.Error("the answer that was cut off looks whole")
	}
}

func TestServer_a_second_signal_ends_it_at_once(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir())
	p.stream(p.database(), numbers(0))
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.awaitStopping()
	began := time.Now()
	if err := p.stop(syscall.SIGTERM); err == nil {
		t.Error("it ended as if nothing had been cut off")
	}
	if took := time.Since(began); took > drainTime/2 {
		t.Errorf("it took %v", took)
	}
}

func TestServer_refuses_a_data_path_in_use(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startServer(t, dir)
	out, err := command(t, dir, []string{"AYB__PORT=0"}, "server").CombinedOutput()
	want := fmt.Sprintf("Error: The data path is in use by process %d; stop it first, or choose another data path\n", p.cmd.Process.Pid)
	if exitStatus(err) != exitError || string(out) != want {
		t.Errorf("exit status %d, said:\n%swant:\n%s", exitStatus(err), out, want)
	}
}

func TestServer_refuses_a_port_in_use(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir())
	port := p.url[strings.LastIndexByte(p.url, ':')+1:]
	dir := t.TempDir()
	out, err := command(t, dir, []string{"AYB__PORT=" + port}, "server").CombinedOutput()
	want := "Error: The server can't listen on 127.0.0.1:" + port + ": the port is in use by another program; stop it, or choose another port (port in ayb.toml, or AYB__PORT)\n"
	if exitStatus(err) != exitError || string(out) != want {
		t.Errorf("exit status %d, said:\n%swant:\n%s", exitStatus(err), out, want)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("it left %v behind", entries)
	}
}

func TestServer_refuses_a_wrong_configuration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ayb.toml"), []byte("prot = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"server"}, {"config", "check"}} {
		out, err := command(t, dir, nil, args...).CombinedOutput()
		if want := "Error: ayb.toml:1: unknown setting prot; did you mean port?\n"; exitStatus(err) != exitError || string(out) != want {
			t.Errorf("ayb %v: exit status %d, said %q, want %q", args, exitStatus(err), out, want)
		}
	}
	t.Run("that it may not read", func(t *testing.T) {
		if err := os.Chmod(filepath.Join(dir, "ayb.toml"), 0); err != nil {
			t.Fatal(err)
		}
		out, err := unprivileged(t, command(t, dir, nil, "server")).CombinedOutput()
		if want := "Error: The configuration file ./ayb.toml can't be read: permission denied\n"; exitStatus(err) != exitError || !strings.HasPrefix(string(out), want) {
			t.Errorf("exit status %d, said %q", exitStatus(err), out)
		}
	})
}

func TestServer_changes_its_key(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startServer(t, dir)
	p.must("POST", "/v1/register", "", "entity", "alice", "entity-type", "user", "email-address", "alice@example.org")
	token := mailedToken(t, filepath.Join(dir, "ayb_data", "emails.jsonl"))
	p.stop(syscall.SIGTERM)
	old, err := os.ReadFile(filepath.Join(dir, "ayb_data", "fernet.key"))
	if err != nil {
		t.Fatal(err)
	}

	p = startServer(t, dir, "AYB__AUTHENTICATION__FERNET_KEY="+goodKey)
	if status, text := p.request("POST", "/v1/confirm", "", "authentication-token", token); status != http.StatusUnauthorized {
		t.Errorf("a token of the old key alone: %d %s", status, text)
	}
	p.stop(syscall.SIGTERM)

	p = startServer(t, dir, "AYB__AUTHENTICATION__FERNET_KEY="+goodKey, "AYB__AUTHENTICATION__FERNET_KEYS="+strings.TrimSpace(string(old)))
	p.must("POST", "/v1/confirm", "", "authentication-token", token)
}

func TestServer_refuses_endless_headers(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		fmt.Fprint(conn, "GET /health HTTP/1.1\r\nHost: x\r\n")
		for range 16 { // 1 MiB
			fmt.Fprintf(conn, "X-Long: %s\r\n", strings.Repeat("x", 64<<10))
		}
		fmt.Fprint(conn, "\r\n")
	}()
	conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("it answers %v %v", answer, err)
	}
	p.must("GET", "/health", "")
}

func TestServer_writes_its_log_as_JSON(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir(), "AYB__LOG__FORMAT=json")
	p.must("GET", "/health", "")
	p.stop(syscall.SIGTERM)
	for line := range strings.Lines(p.errout.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// exitStatus returns the exit status of a process that has ended; 0 without an
// error.
func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

// require skips the test if a program is missing, or fails it where nothing may
// be skipped.
func require(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("AYB_TEST_REQUIRE") != "" {
		t.Fatalf("%s is needed: %v", name, err)
	}
	t.Skipf("%s is needed: %v", name, err)
	return ""
}
