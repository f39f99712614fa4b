package ayb_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/aybtest"
	"ayb/snapshot/snapshottest"
	"ayb/store/storetest"
)

const (
	oneKey     = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	anotherKey = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
)

// A disaster is a server with a bucket that is about to lose its data path.
type disaster struct {
	*aybtest.Fixture
	t      *testing.T
	bucket *blob.Bucket
	cfg    ayb.Config
	log    *bytes.Buffer
	alice  ayb.Principal
	bob    ayb.Principal
	secret string // of a token of bob's
}

// newDisaster is a server with alice, who has given bob read-only access to alice/db
// and has alice/empty, and bob, in a bucket with all of it.
func newDisaster(t *testing.T) *disaster {
	t.Helper()
	d := &disaster{t: t, bucket: snapshottest.Memory(t).Bucket, log: &bytes.Buffer{}}
	d.cfg = ayb.Config{EmailKeys: []string{oneKey}, Snapshots: ayb.SnapshotConfig{Bucket: d.bucket}, Logger: slog.New(slog.NewTextHandler(d.log, nil))}
	d.cfg.DataPath = t.TempDir()
	d.Fixture = aybtest.New(t, &d.cfg)
	d.alice, d.bob = d.MustEntity("alice"), d.MustEntity("bob")
	d.MustDatabase("alice/db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	d.MustDatabase("alice/empty")
	d.MustShare(d.alice, "alice/db", "bob", ayb.ReadOnly)
	d.secret, _ = d.MustToken(d.bob, nil)
	d.round()
	return d
}

func (d *disaster) round() {
	d.Clock.Advance(time.Minute)
	d.Round(ctx)
}

// lose ends the server; what is left is the bucket and the configuration, with
// another data path.
func (d *disaster) lose() {
	d.t.Helper()
	must(d.t, d.Close())
	d.cfg.DataPath = filepath.Join(d.t.TempDir(), "new")
}

// recover brings the server back. Each line says of a database what became of it.
func (d *disaster) recover(opt ayb.RecoverOptions) (lines []string, r ayb.Recovery, err error) {
	opt.Told = func(db ayb.RecoveredDatabase) { lines = append(lines, outcome(db)) }
	r, err = ayb.Recover(ctx, d.cfg, &opt)
	slices.Sort(lines)
	return lines, r, err
}

// outcome is what became of a database, in a line.
func outcome(db ayb.RecoveredDatabase) string {
	words := []string{db.Ref.String()}
	switch {
	case db.IsPending:
		words = append(words, "pending")
	case db.Failure != "":
		words = append(words, "lost: "+db.Failure)
	case db.IsEmpty:
		words = append(words, "empty")
	case db.Snapshot != "":
		words = append(words, "back")
	}
	for what, is := range map[string]bool{"changed": db.Changed, "deleted": db.Deleted, "adopted": db.Adopted} {
		if is {
			words = append(words, what)
		}
	}
	if n := len(db.Damaged); n > 0 {
		words = append(words, fmt.Sprintf("%d damaged", n))
	}
	return strings.Join(words, " ")
}

// back opens the server again.
func (d *disaster) back() {
	d.t.Helper()
	d.Fixture = aybtest.New(d.t, &d.cfg)
	d.Clock.Advance(24 * time.Hour)
}

func (d *disaster) rows(ref string) string {
	d.t.Helper()
	return fmt.Sprint(d.MustQuery(ayb.System, ref, "SELECT group_concat(a) FROM t").Rows[0][0])
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: %s\nwant %s", what, g, w)
	}
}

func TestRecover_brings_everything_back(t *testing.T) {
	d := newDisaster(t)
	d.MustDatabase("alice/gone", "CREATE TABLE t (a)")
	d.MustDatabase("bob/late")
	must(t, d.SetQuota(ctx, ayb.System, "bob", ayb.QuotaUpdate{Bytes: limit(1 << 30)}))
	d.round()
	must(t, d.DeleteDatabase(ctx, d.alice, "alice/gone"))
	d.MustQuery(d.alice, "alice/db", "INSERT INTO t VALUES (2)")
	d.round()
	d.MustQuery(d.alice, "alice/db", "INSERT INTO t VALUES (3)") // after the last round
	d.MustQuery(d.bob, "bob/late", "CREATE TABLE t (a)")
	d.lose()

	dry, _, err := d.recover(ayb.RecoverOptions{DryRun: true})
	must(t, err)
	if _, err := os.Lstat(d.cfg.DataPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run has made the data path: %v", err)
	}
	lines, r, err := d.recover(ayb.RecoverOptions{})
	must(t, err)
	expect(t, "outcomes", lines, []string{"alice/db back", "alice/empty empty", "alice/gone back deleted", "bob/late empty"})
	expect(t, "a dry run", dry, lines)
	expect(t, "in all", r, ayb.Recovery{Back: 4})

	d.back()
	expect(t, "rows", d.rows("alice/db"), "1,2")
	bob, err := d.Authenticate(ctx, d.secret)
	must(t, err)
	d.MustQuery(bob, "alice/db", "SELECT * FROM t")
	if _, err := d.Query(ctx, bob, "alice/db", "INSERT INTO t VALUES (4)"); !errors.Is(err, ayb.ErrReadOnly) && !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("who may read writes: %v", err)
	}
	_, err = d.UndeleteDatabase(ctx, d.alice, "alice/gone")
	must(t, err)
	expect(t, "what was deleted", d.rows("alice/gone"), "NULL")
	list, err := d.Snapshots(ctx, d.alice, "alice/db", ayb.Page{})
	must(t, err)
	expect(t, "snapshots", len(list.Items), 2)
	_, err = d.RestoreSnapshot(ctx, d.alice, "alice/db", list.Items[1].ID, nil)
	must(t, err)
	expect(t, "an older snapshot", d.rows("alice/db"), "1")
	before := len(metadataIn(t, d.bucket))
	d.Round(ctx)
	expect(t, "copies of the metadata after the next round", len(metadataIn(t, d.bucket)), min(before+1, 5))
	usage, err := d.Usage(ctx, ayb.System, "bob")
	must(t, err)
	expect(t, "bob's quota", usage.MaxBytes, 1<<30)
	audit, err := d.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	if !slices.ContainsFunc(audit.Items, func(r ayb.AuditRecord) bool { return r.Action == "recover" }) ||
		!slices.ContainsFunc(audit.Items, func(r ayb.AuditRecord) bool { return r.Action == "share" }) {
		t.Errorf("the audit trail is %v", audit.Items)
	}
}

func TestRecover_says_what_is_not_back(t *testing.T) {
	d := newDisaster(t)
	d.MustQuery(d.alice, "alice/db", "INSERT INTO t VALUES (2)")
	d.round()
	d.MustDatabase("alice/torn", "CREATE TABLE t (a)")
	d.MustDatabase("alice/vanished", "CREATE TABLE t (a)")
	d.round()
	// The metadata are copied while alice/db is noted to have changed, and before
	// there is a snapshot of alice/new.
	d.MustDatabase("alice/new", "CREATE TABLE t (a)", "INSERT INTO t VALUES (7)")
	d.MustQuery(d.alice, "alice/db", "INSERT INTO t VALUES (3)")
	d.RoundOfMetadata(ctx)
	_, err := d.CreateSnapshot(ctx, d.alice, "alice/new", "")
	must(t, err)
	d.lose()
	newest := ""
	for _, key := range strings.Fields(keysOf(t, d.bucket)) {
		switch {
		case strings.HasPrefix(key, "alice/torn/"):
			damage(t, d.bucket, key)
		case strings.HasPrefix(key, "alice/vanished/"):
			must(t, d.bucket.Delete(ctx, key))
		case strings.HasPrefix(key, "alice/db/"):
			if newest == "" || takenAt(t, d.bucket, key).After(takenAt(t, d.bucket, newest)) {
				newest = key
			}
		}
	}
	damage(t, d.bucket, newest)

	lines, r, err := d.recover(ayb.RecoverOptions{})
	must(t, err)
	expect(t, "outcomes", lines, []string{
		"alice/db back changed 1 damaged", "alice/empty empty",
		"alice/new lost: no snapshot of it had been taken when the metadata were copied",
		"alice/torn lost: all 1 snapshots of it are damaged 1 damaged",
		"alice/vanished lost: there is no snapshot of it in the bucket any more",
	})
	expect(t, "counts", []int{r.Back, r.Lost, r.Pending}, []int{2, 4, 0})
	if len(r.Unknown) != 1 || r.Unknown[0].Place != "alice/new" || r.Unknown[0].Snapshots != 1 || r.Unknown[0].Stored == 0 {
		t.Errorf("unknown: %+v", r.Unknown)
	}
	if !strings.Contains(d.log.String(), "a snapshot can't be used") {
		t.Errorf("the log says nothing of it:\n%s", d.log)
	}
	// What the metadata did not know is adopted, by the database that it was.
	lines, r, err = d.recover(ayb.RecoverOptions{Adopt: []string{"alice/new"}})
	must(t, err)
	expect(t, "adopted", lines, []string{"alice/new back adopted"})
	expect(t, "counts", []int{r.Back, r.Lost, len(r.Unknown)}, []int{1, 0, 0})

	d.back()
	expect(t, "what is older", d.rows("alice/db"), "1")
	expect(t, "what was adopted", d.rows("alice/new"), "7")
	if _, err := d.Query(ctx, d.alice, "alice/torn", "SELECT * FROM t"); !errors.Is(err, ayb.ErrUnavailable) {
		t.Errorf("what is lost: %v", err)
	}
	d.Round(ctx)
	list, err := d.Snapshots(ctx, d.alice, "alice/db", ayb.Page{})
	must(t, err)
	expect(t, "snapshots, since what is there is not the newest", len(list.Items), 3)
}

func TestRecover_refuses(t *testing.T) {
	d := newDisaster(t)
	refuse := func(what string, opt ayb.RecoverOptions, kind error, words string) {
		t.Helper()
		if _, _, err := d.recover(opt); !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refuse("while a server runs", ayb.RecoverOptions{}, ayb.ErrConflict, "in use by process")
	must(t, d.Close())
	refuse("over data", ayb.RecoverOptions{}, ayb.ErrConflict, "ayb.sqlite")
	elsewhere := filepath.Join(d.cfg.DataPath, "ayb.sqlite")
	d.lose()
	d.cfg.MetadataURL = "sqlite://" + elsewhere
	refuse("over metadata elsewhere", ayb.RecoverOptions{}, ayb.ErrConflict, "ayb.sqlite")
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	d.cfg.MetadataURL = "sqlite://" + empty
	_, _, err := d.recover(ayb.RecoverOptions{DryRun: true})
	must(t, err)
	d.cfg.MetadataURL = ""
	must(t, os.MkdirAll(filepath.Join(d.cfg.DataPath, "owners", "aa"), 0o700))
	refuse("over files of databases", ayb.RecoverOptions{}, ayb.ErrConflict, "owners")
	must(t, os.RemoveAll(d.cfg.DataPath))

	d.cfg.EmailKeys = []string{anotherKey}
	refuse("another key", ayb.RecoverOptions{}, ayb.ErrInvalid, "another one than the server had")
	d.cfg.EmailKeys = nil
	refuse("no key", ayb.RecoverOptions{}, ayb.ErrInvalid, "is missing")
	if files, _ := os.ReadDir(d.cfg.DataPath); len(files) != 1 || files[0].Name() != "lock" {
		t.Errorf("something was written: %v", files)
	}
	must(t, os.WriteFile(filepath.Join(d.cfg.DataPath, "fernet.key"), []byte(oneKey+"\n"), 0o600))
	_, _, err = d.recover(ayb.RecoverOptions{DryRun: true})
	must(t, err)
	must(t, os.Remove(filepath.Join(d.cfg.DataPath, "fernet.key")))

	refuse("a name that is none", ayb.RecoverOptions{Adopt: []string{"../x"}}, ayb.ErrInvalid, "")
	refuse("a copy that is none", ayb.RecoverOptions{From: "x"}, ayb.ErrInvalid, "no metadata called x")
	other := aybtest.New(t, &ayb.Config{Snapshots: ayb.SnapshotConfig{Bucket: d.bucket}})
	other.MustEntity("eve")
	other.Round(ctx)
	refuse("of two servers", ayb.RecoverOptions{NewKey: true}, ayb.ErrConflict, "metadata of 2 servers")
	lineage, _, _ := strings.Cut(metadataIn(t, d.bucket)[0], "-")
	_, _, err = d.recover(ayb.RecoverOptions{NewKey: true, From: lineage})
	must(t, err)

	d.cfg.DataPath = t.TempDir()
	d.cfg.Snapshots.Bucket = nil
	refuse("no bucket", ayb.RecoverOptions{}, ayb.ErrInvalid, "[snapshots]")
}

func TestRecover_takes_an_older_copy_of_damaged_metadata(t *testing.T) {
	d := newDisaster(t)
	d.MustEntity("carol")
	d.round()
	d.lose()
	copies := metadataIn(t, d.bucket)
	damage(t, d.bucket, "_ayb/metadata-"+copies[len(copies)-1])
	var plan ayb.RecoveryPlan
	_, _, err := d.recover(ayb.RecoverOptions{Began: func(p ayb.RecoveryPlan) { plan = p }})
	must(t, err)
	expect(t, "damaged", len(plan.Damaged), 1)
	expect(t, "what there is", []int64{plan.Entities, plan.Databases}, []int{2, 2})
	d.back()
	expect(t, "rows", d.rows("alice/db"), "1")

	d.lose()
	for _, name := range metadataIn(t, d.bucket) {
		if name != copies[len(copies)-1] {
			damage(t, d.bucket, "_ayb/metadata-"+name)
		}
	}
	if _, _, err := d.recover(ayb.RecoverOptions{}); !errors.Is(err, ayb.ErrUnavailable) || !strings.Contains(ayb.Message(err), "damaged") {
		t.Errorf("all are damaged: %v", err)
	}
}

// TestRecover_takes_no_metadata_that_the_server_has_not_signed is somebody who can write
// to the bucket and would like to have an account.
func TestRecover_takes_no_metadata_that_the_server_has_not_signed(t *testing.T) {
	d := newDisaster(t)
	genuine := metadataIn(t, d.bucket)[0]
	d.lose()
	other := aybtest.New(t, &ayb.Config{Snapshots: ayb.SnapshotConfig{Bucket: d.bucket}})
	other.MustEntity("mallory")
	other.Round(ctx)
	var theirs []string
	for _, name := range metadataIn(t, d.bucket) {
		if name != genuine {
			theirs = strings.Split(name, "-")
		}
	}
	from := "_ayb/metadata-" + strings.Join(theirs, "-")
	lineage, _, _ := strings.Cut(genuine, "-")
	signature := strings.Split(genuine, "-")[2]
	for _, forged := range []string{signature, "unsigned", theirs[2], ""} {
		must(t, d.bucket.Copy(ctx, "_ayb/metadata-"+strings.Join([]string{lineage, "20310101T000000.000Z", forged, theirs[3]}, "-"), from, nil))
	}
	must(t, d.bucket.Copy(ctx, "_ayb/metadata-"+strings.Replace(genuine, "2030", "2032", 1), "_ayb/metadata-"+genuine, nil)) // another time
	var plan ayb.RecoveryPlan
	_, _, err := d.recover(ayb.RecoverOptions{Began: func(p ayb.RecoveryPlan) { plan = p }})
	must(t, err)
	expect(t, "taken", plan.Metadata.Name, "metadata-"+genuine)
	if n := strings.Count(d.log.String(), "is not signed"); n != 6 {
		t.Errorf("%d of 6 forged ones are named\n%s", n, d.log)
	}
}

// TestRecover_reads_a_bucket_that_has_lost_the_metadata_of_objects is one that was
// copied by a tool which knows of none.
func TestRecover_reads_a_bucket_that_has_lost_the_metadata_of_objects(t *testing.T) {
	d := newDisaster(t)
	d.lose()
	for _, key := range strings.Fields(keysOf(t, d.bucket)) {
		content, err := d.bucket.ReadAll(ctx, key)
		must(t, err)
		must(t, d.bucket.WriteAll(ctx, key, content, nil))
	}
	lines, _, err := d.recover(ayb.RecoverOptions{})
	must(t, err)
	expect(t, "outcomes", lines, []string{"alice/db back", "alice/empty empty"})
	d.back()
	expect(t, "rows", d.rows("alice/db"), "1")
}

func TestRecover_adopts_what_nobody_knows(t *testing.T) {
	d := newDisaster(t)
	content, err := d.bucket.ReadAll(ctx, keyUnder(t, d.bucket, "alice/db/"))
	must(t, err)
	id := filepath.Base(keyUnder(t, d.bucket, "alice/db/"))
	put := func(place string, content []byte) { must(t, d.bucket.WriteAll(ctx, place+"/"+id, content, nil)) }
	for _, place := range []string{"alice/db~2", "bob/old.sqlite", "carol/hers", "alice/db~3"} { // as the existing ayb has them, without metadata
		put(place, content)
	}
	put("bob/rotten", append([]byte(nil), content[:len(content)/2]...))
	must(t, d.bucket.WriteAll(ctx, "whatever/else.txt", content, nil))
	d.lose()
	_, r, err := d.recover(ayb.RecoverOptions{})
	must(t, err)
	var unknown []string
	for _, u := range r.Unknown {
		unknown = append(unknown, u.Place)
	}
	expect(t, "unknown", unknown, []string{"alice/db~2", "alice/db~3", "bob/old.sqlite", "bob/rotten", "carol/hers"})

	lines, r, err := d.recover(ayb.RecoverOptions{Adopt: []string{"alice/db~3=bob/from-alice", "alice/nothing"}, AdoptUnknown: true})
	must(t, err)
	expect(t, "adopted", lines, []string{
		"alice/db-2 back adopted", "alice/nothing lost: there is nothing of it in the bucket adopted",
		"bob/from-alice back adopted", "bob/old.sqlite back adopted",
		"bob/rotten lost: all 1 snapshots of it are damaged adopted 1 damaged",
		"carol/hers lost: there is no account carol; have it registered first, or say whose it is to be: --adopt carol/hers=ENTITY/DATABASE adopted",
	})
	expect(t, "unknown still", len(r.Unknown), 2)
	again, r, err := d.recover(ayb.RecoverOptions{Adopt: []string{"bob/old.sqlite"}})
	must(t, err)
	expect(t, "once more", []any{again, r.Lost}, "[[bob/old.sqlite adopted] 0]")

	d.back()
	for _, ref := range []string{"alice/db-2", "bob/from-alice", "bob/old.sqlite"} {
		expect(t, ref, d.rows(ref), "1")
		if _, err := d.Query(ctx, ayb.Principal{}, ref, "SELECT 1"); err == nil {
			t.Errorf("everybody may read %s", ref)
		}
		list, err := d.Snapshots(ctx, ayb.System, ref, ayb.Page{})
		must(t, err)
		expect(t, "snapshots of "+ref, len(list.Items), 1)
		_, err = d.RestoreSnapshot(ctx, ayb.System, ref, list.Items[0].ID, nil)
		must(t, err)
	}
	_, _, err = d.recover(ayb.RecoverOptions{AdoptUnknown: true})
	if !errors.Is(err, ayb.ErrConflict) {
		t.Errorf("while the server runs: %v", err)
	}
}

// TestRecover_of_a_bucket_without_metadata is what becomes of the bucket of the
// existing ayb.
func TestRecover_of_a_bucket_without_metadata(t *testing.T) {
	d := newDisaster(t)
	d.lose()
	for _, name := range metadataIn(t, d.bucket) {
		must(t, d.bucket.Delete(ctx, "_ayb/metadata-"+name))
	}
	_, r, err := d.recover(ayb.RecoverOptions{})
	if !errors.Is(err, ayb.ErrNotFound) || len(r.Unknown) != 1 || r.Unknown[0].Place != "alice/db" {
		t.Errorf("%v, unknown: %v", err, r.Unknown)
	}
	f := aybtest.New(t, &d.cfg)
	f.MustEntity("alice")
	must(t, f.Close())
	lines, _, err := d.recover(ayb.RecoverOptions{AdoptUnknown: true})
	must(t, err)
	expect(t, "adopted", lines, []string{"alice/db back adopted"})
	d.back()
	expect(t, "rows", d.rows("alice/db"), "1")
	d.Round(ctx)
	list, err := d.Snapshots(ctx, ayb.System, "alice/db", ayb.Page{})
	must(t, err)
	expect(t, "snapshots", len(list.Items), 2)
}

func TestRecover_with_metadata_in_PostgreSQL(t *testing.T) {
	lent := storetest.Postgres(t)
	bucket := snapshottest.Memory(t).Bucket
	log := &bytes.Buffer{}
	d := &disaster{t: t, bucket: bucket, log: log}
	d.cfg = ayb.Config{DataPath: t.TempDir(), MetadataURL: lent.URL, EmailKeys: []string{oneKey}, Logger: slog.New(slog.NewTextHandler(log, nil))}
	d.cfg.Snapshots = ayb.SnapshotConfig{Bucket: bucket, Interval: 1000 * time.Hour}
	if _, _, err := d.recover(ayb.RecoverOptions{}); !errors.Is(err, ayb.ErrNotFound) || !strings.Contains(ayb.Message(err), "your own backup") {
		t.Errorf("with nothing in it: %v", err)
	}
	d.Fixture = aybtest.New(t, &d.cfg)
	d.alice = d.MustEntity("alice")
	d.MustDatabase("alice/db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	d.round()
	d.MustQuery(d.alice, "alice/db", "INSERT INTO t VALUES (2)")
	expect(t, "copies of the metadata", len(metadataIn(t, bucket)), 0)
	if n := strings.Count(log.String(), "pg_dump"); n != 1 {
		t.Errorf("pg_dump is named %d times in the log\n%s", n, log)
	}
	d.lose()
	d.cfg.EmailKeys = []string{anotherKey}
	if _, _, err := d.recover(ayb.RecoverOptions{}); !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("with another key: %v", err)
	}
	d.cfg.EmailKeys = []string{oneKey}
	lines, _, err := d.recover(ayb.RecoverOptions{})
	must(t, err)
	expect(t, "outcomes", lines, []string{"alice/db back changed"})
	d.back()
	expect(t, "rows", d.rows("alice/db"), "1")
}

// TestRecover_waits_for_a_bucket_that_is_gone has the bucket vanish in the middle, and
// one object that can't be read while all others can.
func TestRecover_waits_for_a_bucket_that_is_gone(t *testing.T) {
	d := newDisaster(t)
	d.MustDatabase("bob/db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (5)")
	d.round()
	d.lose()
	faulty := snapshottest.NewFaulty(d.bucket)
	d.cfg.Snapshots.Bucket = faulty.Bucket
	gone := false
	_, _, err := d.recover(ayb.RecoverOptions{Began: func(ayb.RecoveryPlan) { gone = true; faulty.Arm(0, snapshottest.Gone) }})
	if !gone || !errors.Is(err, ayb.ErrUnavailable) {
		t.Fatalf("the bucket is gone: %v", err)
	}
	if _, err := ayb.Open(ctx, d.cfg); !errors.Is(err, ayb.ErrUnavailable) || !strings.Contains(ayb.Message(err), "run ayb recover again") {
		t.Errorf("a server starts amidst: %v", err)
	}
	opt := ayb.RecoverOptions{Began: func(p ayb.RecoveryPlan) {
		if !p.Resumed {
			t.Error("it does not know of the first try")
		}
		faulty.Arm(1, snapshottest.Fails)
	}}
	lines, r, err := d.recover(opt)
	must(t, err)
	expect(t, "one answer is lost", []int{r.Back, r.Lost, r.Pending}, []int{2, 0, 1})
	pending, other := "alice/db", "bob/db"
	if slices.Contains(lines, "bob/db pending") {
		pending, other = other, pending
	}
	expect(t, "outcomes", lines, slices.Sorted(slices.Values([]string{pending + " pending", "alice/empty empty", other + " back"})))
	opt.Skip, opt.Began = []string{pending}, nil
	faulty.Arm(0, "")
	_, r, err = d.recover(opt)
	must(t, err)
	expect(t, "counts", []int{r.Back, r.Lost, r.Pending}, []int{2, 1, 0})
	d.back()
	content := map[string]string{"alice/db": "1", "bob/db": "5"}
	expect(t, "rows", d.rows(other), content[other])
	list, err := d.Snapshots(ctx, ayb.System, pending, ayb.Page{})
	must(t, err)
	_, err = d.RestoreSnapshot(ctx, ayb.System, pending, list.Items[0].ID, nil)
	must(t, err)
	expect(t, "what was left out, and restored", d.rows(pending), content[pending])
}

// damage changes one byte of an object.
func damage(t *testing.T, bucket *blob.Bucket, key string) {
	t.Helper()
	a, err := bucket.Attributes(ctx, key)
	must(t, err)
	content, err := bucket.ReadAll(ctx, key)
	must(t, err)
	content[len(content)/2] ^= 0x10
	must(t, bucket.WriteAll(ctx, key, content, &blob.WriterOptions{Metadata: a.Metadata}))
}

func takenAt(t *testing.T, bucket *blob.Bucket, key string) time.Time {
	t.Helper()
	a, err := bucket.Attributes(ctx, key)
	must(t, err)
	taken, err := time.Parse(time.RFC3339Nano, a.Metadata["taken"])
	must(t, err)
	return taken
}

// keyUnder returns the first key with a prefix.
func keyUnder(t *testing.T, bucket *blob.Bucket, prefix string) string {
	t.Helper()
	for _, key := range strings.Fields(keysOf(t, bucket)) {
		if strings.HasPrefix(key, prefix) {
			return key
		}
	}
	t.Fatalf("nothing under %s in\n%s", prefix, keysOf(t, bucket))
	return ""
}
