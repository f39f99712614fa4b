package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ayb/aybtest"
)

func TestApp(t *testing.T) {
	app, err := newApp(t.Context(), aybtest.New(t, nil).Engine)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app.routes())
	defer server.Close()
	ask := func(method, path, token, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(text))
	}
	signUp := func(customer string) string {
		status, token := ask("POST", "/customers/"+customer, "", "")
		if status != http.StatusCreated {
			t.Fatalf("%s can't sign up: %d %s", customer, status, token)
		}
		return token
	}
	acme, globex := signUp("acme"), signUp("globex")
	for _, c := range []struct {
		claim                     string
		method, path, token, body string
		status                    int
		text                      string
	}{
		{"a customer writes", "POST", "/customers/acme/notes", acme, "buy milk", 201, `"id":1`},
		{"and reads", "GET", "/customers/acme/notes", acme, "", 200, "buy milk"},
		{"SQL in a note is text", "POST", "/customers/acme/notes", acme, "'); DROP TABLE note; --", 201, `"id":2`},
		{"another customer has notes of their own", "GET", "/customers/globex/notes", globex, "", 200, "[]"},
		{"and can't reach the first one's", "GET", "/customers/acme/notes", globex, "", 403, "can't query database"},
		{"nor write there", "POST", "/customers/acme/notes", globex, "hello", 403, "can't query database"},
		{"a stranger can't either", "GET", "/customers/acme/notes", "", "", 401, ""},
		{"a name is taken once", "POST", "/customers/acme", "", "", 409, "already exists"},
		{"a bad name is refused", "POST", "/customers/a%20b", "", "", 400, "Invalid database slug"},
	} {
		status, text := ask(c.method, c.path, c.token, c.body)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %s, want %d %s", c.claim, status, text, c.status, c.text)
		}
	}
}
