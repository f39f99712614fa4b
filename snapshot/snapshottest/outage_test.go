package snapshottest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"

	"ayb/fault"
	"ayb/snapshot"
)

// each calls everything that a vault can do and checks that it fails for one
// cause.
func each(t *testing.T, what string, r *room, v *snapshot.Vault, cause error) {
	t.Helper()
	image := r.image(t, []byte("some content"))
	ctx := t.Context()
	_, put := v.Put(ctx, place, image, snapshot.Taking{Taken: noon})
	_, all := v.All(ctx, place)
	_, get := v.Fetch(ctx, place, image.ID, filepath.Join(r.dir, "fetched"), nil)
	_, stat := v.Stat(ctx, place, image.ID)
	_, fetchFile := v.FetchFile(ctx, "metadata", filepath.Join(r.dir, "fetched"))
	_, files := v.Files(ctx)
	var walk error
	for _, err := range v.Walk(ctx) {
		walk = err
	}
	for name, err := range map[string]error{
		"Put": put, "All": all, "Fetch": get, "Stat": stat, "Walk": walk, "Check": v.Check(ctx), "Delete": v.Delete(ctx, place, image.ID),
		"PutFile": v.PutFile(ctx, "metadata", image, noon), "FetchFile": fetchFile, "Files": files, "DeleteFile": v.DeleteFile(ctx, "metadata"),
	} {
		wantCause(t, what+": "+name, err, cause, fault.Unavailable)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "fetched")); err == nil {
		t.Errorf("%s: there is a file", what)
	}
}

func TestS3_says_what_is_wrong_with_it(t *testing.T) {
	t.Parallel()
	server := S3(t)
	server.Make(t, "ours")
	open := func(id, secret, endpoint, name string) *snapshot.Vault {
		s := *server
		s.Endpoint = endpoint
		bucket, err := s3blob.OpenBucket(context.Background(), s.Client(id, secret), name, nil)
		must(t, err)
		t.Cleanup(func() { bucket.Close() })
		return snapshot.New(bucket, snapshot.Options{})
	}
	id, secret := server.AccessKeyID, server.SecretAccessKey
	r := &room{dir: t.TempDir()}
	vault := open(id, secret, server.Endpoint, "ours")
	must(t, vault.Check(t.Context()))

	each(t, "a wrong secret", r, open(id, "wrong", server.Endpoint, "ours"), snapshot.ErrRefused)
	each(t, "a wrong key", r, open("nobody", secret, server.Endpoint, "ours"), snapshot.ErrRefused)
	each(t, "no bucket", r, open(id, secret, server.Endpoint, "theirs"), snapshot.ErrNoBucket)
	each(t, "no server", r, open(id, secret, "http://127.0.0.1:1", "ours"), snapshot.ErrUnreachable)
	server.Remove(t, "ours")
	each(t, "a bucket that has vanished", r, vault, snapshot.ErrNoBucket)
}

func TestDirectory_that_has_vanished_is_not_made_anew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mounted")
	must(t, os.Mkdir(dir, 0o700))
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
	must(t, err)
	defer bucket.Close()
	r := &room{dir: t.TempDir()}
	vaults := []*snapshot.Vault{snapshot.New(bucket, snapshot.Options{})}
	must(t, vaults[0].Check(t.Context()))
	must(t, os.Remove(dir))
	each(t, "the directory", r, vaults[0], snapshot.ErrNoBucket)
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made anew")
	}
}

// directoryRoom returns a room whose bucket is the directory dir.
func directoryRoom(t *testing.T) (dir string, r *room) {
	t.Helper()
	dir = t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	must(t, err)
	t.Cleanup(func() { bucket.Close() })
	return dir, &room{&Bucket{Bucket: bucket}, snapshot.New(bucket, snapshot.Options{}), snapshot.Options{}, t.TempDir()}
}

func TestDirectory_loses_what_killed_uploads_have_left(t *testing.T) {
	t.Parallel()
	dir, r := directoryRoom(t)
	kept := r.put(t, place, []byte("kept"), snapshot.Taking{Taken: noon})
	at := filepath.Join(dir, "alice", "test.sqlite")
	old := time.Now().Add(-25 * time.Hour)
	for name, when := range map[string]time.Time{"0123.1.tmp": old, "0123.2.tmp": time.Now(), "4567.attrs": old, "89ab.attrs": time.Now(), "other": old} {
		must(t, os.WriteFile(filepath.Join(at, name), []byte("x"), 0o600))
		must(t, os.Chtimes(filepath.Join(at, name), when, when))
	}
	must(t, os.Chtimes(filepath.Join(at, kept.ID+".attrs"), old, old))
	r.put(t, place, []byte("new"), snapshot.Taking{Taken: noon})
	var left []string
	entries, err := os.ReadDir(at)
	must(t, err)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), kept.ID) && len(entry.Name()) < 64 {
			left = append(left, entry.Name())
		}
	}
	if want := []string{"0123.2.tmp", "89ab.attrs", "other"}; !slices.Equal(left, want) {
		t.Errorf("beside the snapshots there are %v, want %v", left, want)
	}
	if list, err := r.vault.All(t.Context(), place); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestDirectory_tells_no_half_of_metadata has the metadata of a snapshot be changed
// again and again while others ask for it, and then finds them torn, as a driver
// that writes over them leaves them after a crash.
func TestDirectory_tells_no_half_of_metadata(t *testing.T) {
	t.Parallel()
	dir, r := directoryRoom(t)
	s, other := r.put(t, place, []byte("a"), snapshot.Taking{Taken: noon, Note: "mine"}), r.put(t, place, []byte("b"), snapshot.Taking{Taken: noon})
	object := filepath.Join(dir, "alice", "test.sqlite", s.ID)
	was, err := os.Stat(object)
	must(t, err)

	image, changed := r.image(t, []byte("a")), make(chan error)
	go func() {
		for i := range 200 {
			if _, err := r.vault.Put(t.Context(), place, image, snapshot.Taking{Taken: noon.Add(time.Duration(i) * time.Second)}); err != nil {
				changed <- err
				return
			}
		}
		changed <- nil
	}()
	for asking := true; asking; {
		select {
		case err := <-changed:
			must(t, err)
			asking = false
		default:
			got, err := r.vault.Stat(t.Context(), place, s.ID)
			must(t, err)
			if got.Note != "mine" || got.Size != 1 {
				t.Fatalf("meanwhile it is %+v", got)
			}
		}
	}
	if is, err := os.Stat(object); err != nil || !os.SameFile(was, is) {
		t.Errorf("the object was stored again, %v", err)
	}
	files, err := filepath.Glob(object + "*")
	if err != nil || len(files) != 2 {
		t.Errorf("there are %v, %v", files, err)
	}

	for _, torn := range []string{"", `{"user.meta`, "\x00\x00"} {
		must(t, os.WriteFile(object+".attrs", []byte(torn), 0o600))
		if list, err := r.vault.All(t.Context(), place); err != nil || len(list) != 1 || list[0].ID != other.ID {
			t.Errorf("with %q there are %v, %v", torn, list, err)
		}
		_, err := r.get(t, s.ID)
		wantCause(t, "getting it", err, snapshot.ErrDamaged, fault.Unavailable)
		if again := r.put(t, place, []byte("a"), snapshot.Taking{Taken: noon}); again.Stored != s.Stored {
			t.Errorf("stored again, it is %+v", again)
		}
		if got, err := r.get(t, s.ID); string(got) != "a" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}
