package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gocloud.dev/blob/memblob"

	"ayb/fault"
)

func TestPace_bounds_everybody_together(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1000, time.Now)
		start := time.Now()
		done := make(chan error)
		for range 4 {
			go func() {
				for range 5 {
					if err := p.wait(t.Context(), 500); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 19*500*time.Millisecond {
			t.Errorf("10,000 bytes at 1000 a second took %v", took)
		}
	})
}

func TestPace_survives_a_clock_that_is_put_back(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := 48 * time.Hour
		p := newPace(1000, func() time.Time { return time.Now().Add(ahead) })
		if err := p.wait(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		ahead = 0
		start := time.Now()
		if err := p.wait(t.Context(), 1); err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestPace_lets_go_of_who_leaves(t *testing.T) {
	p := newPace(1, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.wait(ctx, 1<<20); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A bound on bandwidth may make a transfer slower than a bucket may be.
func TestVault_is_patient_with_its_own_pace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(memblob.OpenBucket(nil), Options{BytesPerSecond: 1000, Patience: time.Second})
		path := filepath.Join(t.TempDir(), "image")
		content := []byte(strings.Repeat("x", 4<<20)) // small when compressed
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		image := hashed(t, path)
		place := Place{"alice", "test"}
		if _, err := v.Put(t.Context(), place, image, Taking{Taken: noon}); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := v.Get(t.Context(), place, image.ID, &got); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d bytes, %v", got.Len(), err)
		}
	})
}

// What is read costs what there is, and not what there was room for.
func TestVault_reads_what_is_small_at_once(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(memblob.OpenBucket(nil), Options{BytesPerSecond: 1000})
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, []byte("small"), 0o600); err != nil {
			t.Fatal(err)
		}
		image, place, start := hashed(t, path), Place{"alice", "test"}, time.Now()
		s, err := v.Put(t.Context(), place, image, Taking{Taken: noon})
		if err != nil {
			t.Fatal(err)
		}
		const times = 100
		for range times {
			if _, err := v.Get(t.Context(), place, image.ID, io.Discard); err != nil {
				t.Fatal(err)
			}
		}
		if took, least := time.Since(start), time.Duration(times*s.Stored)*time.Millisecond; took < least || took > least+least/10 {
			t.Errorf("%d bytes at 1000 a second took %v", times*s.Stored, took)
		}
	})
}

func TestFault_of_the_callers_writer_passes_through(t *testing.T) {
	v := New(memblob.OpenBucket(nil), Options{})
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	image := hashed(t, path)
	place := Place{"alice", "test"}
	if _, err := v.Put(t.Context(), place, image, Taking{Taken: noon}); err != nil {
		t.Fatal(err)
	}
	pr, pw := io.Pipe()
	full := fault.New(fault.TooLarge, "Too much")
	pr.CloseWithError(full)
	if _, err := v.Get(t.Context(), place, image.ID, pw); !errors.Is(err, fault.TooLarge) {
		t.Error(err)
	}
}

func TestFailure_has_no_secret_in_it(t *testing.T) {
	err := failure(ErrUnreachable, errors.New(`Get "https://user:pass@acct.example/c/k?sv=1&sig=SECRET%3D": EOF`))
	if text := err.Error(); strings.Contains(text, "SECRET") || strings.Contains(text, "pass") || !strings.Contains(text, "acct.example/c/k?...") {
		t.Errorf("the log reads %q", text)
	}
}

// hashed returns the image that a file is.
func hashed(t *testing.T, path string) Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	image, err := Hash(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return image
}
