package ayb_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"ayb"
	"ayb/fault"
)

// The variables by which a test process is told to be one that is killed amidst an
// import.
const (
	importDirVariable   = "AYB_TEST_IMPORT_DIR"
	importRefVariable   = "AYB_TEST_IMPORT_REF"
	importPointVariable = "AYB_TEST_IMPORT_POINT"
)

// importRefs are a database that is made, one that is filled, and one that is
// replaced.
var importRefs = []string{"alice/new", "alice/empty", "alice/db"}

// beforeMetadata is the point when the files are in place and the metadata do not
// know of them yet.
const beforeMetadata = -1

// importScene is restoreScene with an empty database.
func importScene(t testing.TB, dir string, p *points) (eng *ayb.Engine, end func()) {
	t.Helper()
	eng, _, end = restoreScene(t, dir, p)
	if _, err := eng.CreateDatabase(ctx, ayb.System, "alice/empty", nil); err != nil && !errors.Is(err, ayb.ErrExists) {
		t.Fatal(err)
	}
	return eng, end
}

// importOnce imports 7 with the points armed, and waits until nothing goes on.
func importOnce(t testing.TB, eng *ayb.Engine, dir, ref string, p *points) error {
	p.arm(true)
	alice, err := eng.Entity(ctx, ayb.System, "alice")
	must(t, err)
	_, err = eng.Import(ctx, eng.Owner(alice), ref, numbers(7), replacing)
	waitForNotes(dir)
	p.arm(false)
	return err
}

func waitForNotes(dir string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if images, _ := os.ReadDir(filepath.Join(dir, "data", "images")); len(images) == 0 {
			return
		}
	}
}

// killBeforeMetadata has this process killed when the import has put its files in
// place. Until then nothing can be written to the metadata.
func killBeforeMetadata(t *testing.T, dir string) func() error {
	versions := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "data", ayb.OwnersDir, "*", "*", "??", "*", "*", "db"))
		must(t, err)
		return found
	}
	return func() error {
		db, err := driver.Open("file:" + filepath.Join(dir, "data", "ayb.sqlite"))
		must(t, err)
		tx, err := db.BeginTx(ctx, &sql.TxOptions{})
		must(t, err)
		_, err = tx.Exec("CREATE TABLE held (a)")
		must(t, err)
		before := strings.Join(versions(), " ")
		go func() {
			for strings.Join(versions(), " ") == before { // the image becomes a version
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // and its directory is synced
			killSelf()
		}()
		return nil
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	select {} // until it is done
}

// TestImport_child is the process that is killed.
func TestImport_child(t *testing.T) {
	dir := os.Getenv(importDirVariable)
	if dir == "" {
		t.Skip("it is for TestImport_survives_every_fault")
	}
	at, err := strconv.Atoi(os.Getenv(importPointVariable))
	must(t, err)
	p := &points{at: at, wrong: func() error { killSelf(); return nil }}
	if at == beforeMetadata {
		p.at, p.wrong = 2, killBeforeMetadata(t, dir) // it is adopted
	}
	eng, end := importScene(t, dir, p)
	must(t, importOnce(t, eng, dir, os.Getenv(importRefVariable), p))
	end()
}

// TestImport_survives_every_fault has each call that an import makes to the Runner
// and the bucket fail once, and the process be killed at it once, and between the
// files and the metadata.
func TestImport_survives_every_fault(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	base := t.TempDir()
	_, end := importScene(t, base, &points{})
	end()
	fresh := func() string {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(base)))
		return dir
	}
	failure := fault.New(fault.Unavailable, "An injected failure")
	for _, ref := range importRefs {
		whole, dir := &points{}, fresh()
		eng, end := importScene(t, dir, whole)
		must(t, importOnce(t, eng, dir, ref, whole))
		end()
		all := whole.names
		if i := slices.Index(all, "copy"); i >= 0 {
			all = all[:i] // what was replaced becomes a snapshot, as after a restore
		}
		if len(all) < 4 || all[1] != "adopted" {
			t.Fatalf("%s: these calls were seen: %v", ref, all)
		}
		t.Logf("%s: %d calls, each failed once and killed once: %s", ref, len(all), strings.Join(all, " "))
		for at := range all {
			dir := fresh()
			p := &points{at: at + 1, wrong: func() error { return failure }}
			eng, end := importScene(t, dir, p)
			err := importOnce(t, eng, dir, ref, p)
			end()
			checkImported(t, dir, ref, "failed at "+strconv.Itoa(at)+" "+all[at], err == nil)
		}
		kills := map[int]string{beforeMetadata: "killed before the metadata"}
		for at, name := range all {
			kills[at+1] = "killed at " + strconv.Itoa(at) + " " + name
		}
		for at, what := range kills {
			dir := fresh()
			cmd := exec.Command(os.Args[0], "-test.run=^TestImport_child$")
			cmd.Env = append(os.Environ(), importDirVariable+"="+dir, importRefVariable+"="+ref, importPointVariable+"="+strconv.Itoa(at))
			var output bytes.Buffer
			cmd.Stdout, cmd.Stderr = &output, &output
			if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%s: the process was to be %s: %v\n%s", ref, what, err, output.String())
			}
			if left, _ := os.ReadDir(filepath.Join(dir, "data", "images")); at == beforeMetadata && len(left) == 0 {
				t.Errorf("%s: %s: nothing was left to be swept, so nothing is tested", ref, what)
			}
			checkImported(t, dir, ref, what, false)
		}
	}
}

// checkImported opens the engine again: the database must be what it was or, with
// certainty if the import has said so, have what was imported, and then what it was
// must be in a snapshot; nothing may be left besides, nothing counts that is not
// there, and all goes on.
func checkImported(t *testing.T, dir, ref, what string, mustBe bool) {
	t.Helper()
	what = ref + ": " + what
	eng, end := importScene(t, dir, &points{})
	defer end()
	content := func(ref string) string {
		result, err := eng.Query(ctx, ayb.System, ref, "SELECT group_concat(a) FROM t")
		switch {
		case errors.Is(err, ayb.ErrNotFound):
			return "nothing"
		case errors.Is(err, ayb.ErrInvalid): // there is no table
			return "empty"
		}
		must(t, err)
		return result.Rows[0][0].String()
	}
	before := map[string]string{"alice/new": "nothing", "alice/empty": "empty", "alice/db": "2"}[ref]
	got := content(ref)
	if got != "7" && (got != before || mustBe) {
		t.Errorf("%s: the database has %q", what, got)
	}
	wait(t, what+": nothing is left", func() bool { return len(leftoversOf(t, eng, filepath.Join(dir, "data"))) == 0 })
	if got == "7" && ref == "alice/db" {
		list, err := eng.Snapshots(ctx, ayb.System, ref, ayb.Page{})
		must(t, err)
		_, err = eng.RestoreSnapshot(ctx, ayb.System, ref, list.Items[0].ID, nil)
		must(t, err)
		if got := content(ref); got != "2" {
			t.Errorf("%s: the undo gives %q", what, got)
		}
	}
	sum, err := eng.Usage(ctx, ayb.System, "alice")
	must(t, err)
	for _, ref := range importRefs {
		if db, err := eng.Database(ctx, ayb.System, ref); err == nil {
			sum.Bytes -= db.Size
		}
	}
	if sum.Bytes != 0 {
		t.Errorf("%s: %d bytes count that are in no database", what, sum.Bytes)
	}
	must(t, importOnce(t, eng, dir, ref, &points{}))
	if got := content(ref); got != "7" {
		t.Errorf("%s: the next import gives %q", what, got)
	}
}
