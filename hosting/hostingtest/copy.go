package hostingtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func copyChecks() []check {
	return []check{
		{"an_image_is_a_database", imageIsDatabase},
		{"a_compact_image_depends_on_the_content_alone", compactImage},
		{"an_image_made_under_load_is_consistent", copyUnderLoad},
		{"whoever_takes_a_copy_slowly_holds_up_no_writer", slowCopy},
		{"a_copy_passes_errors_of_its_writer_on", copyErrors},
		{"a_copy_leaves_nothing_behind", copyLeavesNothing},
		{"a_copy_beside_its_database_is_the_one_that_is_handed_over", copyBeside},
		{"a_copy_beside_replaces_no_version", copyReplacesNoVersion},
		{"a_copy_beside_that_fails_leaves_nothing", copyBesideFails},
		{"the_generation_counts_changes", generations},
	}
}

var copyMethods = map[string]hosting.CopyMethod{"vacuum": hosting.CopyVacuum, "pages": hosting.CopyPages}

// image copies the database and checks the header of the copy.
func (d *database) image(method hosting.CopyMethod) ([]byte, hosting.Generation) {
	d.t.Helper()
	var b bytes.Buffer
	gen, err := d.Copy(d.t.Context(), d.job.DB, method, &b)
	if err != nil {
		d.t.Fatalf("Copy: %v", err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("SQLite format 3\x00")) {
		d.t.Fatalf("the image of %d bytes begins with %q", b.Len(), b.Bytes()[:min(16, b.Len())])
	}
	size := int(binary.BigEndian.Uint16(b.Bytes()[16:]))
	pages := int(binary.BigEndian.Uint32(b.Bytes()[28:]))
	if size < 512 || b.Len() != size*pages {
		d.t.Fatalf("the image has %d bytes, its header says %d pages of %d bytes", b.Len(), pages, size)
	}
	return b.Bytes(), gen
}

// openImage makes an image a database of the same host.
func (h *host) openImage(image []byte) *database {
	h.t.Helper()
	d := h.unmade()
	d.place(image)
	if err := d.Check(h.t.Context(), d.job.DB, hosting.IntegrityCheck); err != nil {
		h.t.Errorf("the image is damaged: %v", err)
	}
	return d
}

func imageIsDatabase(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE t (k INTEGER PRIMARY KEY, a); CREATE INDEX i ON t (a);
		CREATE VIRTUAL TABLE f USING fts5 (x); CREATE VIRTUAL TABLE r USING rtree (id, a, b);
		INSERT INTO f VALUES ('duck'); INSERT INTO r VALUES (1, 2, 3);
		INSERT INTO t (a) SELECT hex(zeroblob(x % 2000)) FROM (`+endlessRows+` LIMIT 1000)`)
	d.write("DELETE FROM t WHERE k % 3 = 0")
	const all = "SELECT count(*), sum(k), sum(length(a)), (SELECT count(*) FROM f WHERE f MATCH 'duck'), (SELECT b FROM r) FROM t"
	want := d.read(all)
	for name, method := range copyMethods {
		image, _ := d.image(method)
		c := d.openImage(image)
		if got := c.read(all); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		c.write("INSERT INTO t (a) VALUES ('new')")
	}
	d.expect(want, all)
}

func compactImage(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT hex(zeroblob(500)) FROM ("+endlessRows+" LIMIT 500); DELETE FROM t WHERE rowid > 10")
	first, _ := d.image(hosting.CopyVacuum)
	second, _ := d.image(hosting.CopyVacuum)
	if !bytes.Equal(first, second) {
		t.Error("two images of an unchanged database differ")
	}
	if pages, _ := d.image(hosting.CopyPages); len(first) >= len(pages) {
		t.Errorf("the compact image has %d bytes, the plain one %d", len(first), len(pages))
	}
	d.write("INSERT INTO t VALUES (1)")
	if third, _ := d.image(hosting.CopyVacuum); bytes.Equal(first, third) {
		t.Error("images of different content are equal")
	}
}

func copyUnderLoad(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE a (n); CREATE TABLE b (n); INSERT INTO a VALUES (0); INSERT INTO b VALUES (0);
		CREATE TABLE ballast (x); INSERT INTO ballast SELECT zeroblob(2000) FROM (`+endlessRows+` LIMIT 1500)`)
	stop := make(chan struct{})
	hammer := background(func() error {
		return together(4, func(int) error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				err := d.try(hosting.Write, "UPDATE a SET n = n + 1; UPDATE ballast SET x = randomblob(2000) WHERE rowid = abs(random() % 1500); UPDATE b SET n = n + 1")
				if err != nil {
					return err
				}
			}
		})
	})
	for range 3 {
		for name, method := range copyMethods {
			before := d.read("SELECT n FROM a")
			image, _ := d.image(method)
			c := d.openImage(image)
			if got := c.read("SELECT a.n = b.n, a.n >= CAST(? AS INTEGER), (SELECT count(*) FROM ballast) FROM a, b", before); got != "1|1|1500" {
				t.Errorf("%s: got %q", name, got)
			}
		}
	}
	close(stop)
	if err := await(t, "the writers", hammer); err != nil {
		t.Error(err)
	}
}

// A stuckWriter waits at its first byte until it is opened.
type stuckWriter struct{ reached, open chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) {
	select {
	case w.reached <- struct{}{}:
	case <-w.open:
	}
	<-w.open
	return len(p), nil
}

func slowCopy(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 1000)")
	for name, method := range copyMethods {
		w := stuckWriter{reached: make(chan struct{}), open: make(chan struct{})}
		done := background(func() error {
			_, err := d.Copy(t.Context(), d.job.DB, method, w)
			return err
		})
		await(t, name, w.reached)
		d.write("INSERT INTO t VALUES (1)")
		d.write("CREATE TABLE " + name + "_meanwhile (a)")
		d.read("SELECT count(*) FROM t")
		close(w.open)
		if err := await(t, name, done); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A limitedWriter takes a number of bytes and then fails.
type limitedWriter int

func (w *limitedWriter) Write(p []byte) (int, error) {
	if *w -= limitedWriter(len(p)); *w < 0 {
		return 0, errSink
	}
	return len(p), nil
}

func copyErrors(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 1000)")
	for name, method := range copyMethods {
		for _, n := range []limitedWriter{0, 300_000} {
			if _, err := d.Copy(t.Context(), d.job.DB, method, &n); !errors.Is(err, errSink) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	}
	d.write("INSERT INTO t VALUES (1)")
	d.image(hosting.CopyPages)
}

func copyLeavesNothing(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 1000)")
	for _, method := range copyMethods {
		if _, err := d.Copy(t.Context(), d.job.DB, method, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, hosting.OwnerPath(d.dir, d.job.Owner)); len(got) > 3 {
		t.Errorf("there is more than the database, its log and its index: %v", got)
	}
	if n := d.Stats().TempBytes; n != 0 {
		t.Errorf("%d bytes of temporary files", n)
	}
}

// beside returns an image of a database, of which there is nothing yet.
func (d *database) beside() *database {
	image := &database{host: d.host, job: d.job}
	image.job.Version = hosting.ImageID(newID())
	return image
}

func copyBeside(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 1000)")
	for name, method := range copyMethods {
		image := d.beside()
		want, wantGen := d.image(method)
		for range 2 { // the second replaces the first
			gen, err := d.CopyTo(t.Context(), d.job.DB, method, image.job.Version)
			if err != nil || gen != wantGen {
				t.Fatalf("%s: generation %v, %v; want %v", name, gen, err, wantGen)
			}
			got, err := os.ReadFile(image.file())
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v; handed over were %d others", name, len(got), err, len(want))
			}
		}
		if info, err := os.Stat(image.file()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if err := d.Check(t.Context(), image.job.DB, hosting.QuickCheck); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		resume, err := d.Release(t.Context(), image.job.DB)
		if err != nil {
			t.Fatal(err)
		}
		resume()
		if err := os.RemoveAll(filepath.Dir(image.file())); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, hosting.OwnerPath(d.dir, d.job.Owner)); len(got) > 3 {
		t.Errorf("there is more than the database, its log and its index: %v", got)
	}
}

func copyReplacesNoVersion(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	for _, version := range []catalog.ID{d.job.Version, newID()} {
		_, err := d.CopyTo(t.Context(), d.job.DB, hosting.CopyPages, version)
		if fault.KindOf(err) != fault.Internal {
			t.Errorf("error %v", err)
		}
	}
	d.expect("1", "SELECT a FROM t")
}

func copyBesideFails(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 20000)")
	missing := s.host(t, hosting.Limits{}).unmade()
	if _, err := missing.CopyTo(t.Context(), missing.job.DB, hosting.CopyVacuum, missing.beside().job.Version); !errors.Is(err, hosting.ErrMissing) {
		t.Errorf("without a database: %v", err)
	}
	for name, method := range copyMethods {
		image := d.beside()
		ctx, cancel := context.WithCancel(t.Context())
		stopped := background(func() error {
			defer cancel()
			for ctx.Err() == nil { // until it is under way, or over
				if found, err := filepath.Glob(filepath.Join(hosting.OwnerPath(d.dir, d.job.Owner), "tmp", "*", "db")); err != nil || len(found) > 0 {
					return err
				}
			}
			return nil
		})
		_, err := d.CopyTo(ctx, d.job.DB, method, image.job.Version)
		cancel()
		if err := await(t, name, stopped); err != nil {
			t.Error(err)
		}
		switch _, there := os.Stat(image.file()); {
		case err == nil && there == nil: // it was faster
		case !errors.Is(err, context.Canceled) || there == nil:
			t.Errorf("%s: %v, and the image: %v", name, err, there)
		}
		if err := os.RemoveAll(filepath.Dir(image.file())); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, hosting.OwnerPath(d.dir, d.job.Owner)); len(got) > 3 {
		t.Errorf("left behind: %v", got)
	}
}

func generations(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	gen := func(method hosting.CopyMethod) hosting.Generation {
		g, err := d.Copy(t.Context(), d.job.DB, method, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	last := gen(hosting.CopyPages)
	if last.Incarnation.IsZero() {
		t.Error("no incarnation")
	}
	for _, sql := range []string{"SELECT 1", "SELECT * FROM t", "DELETE FROM t WHERE 0", "PRAGMA table_info(t)", "INSERT INTO t SELECT 1 WHERE 0"} {
		d.write(sql)
		if g := gen(hosting.CopyVacuum); g != last {
			t.Errorf("%s: the generation went from %v to %v", sql, last, g)
			last = g
		}
	}
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1); SELECT * FROM nope", fault.Invalid)
	if g := gen(hosting.CopyPages); g != last {
		t.Errorf("a write that failed moved the generation from %v to %v", last, g)
		last = g
	}
	for _, write := range []func(){
		func() { d.write("INSERT INTO t VALUES (1)") },
		func() { d.write("CREATE TABLE u (a); DROP TABLE u") },
		func() { d.write("VACUUM") },
		func() { d.write("PRAGMA user_version = 3") },
		func() { d.session(hosting.Write).exec("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT") },
		func() { d.session(hosting.Write).exec("INSERT INTO t VALUES (1)") },
	} {
		write()
		g := gen(hosting.CopyPages)
		if g.Incarnation == last.Incarnation && g.Commits <= last.Commits {
			t.Errorf("a write did not move the generation %v", g)
		}
		last = g
	}
}
