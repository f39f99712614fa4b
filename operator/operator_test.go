//go:build unix

package operator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ayb"
	"ayb/fault"
)

func open(t *testing.T) *ayb.Engine {
	t.Helper()
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	for _, name := range []string{"alice", "bob", "carol"} {
		if _, err := eng.CreateEntity(t.Context(), ayb.System, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := eng.CreateDatabase(t.Context(), ayb.System, "alice/db", nil); err != nil {
		t.Fatal(err)
	}
	return eng
}

// doors returns a client on each way in.
func doors(t *testing.T) map[string]*Client {
	t.Helper()
	through := open(t)
	path := filepath.Join(t.TempDir(), SocketName)
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: listener.Guard(New(through, nil))}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	dialled, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dialled.Close)
	return map[string]*Client{"through the socket": dialled, "within": Within(open(t))}
}

func TestClient_quotas(t *testing.T) {
	for name, c := range doors(t) {
		ctx := t.Context()
		bytes, count := ayb.Limit(1<<30), ayb.NoLimit
		u, err := c.SetQuota(ctx, "Alice", QuotaUpdate{Bytes: &bytes, Databases: &count})
		if want := (EntityUsage{Entity: "alice", Kind: "user", MaxBytes: 1 << 30, Databases: 1, Quota: Quota{Bytes: 1 << 30, Databases: ayb.NoLimit}}); err != nil || u != want {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if again, err := c.Usage(ctx, "alice"); err != nil || again != u {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
		ref := ayb.Ref{Entity: "alice", Database: "db"}
		d, err := c.SetDatabaseQuota(ctx, ref, 4096)
		if want := (DatabaseUsage{Entity: "alice", Database: "db", MaxBytes: 4096, Quota: 4096}); err != nil || d != want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if again, err := c.DatabaseUsage(ctx, ref); err != nil || again != d {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
		var names []string
		for u, err := range c.Usages(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, string(u.Entity))
		}
		if strings.Join(names, " ") != "alice bob carol" {
			t.Errorf("%s: %v", name, names)
		}
		negative := ayb.Limit(-2)
		for what, err := range map[fault.Kind]error{
			fault.NotFound:    func() error { _, err := c.Usage(ctx, "nobody"); return err }(),
			fault.Invalid:     func() error { _, err := c.SetQuota(ctx, "alice", QuotaUpdate{Bytes: &negative}); return err }(),
			fault.Unsupported: c.do(ctx, http.MethodGet, "/nope", nil, nil),
		} {
			if !errors.Is(err, what) || fault.Message(err) == "" {
				t.Errorf("%s: %v, want it %s", name, err, what)
			}
		}
		if err := c.do(ctx, http.MethodPatch, "/quota/alice", map[string]any{"bytes": "none", "colour": "red"}, nil); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: an unknown key: %v", name, err)
		}
	}
}

func TestListen(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"short": t.TempDir(), "long": long} {
		path := filepath.Join(dir, SocketName)
		if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNoDoor) {
			t.Errorf("%s: before there is one: %v", name, err)
		}
		if err := os.Mkdir(filepath.Join(dir, newSocket+"left"), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second finds what the first has left, as if that had been killed
			listener, err := Listen(path)
			if err != nil && name == "long" {
				t.Logf("a path of %d bytes: %v", len(path), err) // where the system has no way around it
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
			if info, err := os.Lstat(path + KeySuffix); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: the key: %v, %v", name, info.Mode(), err)
			}
			go http.Serve(listener.Listener, listener.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))) // which takes nothing away when it ends
			c, err := Dial(t.Context(), path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var answer struct{}
			if err := c.do(context.Background(), http.MethodGet, "/", nil, &answer); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, key := range []string{"", "another", c.key + "x"} { // what a worker can't read it does not have
				c.key = key
				if err := c.do(context.Background(), http.MethodGet, "/", nil, &answer); !errors.Is(err, fault.Denied) {
					t.Errorf("%s: with the key %q: %v", name, key, err)
				}
			}
			c.Close()
			listener.Listener.Close()
			if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNoDoor) {
				t.Errorf("%s: nobody listens: %v", name, err)
			}
		}
		if listener, err := Listen(path); err == nil {
			listener.Close()
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}
