//go:build linux

package worker

import (
	"context"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

const evilPrefix = "evil-"

// evils are workers that do not keep to the protocol, by the name of what they
// do when they are asked for something. The id is that of the request.
func evils() map[string]func(out *frameWriter, id uint32) {
	rows := func(records ...[]byte) func(*frameWriter, uint32) {
		return func(out *frameWriter, id uint32) {
			for _, r := range records {
				out.send(kindRows, id, r)
			}
			out.send(kindDone, id, (&reply{}).append(nil))
		}
	}
	columns := appendColumns(nil, []catalog.Column{{Name: "a"}})
	record := func(tag byte, body ...byte) []byte {
		b := append(beginRecord(nil, tag), body...)
		endRecord(b, 0)
		return b
	}
	huge := beginRecord(nil, tagRow)
	binary.LittleEndian.PutUint32(huge[1:], 1<<31)
	return map[string]func(out *frameWriter, id uint32){
		"length":         func(out *frameWriter, _ uint32) { out.w.Write([]byte{0xff, 0xff, 0xff, 0x7f, 66, 0, 0, 0, 0}) },
		"kind":           func(out *frameWriter, id uint32) { out.send(200, id, nil) },
		"kind-of-runner": func(out *frameWriter, id uint32) { out.send(kindRequest, id, nil) },
		"id":             func(out *frameWriter, id uint32) { out.send(kindRows, id+7, columns) },
		"ready-again":    func(out *frameWriter, _ uint32) { out.send(kindReady, 0, nil) },
		"flood":          func(out *frameWriter, id uint32) { flood(out, kindRows, id, make([]byte, maxPayload)) },
		"status":         func(out *frameWriter, _ uint32) { out.send(kindStatus, 0, status{}.append(nil)) },
		"status-flood":   func(out *frameWriter, _ uint32) { flood(out, kindStatus, 0, []byte{1}) },
		"log-flood":      func(out *frameWriter, _ uint32) { flood(out, kindLogFull, 1, appendDB(nil, hosting.DB{})) },
		"sessions":       func(out *frameWriter, _ uint32) { floodSessions(out) },
		"session-cut":    func(out *frameWriter, _ uint32) { out.send(kindSessionEnded, 0, []byte{1, 2, 3}) },
		"committed":      func(out *frameWriter, id uint32) { out.send(kindCommitted, id, nil) },
		"reply-cut":      func(out *frameWriter, id uint32) { out.send(kindDone, id, (&reply{}).append(nil)[:5]) },
		"reply-long":     func(out *frameWriter, id uint32) { out.send(kindDone, id, append((&reply{}).append(nil), 0)) },
		"reply-kind": func(out *frameWriter, id uint32) {
			out.send(kindDone, id, (&reply{failure: &failure{kind: "nope"}}).append(nil))
		},
		"reply-memory": func(out *frameWriter, id uint32) {
			out.send(kindDone, id, (&reply{stats: hosting.Stats{Memory: -5}}).append(nil))
		},
		"cancelled": func(out *frameWriter, id uint32) {
			out.send(kindDone, id, (&reply{failure: failureOf(context.Canceled)}).append(nil))
		},
		"row-first":      rows(record(tagRow, 0)),
		"columns-twice":  rows(columns, columns),
		"columns-many":   rows(record(tagColumns, 0xff, 0xff, 0xff, 0x7f)),
		"row-short":      rows(columns, record(tagRow)),
		"row-long":       rows(columns, record(tagRow, 0, 0)),
		"row-type":       rows(columns, record(tagRow, 9)),
		"row-text":       rows(columns, record(tagRow, byte(catalog.Text), 0x7f, 'x')),
		"row-overflow":   rows(columns, record(tagRow, byte(catalog.Blob), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)),
		"row-nan":        rows(columns, append(record(tagRow, byte(catalog.Real)), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)),
		"row-huge":       rows(columns, huge),
		"row-cut":        rows(columns, columns[:7]),
		"tag":            rows(record('Z', 1)),
		"garbage":        func(out *frameWriter, _ uint32) { out.w.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) },
		"die":            func(*frameWriter, uint32) { exit(3) },
		"die-committing": func(out *frameWriter, id uint32) { out.sendNow(kindCommitting, id, nil); exit(0) },
		"die-committed": func(out *frameWriter, id uint32) {
			out.sendNow(kindCommitting, id, nil)
			out.sendNow(kindCommitted, id, nil)
			exit(0)
		},
		"die-answering": func(out *frameWriter, id uint32) {
			out.sendNow(kindRows, id, append(columns, record(tagRow, 0)...))
			exit(0)
		},
		"silent":          func(*frameWriter, uint32) {},
		"talks-to-itself": func(out *frameWriter, _ uint32) { flood(out, kindDone, 0, (&reply{}).append(nil)) },
	}
}

func flood(out *frameWriter, k kind, id uint32, payload []byte) {
	for out.send(k, id, payload) == nil {
	}
	exit(0)
}

func floodSessions(out *frameWriter) {
	for handle := uint64(0); ; handle++ {
		if out.send(kindSessionEnded, 0, failureOf(fault.New(fault.Conflict, "x")).append(binary.LittleEndian.AppendUint64(nil, handle))) != nil {
			exit(0)
		}
	}
}

// beEvil is the main function of such a worker.
func beEvil(name string) int {
	socket := os.NewFile(socketDescriptor, "runner")
	in, out := newFrameReader(socket), newFrameWriter(socket)
	if _, err := in.next(); err != nil {
		return 1
	}
	out.send(kindReady, 0, nil)
	for {
		f, err := in.next()
		if err != nil {
			return 0
		}
		if f.kind == kindRequestEnd {
			evils()[name](out, f.id)
		}
	}
}

func TestRunner_believes_nothing(t *testing.T) {
	want := map[string][]fault.Kind{
		"silent":         {fault.TimedOut},
		"die-committing": {fault.OutcomeUnknown},
		"die-committed":  {fault.OutcomeUnknown},
	}
	for name := range evils() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, Config{Executable: program(t, evilPrefix+name), Limits: hosting.Limits{QueryTime: slow * 200 * time.Millisecond}})
			kinds := want[name]
			if kinds == nil {
				kinds = []fault.Kind{fault.Unavailable}
			}
			start := time.Now()
			_, err := h.try(t.Context(), "INSERT INTO t VALUES (1) RETURNING a")
			wantKind(t, "a call", err, kinds...)
			if took := time.Since(start); took > slow*5*time.Second {
				t.Errorf("it took %v", took)
			}
			eventually(t, "the worker is gone", func() bool { return len(h.allWorkers()) == 0 })
		})
	}
}
