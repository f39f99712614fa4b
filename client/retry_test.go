package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ayb/client"
	"ayb/fault"
)

// A script is a server that answers one request after the other, as it is told;
// the last answer is for all that follow.
type script struct {
	steps []step
	asked int
}

// A step is an answer, or an error instead of one.
type step struct {
	status     int
	retryAfter string
	body       string
	err        error
}

// RoundTrip answers.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	next := s.steps[min(s.asked, len(s.steps)-1)]
	s.asked++
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
	}
	if next.err != nil {
		return nil, next.err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if next.retryAfter != "" {
		header.Set("Retry-After", next.retryAfter)
	}
	return &http.Response{StatusCode: next.status, Header: header, Body: io.NopCloser(strings.NewReader(next.body)), Request: r}, nil
}

var (
	refusedDial = step{err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	lostAnswer  = step{err: io.ErrUnexpectedEOF}
	busy        = step{status: 429, retryAfter: "1", body: `{"type":"Other","message":"busy","kind":"busy"}`}
	veryBusy    = step{status: 429, retryAfter: "60", body: `{"type":"Other","message":"busy","kind":"busy"}`}
	down        = step{status: 503, body: `{"type":"Other","message":"down","kind":"unavailable"}`}
	restarting  = step{status: 503, retryAfter: "2", body: `<html>`}
	gateway     = step{status: 502, body: `<html>`}
	cancelled   = step{status: 503, body: `{"type":"Other","message":"cancelled","kind":"not_applied"}`}
	defect      = step{status: 500, body: `{"type":"Other","message":"defect","kind":"internal"}`}
	fine        = step{status: 200, body: `{"status":"ok","fields":[],"rows":[]}`}
)

// TestRetries says of each failure whether a request is sent again: one that
// looks, one that changes something, and a query. The clock is that of synctest,
// so the pauses are exact and take no time.
func TestRetries(t *testing.T) {
	const looks, changes, runs = 0, 1, 2
	for _, c := range []struct {
		name  string
		steps []step
		asked [3]int        // requests, by what they are
		pause time.Duration // of the first that is sent again, at least
	}{
		{"nobody listens yet", []step{refusedDial, fine}, [3]int{2, 2, 2}, 100 * time.Millisecond},
		{"nobody listens", []step{refusedDial}, [3]int{3, 3, 3}, 300 * time.Millisecond},
		{"the answer is lost", []step{lostAnswer, fine}, [3]int{2, 1, 1}, 100 * time.Millisecond},
		{"the server is busy", []step{busy, fine}, [3]int{2, 2, 2}, time.Second},
		{"the server is busy for long", []step{veryBusy, fine}, [3]int{1, 1, 1}, 0},
		{"something is down", []step{down, fine}, [3]int{2, 1, 1}, 100 * time.Millisecond},
		{"the server restarts", []step{restarting, fine}, [3]int{2, 2, 2}, 2 * time.Second},
		{"a proxy has no server", []step{gateway, fine}, [3]int{2, 1, 1}, 100 * time.Millisecond},
		{"the query was cancelled", []step{cancelled, fine}, [3]int{2, 1, 1}, 100 * time.Millisecond},
		{"the server has a defect", []step{defect, fine}, [3]int{1, 1, 1}, 0},
	} {
		for kind, want := range c.asked {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: c.steps}
				cl, err := client.New(client.Config{URL: "http://host", HTTP: &http.Client{Transport: s}})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				switch kind {
				case looks:
					err = cl.Health(t.Context())
				case changes:
					err = cl.DeleteEntity(t.Context(), "a")
				case runs:
					_, err = cl.Query(t.Context(), "a/b", "SELECT 1")
				}
				if s.asked != want || (err == nil) != (want == 2) {
					t.Errorf("%s, %d: asked %d times, want %d; %v", c.name, kind, s.asked, want, err)
				}
				if pause := time.Since(began); want > 1 && (pause < c.pause || pause > c.pause+time.Second) || want == 1 && pause > 0 {
					t.Errorf("%s, %d: paused for %v, want %v", c.name, kind, pause, c.pause)
				}
			})
		}
	}
}

func TestRetries_end(t *testing.T) {
	t.Run("with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []step{{status: 429, retryAfter: "9", body: busy.body}}}
			cl, err := client.New(client.Config{URL: "http://host", HTTP: &http.Client{Transport: s}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := cl.Health(ctx); err != context.DeadlineExceeded || s.asked != 1 {
				t.Errorf("%v after %d", err, s.asked)
			}
		})
	})
	t.Run("with the client's own bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []step{{status: 429, retryAfter: "9", body: busy.body}}}
			cl, err := client.New(client.Config{URL: "http://host", HTTP: &http.Client{Transport: s}, Timeout: 10 * time.Second, Retries: 100})
			if err != nil {
				t.Fatal(err)
			}
			if err := cl.Health(t.Context()); !errors.Is(err, fault.Busy) || s.asked != 2 {
				t.Errorf("%v after %d", err, s.asked)
			}
		})
	})
}
