package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"ayb/fault"
)

func TestError_is_its_kind_and_its_cause(t *testing.T) {
	err := fmt.Errorf("outside: %w", fault.Wrap(fault.Busy, io.ErrUnexpectedEOF, "Try again"))
	if !errors.Is(err, fault.Busy) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fault.Invalid) {
		t.Errorf("%v is not what it is", err)
	}
	if got := fault.Message(err); got != "Try again" {
		t.Errorf("the user reads %q", got)
	}
	if got := err.Error(); got != "outside: Try again: unexpected EOF" {
		t.Errorf("the log reads %q", got)
	}
}

func TestKindOf(t *testing.T) {
	inner := fault.New(fault.NotFound, "inner")
	for _, c := range []struct {
		err  error
		want fault.Kind
	}{
		{nil, ""},
		{io.EOF, fault.Internal},
		{context.Canceled, fault.Internal},
		{fault.Denied, fault.Denied},
		{inner, fault.NotFound},
		{fault.Wrap(fault.Denied, inner, "outer"), fault.Denied},
		{fmt.Errorf("around: %w", inner), fault.NotFound},
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestMessage_never_shows_a_cause(t *testing.T) {
	for err, want := range map[error]string{
		io.EOF:                                          "internal error",
		fault.Wrap(fault.Internal, io.EOF, ""):          "internal error",
		fault.Wrap(fault.Invalid, io.EOF, "No"):         "No",
		errors.Join(io.EOF, fault.New("busy", "Later")): "Later",
	} {
		if got := fault.Message(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestKinds_are_complete_and_distinct(t *testing.T) {
	seen := map[fault.Kind]bool{}
	for _, k := range fault.Kinds() {
		if k == "" || seen[k] {
			t.Errorf("%q", k)
		}
		seen[k] = true
	}
	if len(seen) != 15 {
		t.Errorf("%d kinds", len(seen))
	}
}
