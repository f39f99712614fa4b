package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServer_keeps_what_it_acknowledged_when_killed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startServer(t, dir)
	token := p.account("alice")
	auth := []string{"authorization", "Bearer " + token}
	p.must("POST", "/v1/alice/t/create", "", append(auth, "db-type", "sqlite")...)
	p.must("POST", "/v1/alice/t/query", "CREATE TABLE t(n); INSERT INTO t VALUES (41)", auth...)
	p.must("POST", "/v1/alice/t/query", "UPDATE t SET n = n + 1", auth...)
	p.must("POST", "/v1/register", "", "entity", "bob", "entity-type", "user", "email-address", "bob@example.org")
	p.stop(os.Kill)

	p = startServer(t, dir)
	if got := p.must("POST", "/v1/alice/t/query", "SELECT n FROM t", auth...); got != `{"fields":["n"],"rows":[["42"]]}` {
		t.Errorf("after the kill: %s", got)
	}
	// The registration was under way; its e-mail is still good.
	p.must("POST", "/v1/confirm", "", "authentication-token", mailedToken(t, filepath.Join(dir, "ayb_data", "emails.jsonl")))
}

// TestServer_killed_during_registrations kills the server while people register.
// Whoever has been given a token keeps it, and everybody else can begin again.
func TestServer_killed_during_registrations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens := map[string]string{} // of those who were told that they have an account
	for round := range 3 {
		p := startServer(t, dir, "AYB__LIMITS__REQUEST_RATE=100000")
		acknowledged := make(chan [2]string)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(acknowledged)
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("user%d-%d", round, i)
				if status, _, err := send(ctx, "POST", p.url+"/v1/register", "", "entity", name, "entity-type", "user", "email-address", name+"@example.org"); err != nil || status != 200 {
					return
				}
				status, body, err := send(ctx, "POST", p.url+"/v1/confirm", "", "authentication-token", mailedToken(t, filepath.Join(dir, "ayb_data", "emails.jsonl")))
				var answer struct{ Token string }
				if err != nil || status != 200 || json.Unmarshal([]byte(body), &answer) != nil {
					return
				}
				acknowledged <- [2]string{name, answer.Token}
			}
		}()
		for range 5 + 7*round {
			pair := <-acknowledged
			tokens[pair[0]] = pair[1]
		}
		p.cmd.Process.Kill() // in the middle of the next one
		for pair := range acknowledged {
			tokens[pair[0]] = pair[1]
		}
		cancel()
		<-p.ended
	}
	p := startServer(t, dir, "AYB__LIMITS__REQUEST_RATE=100000")
	for name, token := range tokens {
		p.must("POST", "/v1/"+name+"/db/create", "", "db-type", "sqlite", "authorization", "Bearer "+token)
	}
	for round := range 3 {
		for i := range 50 {
			name := fmt.Sprintf("user%d-%d", round, i)
			if tokens[name] == "" { // the one that was under way, whose account may be there or not
				p.account(name)
				break
			}
		}
	}
}

func TestServer_says_when_mail_is_down(t *testing.T) {
	t.Parallel()
	host, port, _ := net.SplitHostPort(closedPort(t))
	p := startServer(t, t.TempDir(), "AYB__EMAIL__SMTP__FROM=a@example.org", "AYB__EMAIL__SMTP__SECURITY=plain", "AYB__EMAIL__SMTP__SMTP_HOST="+host, "AYB__EMAIL__SMTP__SMTP_PORT="+port)
	status, body := p.request("POST", "/v1/register", "", "entity", "alice", "entity-type", "user", "email-address", "alice@example.org")
	if status != 503 || !strings.HasPrefix(body, `{"type":"EmailError"`) || strings.Contains(body, port) {
		t.Errorf("answered %d %s", status, body)
	}
	p.must("GET", "/health", "")
}
