package worker

import (
	"bytes"
	"testing"
)

func TestFrameWriter_cork(t *testing.T) {
	var socket bytes.Buffer
	w := newFrameWriter(&socket)
	answer := func(size int) { w.sendEnd(1, make([]byte, size), nil, false) }
	t.Run("answers wait for others to come along", func(t *testing.T) {
		w.cork()
		answer(10)
		answer(10)
		if socket.Len() != 0 {
			t.Errorf("%d bytes have left", socket.Len())
		}
		if err := w.uncork(); err != nil || socket.Len() != 2*(10+2*headerBytes) {
			t.Errorf("%d bytes have left (%v)", socket.Len(), err)
		}
	})
	t.Run("much does not wait", func(t *testing.T) {
		socket.Reset()
		w.cork()
		answer(maxPayload)
		if socket.Len() != maxPayload+2*headerBytes {
			t.Errorf("%d bytes have left", socket.Len())
		}
	})
	t.Run("what others send takes along what waits", func(t *testing.T) {
		socket.Reset()
		w.cork()
		answer(10)
		if err := w.send(kindStatus, 0, nil); err != nil || socket.Len() != 10+3*headerBytes {
			t.Errorf("%d bytes have left (%v)", socket.Len(), err)
		}
	})
	t.Run("without a cork nothing waits", func(t *testing.T) {
		w.uncork()
		socket.Reset()
		answer(10)
		if socket.Len() != 10+2*headerBytes {
			t.Errorf("%d bytes have left", socket.Len())
		}
	})
}
