package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// TestCreateSnapshot_is_waited_for has a server that needs longer than other calls
// may.
func TestCreateSnapshot_is_waited_for(t *testing.T) {
	const id = "856e21f7cae8383426cd2e0599caf6e83962b051af4734ab5c53aff87ea0ff45"
	timeout := 50 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(4 * timeout):
		case <-r.Context().Done():
			return
		}
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"last_modified_at":"2026-08-18T15:04:40.5Z","snapshot_id":"` + id + `","size":8192,"stored":173,"kind":"manual","note":"n"}`))
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.CreateSnapshot(t.Context(), "alice/db", "n")
	want := catalog.Snapshot{ID: id, Taken: time.Date(2026, 8, 18, 15, 4, 40, 5e8, time.UTC), Size: 8192, Stored: 173, Kind: catalog.Manual, Note: "n"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	isRefusal(t, c.DeleteSnapshot(t.Context(), "alice/db", "../x"), fault.Invalid, "64 hexadecimal digits")
}
