//go:build linux

package attack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"ayb"
	"ayb/fault"
)

// A run carries one case out in one world.
type run struct {
	*world
	c     *Case
	mode  string
	hasty bool // the walls are down: a hang need not be watched for long

	started  func() // called when the attack begins
	sessions map[string]*ayb.Session
	pending  []*pending
	findings []string
	hung     bool // an answer did not come in time
}

// pending is a step that goes on in the background.
type pending struct {
	step    *Step
	answers chan []answer
}

func (r *run) find(format string, args ...any) {
	r.findings = append(r.findings, fmt.Sprintf(format, args...))
}

// steps carries out the steps of the preparation, or of the attack. An error
// says that the case could not be carried out.
func (r *run) steps(attack bool) error {
	for i := range r.c.Steps {
		s := &r.c.Steps[i]
		if s.Attack != attack {
			continue
		}
		if err := r.step(s); err != nil {
			return fmt.Errorf("line %d: %w", s.Line, err)
		}
		if r.hung {
			return nil
		}
	}
	return r.await()
}

func (r *run) step(s *Step) error {
	if s.What == "await" {
		return r.await()
	}
	x, err := r.expand(s)
	if err != nil {
		return err
	}
	if s.Who == "host" {
		return r.host(x)
	}
	if s.Background {
		p := &pending{step: x, answers: make(chan []answer, 1)}
		r.pending = append(r.pending, p)
		go func() { p.answers <- r.send(x) }()
		return nil
	}
	answers := r.send(x)
	if !s.Attack { // on a busy machine a bound of time may be reached too early
		for try := 0; try < 3 && slices.ContainsFunc(answers, func(a answer) bool { return a.kind == string(fault.TimedOut) }) && len(s.Want) == 0; try++ {
			answers = r.send(x)
		}
	}
	return r.judge(x, answers)
}

// await waits for the steps in the background.
func (r *run) await() error {
	waiting := r.pending
	r.pending = nil
	for _, p := range waiting {
		if err := r.judge(p.step, <-p.answers); err != nil {
			return err
		}
	}
	return nil
}

// expand fills in what a step leaves open.
func (r *run) expand(s *Step) (*Step, error) {
	x := *s
	x.Args = slices.Clone(s.Args)
	for _, text := range append([]*string{&x.Body, &x.Who, &x.On}, pointers(x.Args)...) {
		expanded, err := Expand(*text, r.functions())
		if err != nil {
			return nil, err
		}
		*text = expanded
	}
	return &x, nil
}

func pointers(texts []string) (all []*string) {
	for i := range texts {
		all = append(all, &texts[i])
	}
	return all
}

// functions are what the templates in cases may use besides those of Expand.
func (r *run) functions() template.FuncMap {
	return template.FuncMap{
		"outside":   func() string { return filepath.Join(r.dir, "outside") },
		"file":      r.file,
		"var":       r.variable,
		"inner":     func() string { return r.inner.Addr().String() },
		"innerPort": func() string { _, port, _ := net.SplitHostPort(r.inner.Addr().String()); return port },
		"token":     func(slug string) string { return r.tokens[slug] },
		"short":     func(slug string) string { return strings.Split(r.tokens[slug], "_")[1] },
	}
}

func (r *run) variable(name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok := r.vars[name]
	if !ok {
		return "", fmt.Errorf("nothing was remembered as %s", name)
	}
	return value, nil
}

// send does what a step says as often as it says.
func (r *run) send(s *Step) []answer {
	answers := make([]answer, s.Times*s.AtOnce)
	for i := range s.Times {
		var all sync.WaitGroup
		for j := range s.AtOnce {
			all.Go(func() { answers[i*s.AtOnce+j] = r.once(s, i*s.AtOnce+j, j) })
		}
		all.Wait()
	}
	return answers
}

// patience is how long a step may take.
func (r *run) patience(s *Step) time.Duration {
	grace := r.grace
	if r.hasty {
		grace = min(grace, 700*time.Millisecond)
	}
	if r.c.Within > 0 {
		return slowness * r.c.Within
	}
	bound := r.bounds.QueryTime + slowness*grace
	if s.AtOnce > 1 || s.Background || s.What == "session" {
		bound += r.bounds.QueueTime
	}
	if s.What == "stall" || s.What == "unread" {
		bound += r.stall
	}
	return bound
}

// once does it once. The copies of a step may differ by their number, written as
// @N@. Those side by side have each a session of their own.
func (r *run) once(s *Step, n, place int) answer {
	body := strings.ReplaceAll(s.Body, "@N@", fmt.Sprint(n))
	patience := r.patience(s)
	ctx, cancel := context.WithTimeout(context.Background(), patience+r.control.most())
	defer cancel()
	began := time.Now()
	var a answer
	switch s.What {
	case "sql":
		a = r.sql(ctx, s, body)
	case "session":
		a = r.session(ctx, s, body, place)
	case "http", "stall", "unread":
		a = r.raw(ctx, s, body)
	case "alike":
		a = r.alike(ctx, s, body)
	default:
		a = answer{kind: "harness", message: s.Who + " can't " + s.What}
	}
	a.took = time.Since(began)
	if over := a.took - patience; over > 0 && !r.control.excuse(began, a.took, over) {
		a.kind, a.message = late, fmt.Sprintf("no answer within %v, but after %v (%s)", patience, a.took, a)
	}
	return a
}

// bearer returns the token with which somebody comes, empty if with none.
func (r *run) bearer(who string) (string, error) {
	if name, ok := strings.CutPrefix(who, "token:"); ok {
		return r.variable(name)
	}
	if who == "anonymous" {
		return "", nil
	}
	slug, ok := actors[who]
	if !ok {
		return "", fmt.Errorf("nobody is called %q", who)
	}
	return r.tokens[slug], nil
}

// sql sends SQL over HTTP.
func (r *run) sql(ctx context.Context, s *Step, body string) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url("/v1/"+s.On+"/query"), strings.NewReader(body))
	if err != nil {
		return answer{kind: "harness", message: err.Error()}
	}
	token, err := r.bearer(s.Who)
	if err != nil {
		return answer{kind: "harness", message: err.Error()}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, arg := range s.Args {
		switch arg {
		case "json":
			req.Header.Set("Content-Type", "application/json")
		case "stream":
			req.Header.Set("Accept", "application/x-ndjson")
		}
	}
	resp, err := r.client().Do(req)
	if err != nil {
		return answer{kind: broken, message: err.Error()}
	}
	return read(resp)
}

// read reads an answer of HTTP to its end.
func read(resp *http.Response) answer {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var header strings.Builder
	resp.Header.Write(&header)
	a := answer{status: resp.StatusCode, header: header.String(), body: string(body)}
	if a.parse(); err != nil {
		a.kind, a.message = broken, err.Error()
	}
	return a
}

// session runs SQL on a session, which is opened by its first use.
func (r *run) session(ctx context.Context, s *Step, body string, place int) answer {
	name := fmt.Sprintf("%s %d", s.Args[0], place)
	r.mu.Lock()
	session := r.sessions[name]
	r.mu.Unlock()
	if session == nil {
		p := ayb.Anonymous
		token, err := r.bearer(s.Who)
		if err == nil && token != "" {
			p, err = r.Authenticate(ctx, token)
		}
		if err == nil {
			session, err = r.Begin(ctx, p, s.On)
		}
		if err != nil {
			return answerOf(nil, err)
		}
		r.mu.Lock()
		r.sessions[name] = session
		r.mu.Unlock()
	}
	if len(s.Args) > 1 && s.Args[1] == "close" {
		return answerOf(&ayb.Result{}, session.Close())
	}
	return answerOf(session.Query(ctx, body))
}

// raw sends a request of HTTP as it is written: a line with method and path,
// headers, an empty line, a body. What is missing of Host, Authorization and
// Content-Length is added.
func (r *run) raw(ctx context.Context, s *Step, text string) answer {
	request, err := r.request(s.Who, text)
	if err != nil {
		return answer{kind: "harness", message: err.Error()}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.server.Listener.Addr().String())
	if err != nil {
		return answer{kind: broken, message: err.Error()}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if s.What == "stall" {
		request = request[:len(request)-1]
	}
	go io.WriteString(conn, request) // the server need not read it to its end
	if s.What == "unread" {
		time.Sleep(2 * r.stall) // this client does not read: that is the attack
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{kind: broken, message: err.Error()}
	}
	return read(resp)
}

func (r *run) request(who, text string) (string, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	given := strings.ToLower("\n" + strings.Join(lines[1:], "\n"))
	token, err := r.bearer(who)
	if err != nil {
		return "", err
	}
	if token != "" && !strings.Contains(given, "\nauthorization:") {
		lines = append(lines, "Authorization: Bearer "+token)
	}
	if !strings.Contains(given, "\nhost:") {
		lines = append(lines, "Host: "+r.server.Listener.Addr().String())
	}
	if !strings.Contains(given, "\ncontent-length:") && !strings.Contains(given, "\ntransfer-encoding:") {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	if !strings.Contains(given, "\nconnection:") {
		lines = append(lines, "Connection: close")
	}
	if !strings.Contains(lines[0], " HTTP/") {
		lines[0] += " HTTP/1.1"
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body, nil
}

// notAlike are the headers in which any two answers differ.
var notAlike = regexp.MustCompile(`(?m)^(Date|X-Request-Id|Ayb-Query-Id): .*\r\n`)

// alike sends two requests, which differ in one name, and compares what they are
// told but for the name.
func (r *run) alike(ctx context.Context, s *Step, text string) answer {
	first, second := s.Args[0], s.Args[1]
	one := r.raw(ctx, s, strings.ReplaceAll(text, "NAME", first))
	two := r.raw(ctx, s, strings.ReplaceAll(text, "NAME", second))
	plain := func(a answer, name string) string {
		return strings.ReplaceAll(fmt.Sprintf("%d %s%s", a.status, notAlike.ReplaceAllString(a.header, ""), a.body), name, "NAME")
	}
	if a, b := plain(one, first), plain(two, second); a != b {
		return answer{kind: differs, message: fmt.Sprintf("%q and %q", a, b)}
	}
	return one
}

// judge compares answers with what is wanted, and looks for what no answer may
// hold.
func (r *run) judge(s *Step, answers []answer) error {
	var wanted []Want
	for _, w := range s.Want {
		if w.Mode == "" || w.Mode == r.mode {
			wanted = append(wanted, w)
		}
	}
	if len(wanted) == 0 {
		wanted = []Want{{What: "ok"}}
	}
	for _, a := range answers {
		if a.kind == "harness" {
			return errors.New(a.message)
		}
		r.hung = r.hung || a.kind == late
		met := slices.ContainsFunc(wanted, a.is)
		if !met && !s.Attack {
			return fmt.Errorf("the preparation fails: %s", a)
		}
		if !met {
			r.find("line %d: %s", s.Line, a)
		}
		r.secrets(s, a)
		if err := r.remember(s, a); err != nil {
			return err
		}
	}
	for _, w := range wanted {
		if w.Some && !slices.ContainsFunc(answers, func(a answer) bool { return a.is(w) }) {
			r.find("line %d: no answer is %s: %s", s.Line, w.What, w.Words)
		}
	}
	return nil
}

// secrets looks for what nobody may be told.
func (r *run) secrets(s *Step, a answer) {
	text := a.header + a.body + a.message + a.rows
	home, _ := os.Getwd()
	for _, secret := range []string{canary, r.dir, os.TempDir(), home} {
		if strings.Contains(text, secret) && !strings.Contains(s.Body, secret) {
			r.find("line %d: the answer holds %q: %s", s.Line, secret, a)
		}
	}
	for _, never := range s.Never {
		if strings.Contains(text, never) {
			r.find("line %d: the answer holds %q: %s", s.Line, never, a)
		}
	}
}

func (r *run) remember(s *Step, a answer) error {
	for name, pattern := range s.Save {
		found := regexp.MustCompile(pattern).FindStringSubmatch(a.header + "\n" + a.body)
		if found == nil {
			if s.Attack {
				continue
			}
			return fmt.Errorf("%s is not in %s", pattern, a)
		}
		r.mu.Lock()
		r.vars[name] = found[1]
		r.mu.Unlock()
	}
	return nil
}
