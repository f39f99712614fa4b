package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi"
	"ayb/snapshot/snapshottest"
)

// TestRestoreSnapshot restores over HTTP, at a pace at which it takes a second.
func TestRestoreSnapshot(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Snapshots.Bucket = snapshottest.Memory(t).Bucket
	cfg.Snapshots.BytesPerSecond = 600_000
	cfg.Now = time.Now
	f := &fixture{Fixture: aybtest.New(t, &cfg), t: t}
	f.Server = httptest.NewServer(httpapi.New(f.Engine, nil))
	t.Cleanup(f.Server.Close)
	secret, _ := f.MustToken(f.MustEntity("alice"), nil)
	alice := newClient(t, client.Config{URL: f.URL, Token: secret})
	ctx := t.Context()
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (randomblob(900000))")
	s, err := f.CreateSnapshot(ctx, ayb.System, "alice/db", "")
	if err != nil {
		t.Fatal(err)
	}
	f.MustQuery(ayb.System, "alice/db", "DELETE FROM t")
	rows := func(ref string) int {
		t.Helper()
		return len(f.MustQuery(ayb.System, ref, "SELECT 1 FROM t").Rows)
	}

	t.Run("it is told how far it is", func(t *testing.T) {
		var last, most int64
		restored, err := alice.RestoreSnapshot(ctx, "alice/db", s.ID, &client.RestoreOptions{Progress: func(done, total int64) {
			if done < last || total != s.Size {
				t.Errorf("%d of %d after %d", done, total, last)
			}
			last, most = done, max(most, total)
		}})
		if err != nil || restored.Database.String() != "alice/db" || !catalog.IsSnapshotID(restored.Undo) || most == 0 {
			t.Fatalf("%+v, %v, of %d bytes", restored, err, most)
		}
		if rows("alice/db") != 2 {
			t.Errorf("there are %d rows", rows("alice/db"))
		}
	})
	t.Run("another database is made of it", func(t *testing.T) {
		restored, err := alice.RestoreSnapshot(ctx, "alice/db", s.ID, &client.RestoreOptions{To: "alice/copy"})
		if err != nil || restored != (client.Restored{Database: catalog.Ref{Entity: "alice", Database: "copy"}}) || rows("alice/copy") != 2 {
			t.Errorf("%+v, %v", restored, err)
		}
		_, err = alice.RestoreSnapshot(ctx, "alice/db", s.ID, &client.RestoreOptions{To: "alice/copy"})
		isRefusal(t, err, fault.Exists, "already exists")
		_, err = alice.RestoreSnapshot(ctx, "alice/db", s.ID, &client.RestoreOptions{To: "nothing"})
		isRefusal(t, err, fault.Invalid, "entity/database")
	})
	f.MustDatabase("alice/small", "CREATE TABLE t (a)")
	if s, err = f.CreateSnapshot(ctx, ayb.System, "alice/small", ""); err != nil {
		t.Fatal(err)
	}
	t.Run("the classic request is answered as ever", func(t *testing.T) {
		for _, tt := range []struct {
			body   string
			status int
			answer string
		}{
			{s.ID, 200, `{}`}, {s.ID + "\n", 200, `{}`},
			{`{"snapshot_id":"` + s.ID + `"}`, 200, `{"entity":"alice","database":"small","undo_snapshot_id":"`},
			{strings.Repeat("0", 64), 404, `{"type":"SnapshotDoesNotExistError"`},
			{`{"snapshot_id":"` + s.ID + `","too":"x"}`, 400, `{"type":"Other"`},
			{"../x", 400, `{"type":"Other"`},
		} {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL+"/v1/alice/small/restore_snapshot", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secret)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != tt.status || !strings.HasPrefix(string(text), tt.answer) || tt.answer == "{}" && string(text) != "{}" {
				t.Errorf("%q: %d %s, %v", tt.body, resp.StatusCode, text, err)
			}
		}
	})
}

// TestRestoreSnapshot_answers_that_make_no_sense has servers that answer anything.
func TestRestoreSnapshot_answers_that_make_no_sense(t *testing.T) {
	id := strings.Repeat("a", 64)
	for answer, want := range map[string]fault.Kind{
		"":                                  fault.OutcomeUnknown,
		"{}\n":                              fault.OutcomeUnknown,
		"[]\n":                              fault.OutcomeUnknown,
		`{"done":-1,"total":5}` + "\n":      fault.OutcomeUnknown,
		`{"restored":{}}` + "\n":            fault.OutcomeUnknown,
		strings.Repeat("x", 100_000) + "\n": fault.OutcomeUnknown,
		`{"restored":{"entity":"a","database":"b","undo_snapshot_id":"\u001b[2J"}}` + "\n":                         fault.OutcomeUnknown,
		`{"done":1,"total":2}` + "\n" + `{"error":{"type":"Other","message":"No room","kind":"too_large"}}` + "\n": fault.TooLarge,
		`{"done":1,"total":2}` + "\n" + `{"restored":{"entity":"a","database":"b"}}` + "\n":                        "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			io.WriteString(w, answer)
		}))
		c := newClient(t, client.Config{URL: server.URL})
		if _, err := c.RestoreSnapshot(t.Context(), "a/b", id, nil); fault.KindOf(err) != want {
			t.Errorf("%.60q: %v (%s), want %s", answer, err, fault.KindOf(err), want)
		}
		server.Close()
	}
}
