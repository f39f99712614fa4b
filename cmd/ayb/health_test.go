package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Chdir(t.TempDir())
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			t.Errorf("it asks for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	ask := func(port string) (int, string) {
		exit, out, errout := runCommand([]string{"AYB__HOST=0.0.0.0", "AYB__PORT=" + port}, "health")
		return exit, out + errout
	}
	if exit, said := ask(port); exit != 0 || said != "The server answers.\n" {
		t.Errorf("a server that answers: %d %s", exit, said)
	}
	status = http.StatusServiceUnavailable
	if exit, said := ask(port); exit != 1 || said != "Error: The server on 0.0.0.0:"+port+" answers with status 503\n" {
		t.Errorf("a server that is not well: %d %s", exit, said)
	}
	_, closed, _ := net.SplitHostPort(closedPort(t))
	if exit, said := ask(closed); exit != 1 || !strings.HasPrefix(said, "Error: No server answers on 0.0.0.0:"+closed+"\n") {
		t.Errorf("no server: %d %s", exit, said)
	}
}
