//go:build linux

package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// endlessUpload is a text of SQL that never makes a database.
const endlessUpload = "CREATE TABLE t (a); WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;"

func (h *harness) upload(text string) hosting.Upload {
	h.Helper()
	up := hosting.Upload{ID: newID(), Format: hosting.UploadSQL}
	path := hosting.UploadPath(h.cfg.Dir, h.job.Owner, up.ID)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		h.Fatal(err)
	}
	return up
}

// TestRunner_an_upload_takes_a_place shows that what becomes of an upload has a place
// among the texts that read, of which this worker has one, and waits for it longer
// than they do.
func TestRunner_an_upload_takes_a_place(t *testing.T) {
	h := newHarness(t, Config{
		OwnerMemory: 2 * 64 << 20, Limits: hosting.Limits{QueueTime: slow * 200 * time.Millisecond},
	}, "create", "CREATE TABLE t (a)")
	job := h.job
	job.Class, job.Version = hosting.Read, newID()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.Adopt(ctx, job, h.upload(endlessUpload)) }()
	var err error
	for deadline := time.Now().Add(patience); err == nil && time.Now().Before(deadline); {
		_, err = h.try(t.Context(), "SELECT count(*) FROM t") // until it is under way
	}
	wantKind(t, "a read beside it", err, fault.Busy)
	h.must("INSERT INTO t VALUES (1)")

	other := job
	other.Version = newID()
	waiting := make(chan error, 1)
	go func() { waiting <- h.Adopt(t.Context(), other, h.upload("CREATE TABLE t (a);")) }()
	select {
	case err := <-waiting:
		t.Errorf("another upload did not wait: %v", err)
	case <-time.After(2 * h.limits.QueueTime):
	}
	cancel() // its sender hangs up
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
	h.expect(1, "SELECT count(*) FROM t")
}
