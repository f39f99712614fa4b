package hostingtest

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// patience is how long a check waits for something that should happen at once.
const patience = 20 * time.Second

// Texts that never end by themselves. endlessWrite holds the writer without
// filling the disk; it wants a table t of one column.
const (
	endless      = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "
	endlessRead  = endless + "SELECT count(*) FROM c"
	endlessRows  = endless + "SELECT x FROM c"
	endlessWrite = "INSERT INTO t SELECT n FROM (" + endless + "SELECT count(*) AS n FROM c)"
)

// A host is a Runner under test and the directory of its files.
type host struct {
	hosting.Runner
	t   *testing.T
	dir string
}

// host opens a Runner that is closed at the end of the test.
func (s *suite) host(t *testing.T, limits hosting.Limits) *host {
	t.Helper()
	return s.hostAt(t, t.TempDir(), limits)
}

func (s *suite) hostAt(t *testing.T, dir string, limits hosting.Limits) *host {
	t.Helper()
	h := &host{Runner: s.open(t, dir, limits), t: t, dir: dir}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

// database returns a database with the given schema on a host of its own with
// default limits.
func (s *suite) database(t *testing.T, schema string) *database {
	t.Helper()
	return s.host(t, hosting.Limits{}).database(schema)
}

// A database is one database of a host. Its job is what its methods send.
type database struct {
	*host
	job hosting.Job
}

// unmade returns a database without a file.
func (h *host) unmade() *database {
	return &database{host: h, job: hosting.Job{DB: newDB(), Caller: hosting.Caller{Address: "test"}}}
}

// database makes a database with the given schema, which may be empty.
func (h *host) database(schema string) *database {
	h.t.Helper()
	return h.unmade().make(schema)
}

// sibling makes another database of the same owner.
func (d *database) sibling(schema string) *database {
	d.t.Helper()
	other := d.unmade()
	other.job.Owner = d.job.Owner
	return other.make(schema)
}

func (d *database) make(schema string) *database {
	d.t.Helper()
	if err := d.Create(d.t.Context(), d.job.DB); err != nil {
		d.t.Fatalf("Create: %v", err)
	}
	if schema != "" {
		d.write(schema)
	}
	return d
}

// on returns the same database on another host of the same directory.
func (d *database) on(h *host) *database { return &database{host: h, job: d.job} }

func newDB() hosting.DB { return hosting.DB{Owner: newID(), Database: newID(), Version: newID()} }

func newID() catalog.ID { return catalog.NewID(time.Now(), rand.Reader) }

// file returns the path of the database's file.
func (d *database) file() string {
	return filepath.Join(hosting.VersionPath(d.dir, d.job.DB), "db")
}

// files lists the regular files under dir.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// place puts an image where the file of a database belongs.
func (d *database) place(image []byte) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.file()), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.file(), image, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// run sends one text and reads the answer to its end. It may be called from any
// goroutine.
func (d *database) run(ctx context.Context, class hosting.Class, sql string, args ...any) (catalog.Result, error) {
	var c collector
	sum, err := d.runTo(ctx, &c, class, sql, args...)
	c.Summary = sum
	return c.Result, err
}

// runTo sends one text and hands the answer to a sink.
func (d *database) runTo(ctx context.Context, sink hosting.Sink, class hosting.Class, sql string, args ...any) (catalog.Summary, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return catalog.Summary{}, err
	}
	job := d.job
	job.Class, job.Statement = class, st
	sum, err := d.Run(ctx, job, sink)
	d.discreet(err)
	return sum, err
}

// discreet fails the test if an error tells the user where files are.
func (h *host) discreet(err error) {
	if err != nil && strings.Contains(fault.Message(err), h.dir) {
		h.t.Errorf("the message names a path: %s", fault.Message(err))
	}
}

// try is run for those who care for the error alone.
func (d *database) try(class hosting.Class, sql string, args ...any) error {
	_, err := d.run(d.t.Context(), class, sql, args...)
	return err
}

// write runs a text of class Write that must succeed.
func (d *database) write(sql string, args ...any) catalog.Result {
	d.t.Helper()
	res, err := d.run(d.t.Context(), hosting.Write, sql, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", short(sql), err)
	}
	return res
}

// read runs a text of class Read that must succeed and returns [lines] of its
// answer.
func (d *database) read(sql string, args ...any) string {
	d.t.Helper()
	res, err := d.run(d.t.Context(), hosting.Read, sql, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", short(sql), err)
	}
	return lines(res)
}

// expect compares what a text of class Read answers with the wanted [lines].
func (d *database) expect(want, sql string, args ...any) {
	d.t.Helper()
	if got := d.read(sql, args...); got != want {
		d.t.Errorf("%s:\ngot  %q\nwant %q", short(sql), got, want)
	}
}

// refuse runs a text that must fail with one of the kinds.
func (d *database) refuse(class hosting.Class, sql string, kinds ...fault.Kind) {
	d.t.Helper()
	wantKind(d.t, short(sql), d.try(class, sql), kinds...)
}

// session opens a session that is closed at the end of the test.
func (d *database) session(class hosting.Class) *session {
	d.t.Helper()
	s, err := d.begin(class)
	if err != nil {
		d.t.Fatalf("Begin: %v", err)
	}
	return s
}

func (d *database) begin(class hosting.Class) (*session, error) {
	job := d.job
	job.Class = class
	inner, err := d.Begin(d.t.Context(), job)
	if err != nil {
		return nil, err
	}
	d.t.Cleanup(func() { inner.Close() })
	return &session{Session: inner, database: d}, nil
}

// A session is a session on a database.
type session struct {
	hosting.Session
	database *database
}

func (s *session) run(ctx context.Context, sql string, args ...any) (catalog.Result, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return catalog.Result{}, err
	}
	var c collector
	sum, err := s.Session.Run(ctx, st, &c)
	s.database.discreet(err)
	c.Summary = sum
	return c.Result, err
}

func (s *session) try(sql string, args ...any) error {
	_, err := s.run(s.database.t.Context(), sql, args...)
	return err
}

// exec runs texts that must succeed.
func (s *session) exec(sqls ...string) {
	s.database.t.Helper()
	for _, sql := range sqls {
		if err := s.try(sql); err != nil {
			s.database.t.Fatalf("session: %s: %v", short(sql), err)
		}
	}
}

func (s *session) expect(want, sql string) {
	s.database.t.Helper()
	res, err := s.run(s.database.t.Context(), sql)
	if err != nil {
		s.database.t.Fatalf("session: %s: %v", short(sql), err)
	}
	if got := lines(res); got != want {
		s.database.t.Errorf("session: %s:\ngot  %q\nwant %q", short(sql), got, want)
	}
}

// wantKind fails the test unless err is a fault of one of the kinds with a
// message.
func wantKind(t *testing.T, what string, err error, kinds ...fault.Kind) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want %v", what, kinds)
	case !slices.Contains(kinds, fault.KindOf(err)):
		t.Errorf("%s: error of kind %s, want %v: %v", what, fault.KindOf(err), kinds, err)
	case fault.Message(err) == "":
		t.Errorf("%s: a fault without a message: %v", what, err)
	}
}

// wantFault fails the test unless err has this kind, message and code.
func wantFault(t *testing.T, what string, err error, kind fault.Kind, code int, message string) {
	t.Helper()
	wantKind(t, what, err, kind)
	if e, ok := errors.AsType[*fault.Error](err); ok && (e.Message != message || e.Code != code) {
		t.Errorf("%s:\ngot  %q, code %d\nwant %q, code %d", what, e.Message, e.Code, message, code)
	}
}

// wantIs fails the test unless errors.Is(err, target).
func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want %v", what, err, target)
	}
}

// lines writes rows as the sqlite3 shell does: values parted by |, rows by a
// line feed.
func lines(res catalog.Result) string {
	var b strings.Builder
	for i, row := range res.Rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, v := range row {
			if j > 0 {
				b.WriteByte('|')
			}
			b.WriteString(v.String())
		}
	}
	return b.String()
}

// short cuts a text for a message.
func short(sql string) string {
	const most = 120
	if len(sql) <= most {
		return sql
	}
	return sql[:most] + "..."
}

// together runs n functions at once and joins their errors.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// background runs f and hands over its error when it returns.
func background(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// await receives from c, or ends the test when patience is at its end.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing happened for %v", what, patience)
		panic("unreachable")
	}
}

// eventually polls until cond holds, or ends the test when patience is at its
// end.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}
