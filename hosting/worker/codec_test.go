package worker

import (
	"errors"
	"testing"

	"ayb/fault"
	"ayb/internal/durable"
)

func TestFailure_of_a_full_disk_keeps_its_identity(t *testing.T) {
	d := decoder{b: failureOf(durable.Full(errors.New("no room"))).append(nil)}
	err := d.failure().err()
	if d.failed || !errors.Is(err, durable.ErrFull) || !errors.Is(err, fault.Unavailable) || fault.Message(err) != fault.Message(durable.Full(errors.ErrUnsupported)) {
		t.Errorf("%v has arrived", err)
	}
}
