package ayb_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/iotest"

	"ayb"
	"ayb/aybtest"
)

func TestEngine_Import(t *testing.T) {
	limits := ayb.Limits{ImportBytes: 10 << 20}
	f := aybtest.New(t, &ayb.Config{Limits: limits})
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", manyThings)
	_, query := openFile(t, exported(t, f, alice, "alice/db", ayb.ExportSQLite))
	want := content(t, query)

	for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
		t.Run("what was exported can be imported/"+format.String(), func(t *testing.T) {
			file, err := os.Open(exported(t, f, alice, "alice/db", format))
			must(t, err)
			defer file.Close()
			ref := "alice/again-" + format.String()
			imported, err := f.Import(ctx, alice, ref, file, &ayb.ImportOptions{Format: format})
			must(t, err)
			if db := imported.Database; db.Ref().String() != ref || !db.Written {
				t.Errorf("%+v", db)
			}
			_, query := openFile(t, exported(t, f, alice, ref, ayb.ExportSQLite))
			if got := content(t, query); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			f.MustQuery(alice, ref, "INSERT INTO quoted VALUES ('y')")
		})
	}
	t.Run("a database that was never written is filled, one that was is left alone", func(t *testing.T) {
		f.MustDatabase("alice/empty")
		if r := f.MustQuery(alice, "alice/empty", "SELECT count(*) FROM sqlite_schema"); r.Rows[0][0].Int64() != 0 {
			t.Fatal(r)
		}
		text := "CREATE TABLE t(a); INSERT INTO t VALUES (1)"
		sql := &ayb.ImportOptions{Format: ayb.ExportSQL}
		_, err := f.Import(ctx, alice, "alice/empty", bytes.NewReader([]byte(text)), sql)
		must(t, err)
		if r := f.MustQuery(alice, "alice/empty", "SELECT a FROM t"); len(r.Rows) != 1 {
			t.Errorf("%+v", r)
		}
		if _, err := f.Import(ctx, alice, "alice/empty", bytes.NewReader([]byte(text)), sql); !errors.Is(err, ayb.ErrConflict) {
			t.Errorf("once more: %v", err)
		}
		f.Reopen()
		if r := f.MustQuery(alice, "alice/empty", "SELECT a FROM t"); len(r.Rows) != 1 {
			t.Errorf("after a restart: %+v", r)
		}
	})
	t.Run("what fails makes no database and leaves nothing", func(t *testing.T) {
		cut := errors.New("the sender is gone")
		for name, c := range map[string]struct {
			r    io.Reader
			want error
		}{
			"no SQLite file": {bytes.NewReader([]byte("hello")), ayb.ErrInvalid},
			"too large":      {io.LimitReader(zeros{}, 11<<20), ayb.ErrTooLarge},
			"endless":        {zeros{}, ayb.ErrTooLarge},
			"cut off":        {io.MultiReader(bytes.NewReader([]byte("SQLite")), iotest.ErrReader(cut)), cut},
		} {
			if _, err := f.Import(ctx, alice, "alice/failed", c.r, nil); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if _, err := f.Database(ctx, alice, "alice/failed"); !errors.Is(err, ayb.ErrNotFound) {
				t.Errorf("%s: there is a database: %v", name, err)
			}
		}
		for _, dir := range []string{"tmp", "incoming"} {
			left, _ := filepath.Glob(filepath.Join(f.DataPath(), "owners", "*", "*", dir, "*"))
			if len(left) > 0 {
				t.Errorf("%v", left)
			}
		}
	})
	t.Run("who may not create a database there can't import one, and learns nothing", func(t *testing.T) {
		for _, ref := range []string{"alice/db", "alice/nothing", "nobody/nothing"} {
			_, err := f.Import(ctx, bob, ref, bytes.NewReader(nil), nil)
			if !errors.Is(err, ayb.ErrDenied) {
				t.Errorf("%s: %v", ref, err)
			}
		}
		if _, err := f.Import(ctx, ayb.Anonymous, "alice/db", bytes.NewReader(nil), nil); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("anonymous: %v", err)
		}
	})
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
