package httpapi_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"ayb"
	"ayb/fault"
	"ayb/httpapi"
	"ayb/httpapi/wire"
)

// TestErrors_every_kind_has_a_row holds the table of design against the one in
// the code.
func TestErrors_every_kind_has_a_row(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Invalid: 400, fault.Unauthenticated: 401, fault.Denied: 403, fault.ReadOnly: 403, fault.NotFound: 404, fault.Exists: 409, fault.Conflict: 409,
		fault.TooLarge: 413, fault.Busy: 429, fault.OutcomeUnknown: 500, fault.Internal: 500, fault.Unsupported: 501, fault.NotApplied: 503, fault.Unavailable: 503, fault.TimedOut: 504,
	}
	for _, kind := range fault.Kinds() {
		status, typ, ok := httpapi.Answered(kind)
		if !ok || status != want[kind] || typ == "" {
			t.Errorf("%s is answered with %d %q, want %d", kind, status, typ, want[kind])
		}
	}
}

func TestErrors_busy_says_when_to_come_back(t *testing.T) {
	f := serve(t, &ayb.Config{RequestRate: 1}, nil)
	ask := func() reply {
		return f.call(request{method: post, path: "/v1/register", headers: []string{"entity: alice", "email-address: alice@example.org", "entity-type: user"}})
	}
	ask().want(t, 200, `{}`)
	r := ask()
	r.refused(t, 429, wire.Other, "busy", "")
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
}

func TestErrors_mail_that_fails_has_its_type(t *testing.T) {
	f := serve(t, nil, nil)
	f.Mailbox.Fail(errors.New("dial tcp 10.1.2.3:25: connection refused"))
	f.call(request{method: post, path: "/v1/register", headers: []string{"entity: alice", "email-address: alice@example.org", "entity-type: user"}}).
		refused(t, 503, wire.EmailError, "unavailable", "The e-mail could not be sent; try again later")
}

func TestErrors_a_query_that_takes_too_long(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.QueryTime = 50 * time.Millisecond
	f := serve(t, &cfg, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: busy}).refused(t, 504, wire.Other, "timed_out", "")
}
