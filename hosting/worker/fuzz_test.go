//go:build linux

package worker

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/hosting"
)

// stream returns frames as they cross the socket.
func stream(frames ...frame) []byte {
	var b bytes.Buffer
	out := newFrameWriter(&b)
	for _, f := range frames {
		out.send(f.kind, f.id, f.payload)
	}
	return b.Bytes()
}

// answerOf returns an honest answer to the first call.
func answerOf() []byte {
	columns := appendColumns(nil, []catalog.Column{{Name: "a", Decl: "INT"}, {Name: "b"}})
	row := remoteRow{cells: []cell{{typ: catalog.Integer, num: 7}, {typ: catalog.Text, bytes: []byte("seven")}}}
	rows := appendRow(appendRow(columns, &row), &row)
	return stream(
		frame{kind: kindReady}, frame{kind: kindCommitting, id: 1}, frame{kind: kindCommitted, id: 1},
		frame{kind: kindRows, id: 1, payload: rows[:20]}, frame{kind: kindRows, id: 1, payload: rows[20:]},
		frame{kind: kindSessionEnded, payload: failureOf(errNoSession).append(make([]byte, 8))},
		frame{kind: kindDone, id: 1, payload: (&reply{summary: catalog.Summary{Rows: 2}}).append(nil)},
	)
}

// FuzzRunner_reads_frames holds that whatever a worker sends is an answer or a
// violation: no panic, and no more memory than honest workers are given.
func FuzzRunner_reads_frames(f *testing.F) {
	f.Add(answerOf())
	f.Add(stream(frame{kind: kindReady}, frame{kind: kindStatus, payload: status{worst: 1, overdue: time.Second}.append(nil)}))
	f.Add(stream(frame{kind: kindReady}, frame{kind: kindDone, id: 1, payload: (&reply{failure: failureOf(hosting.ErrMissing)}).append(nil)}))
	f.Add([]byte("garbage, and enough of it to be more than a header"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		limits := hosting.Limits{}.WithDefaults()
		r := &Runner{limits: limits, seats: map[seatKey]*seat{}}
		w := &worker{
			r: r, seat: &seat{r: r}, ready: make(chan error, 1), out: newFrameWriter(io.Discard),
			calls: map[uint32]*call{}, sessions: map[uint64]*session{}, over: map[uint64]error{},
		}
		var calls []*call
		for id := uint32(1); id < 3; id++ {
			c := r.newCall(context.Background(), request{op: opRun, job: hosting.Job{Class: hosting.Write}})
			c.sink, c.worker, c.id, c.granted, c.ready = &counting{}, w, id, window, make(chan struct{}, 1)
			w.calls[id] = c
			calls = append(calls, c)
		}
		in := newFrameReader(bytes.NewReader(sent))
		for {
			f, err := in.next()
			if err != nil {
				break
			}
			if _, _, ok := w.take(f); !ok {
				break
			}
		}
		for _, c := range calls {
			if len(c.in) > window {
				t.Errorf("%d bytes are kept", len(c.in))
			}
			for half := len(c.in) / 2; len(c.in) > 0 && c.refusal == nil; half = len(c.in) {
				c.refusal = c.deliver(c.in[:max(half, 1)])
				c.in = c.in[max(half, 1):]
			}
			if c.reply != nil {
				_ = c.outcome()
			}
		}
	})
}

// FuzzChild_reads_requests holds that a worker survives any request, and that
// what it reads is what was written.
func FuzzChild_reads_requests(f *testing.F) {
	st, err := catalog.NewStatement("SELECT ?, :b", 1, "x", nil, 2.5, []byte{1}, catalog.Named("b", "y"))
	if err != nil {
		f.Fatal(err)
	}
	honest := request{op: opRun, wanted: true, handle: 7, job: hosting.Job{
		DB: hosting.DB{Owner: newID(), Database: newID(), Version: newID()}, Class: hosting.Write, Caller: hosting.Caller{Address: "::1"},
		Statement: st, Unwritten: true, Unmarked: true, Bulk: true, Quota: hosting.Quota{DatabaseBytes: 1, OwnerBytes: -2},
	}}
	f.Add(honest.append(nil))
	f.Fuzz(func(t *testing.T, sent []byte) {
		q, ok := decodeRequest(sent)
		if !ok {
			return
		}
		again, ok := decodeRequest(q.append(nil))
		if !ok || !bytes.Equal(again.append(nil), q.append(nil)) {
			t.Errorf("%+v became %+v", q, again)
		}
	})
}
