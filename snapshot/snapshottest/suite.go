package snapshottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/blob"

	"ayb/catalog"
	"ayb/fault"
	"ayb/snapshot"
)

// Run passes the suite: what package snapshot promises, on the buckets that lend
// gives. It runs beside other tests: much of it waits.
func Run(t *testing.T, lend func(t testing.TB) *Bucket, opt snapshot.Options) {
	t.Parallel()
	for _, c := range []struct {
		name string
		f    func(*testing.T, *room)
	}{
		{"what_is_put_can_be_got", roundTrip},
		{"an_object_is_the_image_in_zstd_under_its_hash", format},
		{"a_content_that_comes_back_is_refreshed", refresh},
		{"snapshots_are_listed_newest_first_in_pages", listing},
		{"objects_of_the_existing_ayb_are_snapshots", classic},
		{"what_is_no_snapshot_is_passed_over", foreign},
		{"a_deleted_snapshot_is_gone", deleting},
		{"names_that_lead_elsewhere_are_refused", elsewhere},
		{"every_database_is_found", walking},
		{"files_are_kept_beside_snapshots", files},
		{"an_image_that_changes_is_not_stored", changing},
		{"a_damaged_object_is_not_handed_out", damage},
		{"a_bomb_does_not_go_off", bombs},
		{"a_caller_who_leaves_leaves_nothing", leaving},
		{"every_call_may_go_wrong", faults},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := lend(t)
			c.f(t, &room{b, snapshot.New(b.Bucket, opt), opt, t.TempDir()})
		})
	}
}

// A room is where one check takes place.
type room struct {
	*Bucket
	vault *snapshot.Vault
	opt   snapshot.Options
	dir   string // for images
}

var (
	place = snapshot.Place{Entity: "alice", Database: "test.sqlite"}
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// image makes an image of a content.
func (r *room) image(t testing.TB, content []byte) snapshot.Image {
	t.Helper()
	f, err := os.CreateTemp(r.dir, "image-")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.Write(content)
	must(t, err)
	image, err := snapshot.Hash(t.Context(), f)
	must(t, err)
	return image
}

// put stores a content as a snapshot.
func (r *room) put(t testing.TB, at snapshot.Place, content []byte, taking snapshot.Taking) catalog.Snapshot {
	t.Helper()
	s, err := r.vault.Put(t.Context(), at, r.image(t, content), taking)
	must(t, err)
	return s
}

// get returns the image of a snapshot.
func (r *room) get(t testing.TB, id string) ([]byte, error) {
	var buf bytes.Buffer
	_, err := r.vault.Get(t.Context(), place, id, &buf)
	return buf.Bytes(), err
}

// keys returns the keys of all objects.
func (r *room) keys(t testing.TB) (keys []string) {
	t.Helper()
	for i := r.Bucket.List(nil); ; {
		o, err := i.Next(context.Background())
		if err == io.EOF {
			return keys
		}
		must(t, err)
		keys = append(keys, o.Key)
	}
}

// noise returns bytes that can't be compressed.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	return b
}

// rows returns bytes like those of a database, which can.
func rows(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%d|a row like every other one|%d\x00\x00\x00", i, i*7919%1000)
	}
	return b.Bytes()
}

func packed(t testing.TB, content []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	must(t, err)
	return enc.EncodeAll(content, nil)
}

func wantCause(t testing.TB, what string, err, cause error, kind fault.Kind) {
	t.Helper()
	if !errors.Is(err, cause) || fault.KindOf(err) != kind {
		t.Errorf("%s: %v (%s), want %v (%s)", what, err, fault.KindOf(err), cause, kind)
	}
	if m := fault.Message(err); m == "" || m == "internal error" || strings.Contains(m, "blob") {
		t.Errorf("%s: the user reads %q", what, m)
	}
}

func roundTrip(t *testing.T, r *room) {
	for _, content := range [][]byte{{}, []byte("abc"), rows(20_000), make([]byte, 3<<20), noise(20 << 20)} {
		s := r.put(t, place, content, snapshot.Taking{Kind: catalog.Manual, Note: "before № 7\n", Taken: noon})
		if s.Size != int64(len(content)) || s.Stored <= 0 {
			t.Errorf("%d bytes: %+v", len(content), s)
		}
		got, err := r.get(t, s.ID)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes come back as %d, %v", len(content), len(got), err)
		}
		path := filepath.Join(r.dir, s.ID)
		fetched, err := r.vault.Fetch(t.Context(), place, s.ID, path, nil)
		must(t, err)
		file, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || !bytes.Equal(file, content) || info.Mode().Perm() != 0o600 || fetched != s {
			t.Errorf("%d bytes are fetched as %d, %v, %v: %+v, want %+v", len(content), len(file), info.Mode(), err, fetched, s)
		}
		stat, err := r.vault.Stat(t.Context(), place, s.ID)
		if err != nil || stat != s {
			t.Errorf("%+v, %v, want %+v", stat, err, s)
		}
	}
	if left := r.Leaks(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func format(t *testing.T, r *room) {
	for content, id := range map[string]string{ // from the specification of BLAKE3
		"":    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"abc": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
	} {
		s := r.put(t, place, []byte(content), snapshot.Taking{Taken: noon})
		if s.ID != id {
			t.Errorf("%q: %s, want %s", content, s.ID, id)
		}
		object, err := r.ReadAll(t.Context(), "alice/test.sqlite/"+id)
		must(t, err)
		dec, err := zstd.NewReader(nil)
		must(t, err)
		defer dec.Close()
		if got, err := dec.DecodeAll(object, nil); err != nil || string(got) != content {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
}

func refresh(t *testing.T, r *room) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	a := r.put(t, place, []byte("a"), snapshot.Taking{Taken: at(0), Note: "first"})
	b := r.put(t, place, []byte("b"), snapshot.Taking{Taken: at(1)})
	for i, c := range []struct {
		taking snapshot.Taking
		want   catalog.Snapshot
	}{
		{snapshot.Taking{Taken: at(2)}, catalog.Snapshot{Kind: catalog.Automatic, Note: "first", Round: at(2)}},
		{snapshot.Taking{Kind: catalog.Replaced, Taken: at(3)}, catalog.Snapshot{Kind: catalog.Replaced, Note: "first", Round: at(2), Replaced: at(3)}},
		{snapshot.Taking{Taken: at(4)}, catalog.Snapshot{Kind: catalog.Automatic, Note: "first", Round: at(4), Replaced: at(3)}},
		{snapshot.Taking{Kind: catalog.Manual, Note: "mine", Taken: at(5)}, catalog.Snapshot{Kind: catalog.Manual, Note: "mine", Round: at(4), Replaced: at(3)}},
		{snapshot.Taking{Kind: catalog.Replaced, Taken: at(6)}, catalog.Snapshot{Kind: catalog.Manual, Note: "mine", Round: at(4), Replaced: at(6)}},
		{snapshot.Taking{Taken: at(7)}, catalog.Snapshot{Kind: catalog.Manual, Note: "mine", Round: at(7), Replaced: at(6)}},
	} {
		c.want.ID, c.want.Size, c.want.Stored, c.want.Taken = a.ID, a.Size, a.Stored, c.taking.Taken
		if got := r.put(t, place, []byte("a"), c.taking); got != c.want {
			t.Errorf("%d: put gives %+v, want %+v", i, got, c.want)
		}
		list, err := r.vault.All(t.Context(), place)
		if err != nil || !slices.Equal(list, []catalog.Snapshot{c.want, b}) {
			t.Errorf("%d: %+v, %v, want %+v and %+v", i, list, err, c.want, b)
		}
	}
	if got, err := r.get(t, a.ID); string(got) != "a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func listing(t *testing.T, r *room) {
	var want []catalog.Snapshot
	for i := range 25 {
		s := r.put(t, place, fmt.Appendf(nil, "content %d", i), snapshot.Taking{Taken: noon.Add(time.Duration(i*7%25) * time.Second)})
		want = append(want, s)
	}
	slices.SortFunc(want, func(a, b catalog.Snapshot) int { return b.Taken.Compare(a.Taken) })
	var got []catalog.Snapshot
	for page := (catalog.Page{Size: 10}); ; {
		list, err := r.vault.List(t.Context(), place, page)
		must(t, err)
		if got = append(got, list.Items...); list.Next == "" {
			break
		}
		page.After = list.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d snapshots: %v, want %v", len(got), got, want)
	}
	if _, err := r.vault.List(t.Context(), place, catalog.Page{After: "x"}); !errors.Is(err, fault.Invalid) {
		t.Error(err)
	}
	nothing, err := r.vault.List(t.Context(), snapshot.Place{Entity: "alice", Database: "other"}, catalog.Page{})
	if err != nil || len(nothing.Items) > 0 || nothing.Next != "" {
		t.Errorf("%v, %v", nothing, err)
	}
}

func classic(t *testing.T, r *room) {
	content := rows(100)
	id := r.image(t, content).ID
	must(t, r.WriteAll(t.Context(), place.String()+"/"+id, packed(t, content), nil))
	list, err := r.vault.All(t.Context(), place)
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Kind != catalog.Automatic || time.Since(list[0].Taken).Abs() > time.Hour || list[0].Round != list[0].Taken {
		t.Fatalf("%+v, %v", list, err)
	}
	if got, err := r.get(t, id); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	taken := snapshot.Stamp(list, noon)
	if s := r.put(t, place, content, snapshot.Taking{Taken: taken}); s.Size != int64(len(content)) || s.Round != taken {
		t.Errorf("taken again: %+v", s)
	}
}

func foreign(t *testing.T, r *room) {
	s := r.put(t, place, []byte("a"), snapshot.Taking{Taken: noon})
	for _, key := range []string{
		"README", "alice/README", "alice/test.sqlite/README", "alice/test.sqlite/" + s.ID[1:] + "g", "alice/test.sqlite/" + s.ID + ".17f.tmp",
		"alice/test.sqlite/older/" + s.ID, "alice/no~1/" + s.ID, "ALICE/test.sqlite/" + s.ID, "_ayb/" + s.ID, "alice/te st/" + s.ID,
	} {
		must(t, r.WriteAll(t.Context(), key, []byte("x"), nil))
	}
	if list, err := r.vault.All(t.Context(), place); err != nil || !slices.Equal(list, []catalog.Snapshot{s}) {
		t.Errorf("%v, %v", list, err)
	}
	for find, err := range r.vault.Walk(t.Context()) {
		if err != nil || find.Place != place || !slices.Equal(find.IDs, []string{s.ID}) {
			t.Errorf("%+v, %v", find, err)
		}
	}
}

func deleting(t *testing.T, r *room) {
	s, kept := r.put(t, place, []byte("a"), snapshot.Taking{Taken: noon}), r.put(t, place, []byte("b"), snapshot.Taking{Taken: noon})
	must(t, r.vault.Delete(t.Context(), place, s.ID))
	wantCause(t, "deleting twice", r.vault.Delete(t.Context(), place, s.ID), snapshot.ErrNoSnapshot, fault.NotFound)
	_, err := r.get(t, s.ID)
	wantCause(t, "getting it", err, snapshot.ErrNoSnapshot, fault.NotFound)
	_, err = r.vault.Stat(t.Context(), place, s.ID)
	wantCause(t, "asking for it", err, snapshot.ErrNoSnapshot, fault.NotFound)
	if list, err := r.vault.All(t.Context(), place); err != nil || !slices.Equal(list, []catalog.Snapshot{kept}) {
		t.Errorf("%v, %v", list, err)
	}
	if left := r.keys(t); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func elsewhere(t *testing.T, r *room) {
	s := r.put(t, place, []byte("a"), snapshot.Taking{Taken: noon})
	image := r.image(t, []byte("a"))
	for _, at := range []snapshot.Place{
		{}, {Entity: "alice"}, {Entity: "alice", Database: ".."}, {Entity: "..", Database: "test.sqlite"}, {Entity: "_ayb", Database: "x"},
		{Entity: "bob/../alice", Database: "test.sqlite"}, {Entity: "Alice", Database: "test.sqlite"}, {Entity: "alice", Database: "a/b"},
		{Entity: "alice", Database: "x~1"}, {Entity: "alice", Database: "x~02"}, {Entity: "alice", Database: "x~2~3"}, {Entity: "alice", Database: "x~"},
	} {
		_, getErr := r.vault.Get(t.Context(), at, s.ID, io.Discard)
		_, putErr := r.vault.Put(t.Context(), at, image, snapshot.Taking{Taken: noon})
		_, listErr := r.vault.All(t.Context(), at)
		for _, err := range []error{getErr, putErr, listErr, r.vault.Delete(t.Context(), at, s.ID)} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", at, err)
			}
		}
	}
	for _, id := range []string{"", "..", "../test.sqlite/" + s.ID, strings.ToUpper(s.ID), s.ID + "/", s.ID[:63] + "\x00"} {
		_, err := r.get(t, id)
		if err2 := r.vault.Delete(t.Context(), place, id); !errors.Is(err, fault.Invalid) || !errors.Is(err2, fault.Invalid) {
			t.Errorf("%q: %v, %v", id, err, err2)
		}
	}
	for _, name := range []string{"", "..", "a/b", "../alice/test.sqlite/" + s.ID} {
		if err := r.vault.PutFile(t.Context(), name, image, noon); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := r.keys(t); !slices.Equal(got, []string{place.String() + "/" + s.ID}) {
		t.Errorf("the bucket has %v", got)
	}
}

func walking(t *testing.T, r *room) {
	want := map[string]int{}
	for i, at := range []snapshot.Place{
		place, place.Again(2), {Entity: "alice", Database: "test"}, {Entity: "alice", Database: "test-2"}, {Entity: "alice-b", Database: "x"},
		{Entity: "alice.c", Database: "a.."}, {Entity: "bob", Database: "B.attrs"}, {Entity: "bob", Database: "..."},
	} {
		for j := range i%3 + 1 {
			r.put(t, at, fmt.Appendf(nil, "%d %d", i, j), snapshot.Taking{Taken: noon})
		}
		want[at.String()] = i%3 + 1
	}
	must(t, r.vault.PutFile(t.Context(), "metadata", r.image(t, []byte("m")), noon))
	got := map[string]int{}
	for find, err := range r.vault.Walk(t.Context()) {
		must(t, err)
		if got[find.Place.String()] != 0 {
			t.Errorf("%s comes twice", find.Place)
		}
		if got[find.Place.String()] = len(find.IDs); find.Stored <= 0 || find.Newest.IsZero() {
			t.Errorf("%+v", find)
		}
		if list, err := r.vault.All(t.Context(), find.Place); err != nil || len(list) != len(find.IDs) {
			t.Errorf("%s: %v, %v", find.Place, list, err)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func files(t *testing.T, r *room) {
	ctx := t.Context()
	for i, content := range []string{"old", "new metadata"} {
		must(t, r.vault.PutFile(ctx, "metadata", r.image(t, []byte(content)), noon.Add(time.Duration(i)*time.Hour)))
	}
	must(t, r.WriteAll(ctx, "_ayb/foreign", []byte("x"), nil))
	path := filepath.Join(r.dir, "fetched")
	f, err := r.vault.FetchFile(ctx, "metadata", path)
	got, _ := os.ReadFile(path)
	if err != nil || string(got) != "new metadata" || !f.Taken.Equal(noon.Add(time.Hour)) || f.Size != int64(len(got)) || f.Name != "metadata" {
		t.Errorf("%q, %+v, %v", got, f, err)
	}
	if list, err := r.vault.Files(ctx); err != nil || !slices.Equal(list, []snapshot.File{f}) {
		t.Errorf("%v, %v", list, err)
	}
	_, err = r.vault.FetchFile(ctx, "foreign", path+"2")
	wantCause(t, "a foreign file", err, snapshot.ErrDamaged, fault.Unavailable)
	must(t, r.vault.DeleteFile(ctx, "metadata"))
	_, err = r.vault.FetchFile(ctx, "metadata", path+"3")
	wantCause(t, "a file that was deleted", err, snapshot.ErrNoFile, fault.NotFound)
	wantCause(t, "deleting it twice", r.vault.DeleteFile(ctx, "metadata"), snapshot.ErrNoFile, fault.NotFound)
}

func changing(t *testing.T, r *room) {
	for what, change := range map[string]func([]byte) []byte{
		"a flipped byte": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"a shorter one":  func(b []byte) []byte { return b[:len(b)-1] },
		"a longer one":   func(b []byte) []byte { return append(b, 0) },
	} {
		image := r.image(t, noise(9<<20))
		must(t, os.WriteFile(image.File.Name(), change(noise(9<<20)), 0o600))
		_, err := r.vault.Put(t.Context(), place, image, snapshot.Taking{Taken: noon})
		wantCause(t, what, err, snapshot.ErrChanged, fault.Conflict)
	}
	image := r.image(t, rows(10))
	must(t, image.File.Close())
	if _, err := r.vault.Put(t.Context(), place, image, snapshot.Taking{Taken: noon}); fault.KindOf(err) != fault.Unavailable || strings.Contains(fault.Message(err), r.dir) {
		t.Errorf("an image that can't be read: %v", err)
	}
	if keys, left := r.keys(t), r.Leaks(t); len(keys) > 0 || len(left) > 0 {
		t.Errorf("the bucket has %v, %v", keys, left)
	}
}

func damage(t *testing.T, r *room) {
	content := append(rows(5000), noise(100_000)...)
	s := r.put(t, place, content, snapshot.Taking{Taken: noon})
	key := place.String() + "/" + s.ID
	object, err := r.ReadAll(t.Context(), key)
	must(t, err)
	attributes, err := r.Attributes(t.Context(), key)
	must(t, err)
	check := func(what string, object []byte, causes ...error) {
		t.Helper()
		must(t, r.WriteAll(t.Context(), key, object, &blob.WriterOptions{Metadata: attributes.Metadata}))
		path := filepath.Join(r.dir, "fetched")
		_, err := r.vault.Fetch(t.Context(), place, s.ID, path, nil)
		if !slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) }) {
			t.Errorf("%s: %v, want one of %v", what, err, causes)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: there is a file", what)
		}
	}
	for range 40 {
		i := rand.IntN(len(object))
		flipped := slices.Clone(object)
		flipped[i] ^= 1 << rand.IntN(8)
		check(fmt.Sprintf("a flipped bit of byte %d of %d", i, len(object)), flipped, snapshot.ErrDamaged, snapshot.ErrTruncated, snapshot.ErrTooLarge)
	}
	for _, n := range []int{0, 1, 5, 100, len(object) / 2, len(object) - 1} {
		check(fmt.Sprintf("the first %d bytes", n), object[:n], snapshot.ErrTruncated)
	}
	check("another content", packed(t, content[:len(content)-1]), snapshot.ErrTruncated)
	check("another content of the same size", packed(t, append(content[1:], 0)), snapshot.ErrDamaged)
	check("a longer content", packed(t, append(slices.Clone(content), 0)), snapshot.ErrTooLarge)
	check("no zstd", content[:len(object)], snapshot.ErrDamaged)
	check("something behind it", append(slices.Clone(object), "junk"...), snapshot.ErrDamaged, snapshot.ErrTruncated)
}

func bombs(t *testing.T, r *room) {
	const size = 64 << 20
	bomb := packed(t, make([]byte, size))
	id := strings.Repeat("0", 64)
	must(t, r.WriteAll(t.Context(), place.String()+"/"+id, bomb, nil))
	opt := r.opt
	opt.MaxImage = 1 << 20
	var got counting
	_, err := snapshot.New(r.Bucket.Bucket, opt).Get(t.Context(), place, id, &got)
	wantCause(t, "an object that grows", err, snapshot.ErrTooLarge, fault.TooLarge)
	if got > 2<<20 {
		t.Errorf("%d bytes came", got)
	}
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(128<<20), zstd.WithSingleSegment(false))
	must(t, err)
	must(t, r.WriteAll(t.Context(), place.String()+"/"+id, wide.EncodeAll(make([]byte, 192<<20), nil), nil))
	_, err = r.get(t, id)
	wantCause(t, "an object that takes memory", err, snapshot.ErrTooLarge, fault.TooLarge)
}

// counting counts the bytes that it is given.
type counting int64

// Write counts.
func (c *counting) Write(p []byte) (int, error) { *c += counting(len(p)); return len(p), nil }

func leaving(t *testing.T, r *room) {
	image := r.image(t, noise(24<<20))
	for _, after := range []int64{0, 1, 10 << 20, 23 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		faulty := NewFaulty(r.Bucket.Bucket)
		vault := snapshot.New(faulty.Bucket, r.opt)
		go func() { // leaves when so many bytes have gone
			defer cancel()
			for int64(len(faulty.Calls()))*(256<<10) < after {
				time.Sleep(time.Millisecond)
			}
		}()
		_, err := vault.Put(ctx, place, image, snapshot.Taking{Taken: noon})
		if !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("after %d bytes: %v", after, err)
		}
		cancel()
		if keys := r.keys(t); err != nil && len(keys) > 0 {
			t.Errorf("after %d bytes the bucket has %v", after, keys)
		}
	}
	if left := r.Leaks(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
