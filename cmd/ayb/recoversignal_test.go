package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRecover_ends_at_a_signal_and_goes_on ends a recovery while it downloads the second
// of two databases, which takes it most of a minute.
func TestRecover_ends_at_a_signal_and_goes_on(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bucket := filepath.Join(dir, "bucket")
	if err := os.Mkdir(bucket, 0o700); err != nil {
		t.Fatal(err)
	}
	environ := []string{"AYB__AUTHENTICATION__FERNET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "AYB__SNAPSHOTS__URL=file://" + bucket}
	p := startServer(t, dir, append(environ, "AYB__SNAPSHOTS__AUTOMATION__INTERVAL=1s", "AYB__SNAPSHOTS__AUTOMATION__MAX_SNAPSHOTS=0")...)
	token := "Bearer " + p.account("alice")
	query := func(name, sql string) string {
		return p.must("POST", "/v1/alice/"+name+"/query", sql, "authorization", token)
	}
	create := func(name, sql string) {
		p.must("POST", "/v1/alice/"+name+"/create", "", "db-type", "sqlite", "authorization", token)
		query(name, sql)
	}
	awaitSnapshots := func(name string, n int) {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if found, err := filepath.Glob(filepath.Join(bucket, "alice", name, "*[0-9a-f].attrs")); err == nil && len(found) >= n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("there are no snapshots of %s:\n%s", name, p.out)
			}
		}
	}
	create("first", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	create("large", "CREATE TABLE t (a); INSERT INTO t SELECT randomblob(1000000) FROM generate_series(1, 20)")
	awaitSnapshots("large", 1)
	query("first", "INSERT INTO t VALUES (2)") // the metadata of a round are there when the next one begins
	awaitSnapshots("first", 2)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "ayb_data")); err != nil {
		t.Fatal(err)
	}

	out, errout := newOutput(), newOutput()
	cmd := command(t, dir, append(environ, "AYB__SNAPSHOTS__BYTES_PER_SECOND=400000"), "recover")
	cmd.Stdout, cmd.Stderr = out, errout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out.await(ctx, regexp.MustCompile(`(?m)^recovered +alice/first `)) == nil {
		cmd.Process.Kill()
		t.Fatalf("the first database does not come back: %v\n%s%s", cmd.Wait(), out, errout)
	}
	began := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	err := cmd.Wait()
	if status := exitStatus(err); status != exitError || !strings.Contains(errout.String(), "Error: The recovery was interrupted; run it again, and it goes on where it was\n") || strings.Contains(out.String(), "alice/large") {
		t.Errorf("exit status %d\n%s%s", status, out, errout)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}

	said, err := command(t, dir, append(environ, "AYB__PORT=0"), "server").CombinedOutput()
	if exitStatus(err) != exitError || !strings.Contains(string(said), "ayb recover") {
		t.Errorf("a server on half of the data: %v\n%s", err, said)
	}
	said, err = command(t, dir, environ, "recover").CombinedOutput()
	for _, want := range []string{`^Going on with a recovery of 1 account and 2 databases\.`, `^recovered +alice/large  as of 20`, `^All of it is back\.$`} {
		if err != nil || !regexp.MustCompile("(?m)"+want).Match(said) {
			t.Errorf("%v, want %s\n%s", err, want, said)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "ayb_data", "images", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	p = startServer(t, dir, environ...)
	for name, want := range map[string]string{"first": `[["1"],["1"]]`, "large": `[["1000000"],["1000000"]`} {
		if got := query(name, "SELECT length(a) FROM t"); !strings.Contains(got, want) {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
}
