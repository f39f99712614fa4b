package ayb

import (
	"fmt"
	"testing"
	"time"
)

func TestRateLimit_is_bounded_whatever_comes(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	l := newRateLimit(10, func() time.Time { return now })
	for i := range maxRateKeys {
		if wait := l.take(fmt.Sprint(i)); wait > 0 {
			t.Fatalf("key %d of %d waits %v", i, maxRateKeys, wait)
		}
	}
	if wait := l.take("one more"); wait != time.Minute {
		t.Errorf("a key for which there is no room waits %v", wait)
	}
	if wait := l.take("0"); wait > 0 {
		t.Errorf("a known key waits %v", wait)
	}
	now = now.Add(6 * time.Second)
	if wait := l.take("one more"); wait > 0 || len(l.full) > 2 {
		t.Errorf("when the others have their allowance back it waits %v, and %d keys are remembered", wait, len(l.full))
	}
}

func TestRateLimit_a_request_that_is_refused_counts_for_no_key(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	l := newRateLimit(1, func() time.Time { return now })
	if l.take("client", "alice") > 0 {
		t.Fatal("the first is refused")
	}
	for range 3 {
		if l.take("bob", "client") != time.Minute {
			t.Error("the client may go on")
		}
	}
	if wait := l.take("bob", "another client"); wait > 0 {
		t.Errorf("bob waits %v although nothing was sent", wait)
	}
}

func TestRateLimit_a_clock_that_is_set_back_locks_nobody_out(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	l := newRateLimit(10, func() time.Time { return now })
	for l.take("x") == 0 {
	}
	now = now.Add(-24 * time.Hour)
	wait := l.take("x")
	if wait != 6*time.Second {
		t.Fatalf("waits %v", wait)
	}
	now = now.Add(wait)
	if wait := l.take("x"); wait > 0 {
		t.Errorf("and %v more", wait)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:3::": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64",
		"": "", "nonsense": "nonsense",
	} {
		if got := network(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
