package catalog

import (
	"errors"
	"testing"

	"ayb/fault"
)

func TestLimit_is_read_as_it_is_written(t *testing.T) {
	for _, l := range []Limit{ByDefault, NoLimit, 1, 1 << 40, 1<<63 - 1} {
		var got Limit
		if err := got.UnmarshalText([]byte(l.String())); err != nil || got != l {
			t.Errorf("%s: %v, %v", l, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "-5", "None", "1.5", "1GiB", "9223372036854775808"} {
		var l Limit
		if err := l.UnmarshalText([]byte(text)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
}

func TestLimit_takes_the_place_of_what_is_configured(t *testing.T) {
	for _, tt := range []struct {
		limit            Limit
		configured, want int64
	}{{ByDefault, 7, 7}, {ByDefault, 0, 0}, {NoLimit, 7, 0}, {5, 7, 5}, {9, 7, 9}, {5, 0, 5}} {
		if got := tt.limit.Or(tt.configured); got != tt.want {
			t.Errorf("%s with %d configured: %d, want %d", tt.limit, tt.configured, got, tt.want)
		}
	}
	if err := (Quota{Databases: -2}).Valid(); !errors.Is(err, fault.Invalid) {
		t.Errorf("a quota below nothing: %v", err)
	}
}
