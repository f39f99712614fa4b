//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ayb/fault"
)

// A lie is a way to break the protocol, or to keep to it and do harm.
type lie struct {
	name string
	what string // completes "the worker ..."
	// tell answers a call. It may return what to do when the Runner says goodbye.
	tell func(w *wire, id uint32) (bye func() int)

	write bool         // it is told to somebody who writes
	kinds []fault.Kind // of the error that its caller gets; none: an answer
	ends  bool         // the Runner ends the worker
	open  string       // why it is not stopped, in words of docs/security.md; empty: it is
}

// lies returns all of them, an honest answer first.
func lies() []lie {
	return slices.Concat([]lie{{name: "honest", what: "answers as it should", tell: once(func(w *wire, id uint32) { w.answer(id, "honest") })}},
		truthLies(), floodLies(), silentLies(), shapeLies(), garbageLies(garbages), []lie{neverLeaves()})
}

// neverLeaves returns the one that takes the Runner all its patience.
func neverLeaves() lie {
	return lie{name: "never-leaves", what: "does not end when the Runner says goodbye", tell: func(w *wire, id uint32) func() int {
		w.answer(id, "here")
		return func() int { hang(); return 0 }
	}}
}

// once makes a lie of something that is over when it is told.
func once(f func(w *wire, id uint32)) func(w *wire, id uint32) func() int {
	return func(w *wire, id uint32) func() int { f(w, id); return nil }
}

// alongside makes a lie of something that goes on while the worker answers all
// that the Runner asks of it.
func alongside(f func(w *wire, id uint32)) func(w *wire, id uint32) func() int {
	return func(w *wire, id uint32) func() int { go f(w, id); return nil }
}

// sends makes a lie of frames for the call.
func sends(kind byte, payloads ...[]byte) func(w *wire, id uint32) func() int {
	return once(func(w *wire, id uint32) {
		for _, p := range payloads {
			w.send(kind, id, p)
		}
	})
}

// hang does nothing for ever. Go ends a program of which all goroutines wait for one
// another, but not one that sleeps.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// broken are the errors of a worker that the Runner does not believe.
var broken = []fault.Kind{fault.Unavailable}

// truthLies are about what became of a call.
func truthLies() []lie {
	unsure := []fault.Kind{fault.OutcomeUnknown}
	return []lie{
		{name: "says-it-wrote", what: "says that it wrote, and did not", write: true, open: "tell lies to that owner's callers", tell: once(func(w *wire, id uint32) {
			w.send(kindCommitting, id, nil)
			w.send(kindCommitted, id, nil)
			w.answer(id, "written")
		})},
		{name: "commits-a-read", what: "says that it commits what only reads", tell: once(func(w *wire, id uint32) {
			w.send(kindCommitting, id, nil)
			w.answer(id, "read")
		})},
		{name: "committed-unannounced", what: "has committed without having begun to", write: true, kinds: broken, ends: true, tell: sends(kindCommitted, nil)},
		{name: "dies-committing", what: "ends while it commits", write: true, kinds: unsure, ends: true, tell: once(func(w *wire, id uint32) {
			w.send(kindCommitting, id, nil)
			os.Exit(0)
		})},
		{name: "dies-committed", what: "ends when it has committed", write: true, kinds: unsure, ends: true, tell: once(func(w *wire, id uint32) {
			w.send(kindCommitting, id, nil)
			w.send(kindCommitted, id, nil)
			os.Exit(0)
		})},
		{name: "dies", what: "ends", kinds: broken, ends: true, tell: once(func(*wire, uint32) { os.Exit(3) })},
		{name: "dies-answering", what: "ends amid an answer", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) {
			w.send(kindRows, id, append(columns(), row("half")...))
			os.Exit(0)
		})},
		{name: "answers-twice", what: "answers a call a second time", ends: true, tell: once(func(w *wire, id uint32) {
			w.answer(id, "once")
			w.answer(id, "twice")
		})},
		{name: "rows-for-another", what: "sends rows to a call that there is not", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) { w.send(kindRows, id+1000, columns()) })},
		{name: "answers-for-all", what: "answers all calls that others might make", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) {
			for other := range uint32(1000) {
				if other != id && w.send(kindDone, other, done(0)) != nil {
					return
				}
			}
		})},
		{name: "cancelled", what: "says that the caller has given up", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) {
			b := failure("", "")
			b[1] = 3
			w.send(kindDone, id, b)
		})},
		{name: "log-of-another", what: "asks for the end of those who read another owner's database", kinds: broken, ends: true, tell: sends(kindLogFull, make([]byte, 48))},
		{name: "much-memory", what: "says that it uses more memory than the machine has, so that others have to make room", tell: once(func(w *wire, id uint32) {
			w.send(kindRows, id, append(columns(), row("much")...))
			w.send(kindDone, id, done(1<<49))
		})},
	}
}

// floodLies are too many or too much.
func floodLies() []lie {
	flood := func(kind byte, payload func(w *wire) []byte) func(w *wire, id uint32) func() int {
		return once(func(w *wire, id uint32) {
			frame := pack(uint32(len(payload(w))), kind, id, payload(w))
			many := slices.Repeat(frame, max(1, maxPayload/len(frame)))
			for {
				if _, err := w.file.Write(many); err != nil {
					os.Exit(0)
				}
			}
		})
	}
	late := []fault.Kind{fault.TimedOut}
	return []lie{
		{name: "flood-of-rows", what: "sends rows without waiting for credit", kinds: broken, ends: true, tell: flood(kindRows, func(*wire) []byte {
			return slices.Concat(columns(), slices.Repeat(row("x"), 1000))
		})},
		{name: "endless-rows", what: "sends rows without end, as fast as it is given credit", kinds: late, tell: alongside(endlessRows)},
		{name: "flood-of-commits", what: "begins commits as fast as it can", kinds: []fault.Kind{fault.TimedOut, fault.OutcomeUnknown}, write: true, ends: true, tell: flood(kindCommitting, func(*wire) []byte { return nil })},
		{name: "flood-of-logs", what: "asks for the end of readers as fast as it can, and takes no answer", kinds: []fault.Kind{fault.Unavailable, fault.TimedOut}, ends: true,
			tell: flood(kindLogFull, func(w *wire) []byte { return w.database })},
		{name: "flood-of-ends", what: "ends a thousand sessions that there are not, for reasons of 60 KB", kinds: []fault.Kind{fault.Unavailable, fault.TimedOut}, ends: true, tell: once(floodOfEnds)},
		{name: "flood-of-words", what: "writes 4 MB of made-up log lines to the server's log", tell: once(func(w *wire, id uint32) {
			os.Stderr.WriteString(strings.Repeat("\nlevel=ERROR msg=forged\n", 180<<10))
			w.answer(id, "said")
		})},
		{name: "giant-frame", what: "sends a frame of four gigabytes", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) {
			w.file.Write(pack(^uint32(0), kindRows, id, make([]byte, 1<<10)))
		})},
		{name: "giant-row", what: "sends a row of two gigabytes", kinds: broken, ends: true, tell: once(func(w *wire, id uint32) {
			giant := record('R', nil)
			binary.LittleEndian.PutUint32(giant[1:], 1<<31)
			w.send(kindRows, id, append(columns(), giant...))
		})},
	}
}

// endlessRows keeps to the credit that it is given.
func endlessRows(w *wire, id uint32) {
	const window = 256 << 10
	rows := slices.Repeat(row("x"), 1000)
	left := window - len(columns())
	if w.send(kindRows, id, columns()) != nil {
		return
	}
	for {
		for left < len(rows) {
			left += int(<-w.credit)
		}
		if w.send(kindRows, id, rows) != nil {
			return
		}
		left -= len(rows)
	}
}

func floodOfEnds(w *wire, id uint32) {
	why := reason("conflict", strings.Repeat("x", 60<<10))
	for handle := range uint64(1000) {
		if w.send(kindSessionEnded, 0, append(binary.LittleEndian.AppendUint64(nil, handle), why...)) != nil {
			return
		}
	}
}

// silentLies keep their callers waiting.
func silentLies() []lie {
	late := []fault.Kind{fault.TimedOut}
	return []lie{
		{name: "silent", what: "does not answer, and answers when it is asked how it stands", kinds: late, ends: true, tell: once(func(*wire, uint32) {})},
		{name: "mute", what: "answers nothing at all", kinds: late, ends: true, tell: once(func(*wire, uint32) { hang() })},
		{name: "half-header", what: "sends half of a header, and nothing more", kinds: late, ends: true, tell: once(func(w *wire, id uint32) {
			w.file.Write(pack(0, kindRows, id, nil)[:headerBytes/2])
			hang()
		})},
		{name: "half-frame", what: "sends half of a frame, and nothing more", kinds: late, ends: true, tell: once(func(w *wire, id uint32) {
			w.file.Write(pack(100, kindRows, id, make([]byte, 50)))
			hang()
		})},
		{name: "drip", what: "sends a row byte by byte", kinds: late, ends: true, tell: alongside(func(w *wire, id uint32) {
			answer := append(columns(), row(strings.Repeat("x", 1<<20))...)
			for i := range answer {
				if w.send(kindRows, id, answer[i:i+1]) != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})},
		{name: "stops", what: "stops itself (SIGSTOP)", kinds: late, ends: true, tell: once(func(*wire, uint32) { _ = unix.Kill(os.Getpid(), unix.SIGSTOP) })},
		{name: "hangs-up", what: "closes its socket and lives on", kinds: []fault.Kind{fault.Unavailable, fault.TimedOut},
			ends: true, tell: once(func(w *wire, _ uint32) {
				w.file.Close()
				hang()
			})},
		{name: "spins", what: "uses all of the processor and answers nothing", kinds: late, ends: true, tell: once(func(*wire, uint32) {
			for {
			}
		})},
	}
}

// shapeLies are frames that make no sense.
func shapeLies() []lie {
	list := []lie{
		{name: "kind-unknown", what: "sends a frame of a kind that there is not", tell: sends(200, nil)},
		{name: "kind-of-runner", what: "sends the Runner a request", tell: sends(kindRequestEnd, make([]byte, 100))},
		{name: "ready-again", what: "says again that it is ready", tell: sends(kindReady, nil)},
		{name: "status-unasked", what: "says how it stands when nobody has asked", tell: sends(kindStatus, status())},
		{name: "goodbye-unasked", what: "says its last before it is told to end", tell: once(func(w *wire, _ uint32) { w.send(kindDone, 0, done(0)) })},
		{name: "end-short", what: "cuts the end of an answer short", tell: sends(kindDone, done(0)[:5])},
		{name: "end-long", what: "adds to the end of an answer", tell: sends(kindDone, append(done(0), 0))},
		{name: "memory-negative", what: "says that it uses less memory than none", tell: sends(kindDone, done(-1))},
		{name: "error-unknown", what: "fails with an error of a kind that there is not", tell: sends(kindDone, failure("nope", "x"))},
		{name: "error-not-text", what: "fails with words that are no text", tell: sends(kindDone, failure(string(fault.Invalid), "\xff\xfe"))},
		{name: "row-first", what: "sends a row before its columns", tell: sends(kindRows, row("x"))},
		{name: "columns-twice", what: "sends columns twice", tell: sends(kindRows, columns(), columns())},
		{name: "columns-many", what: "claims two billion columns", tell: sends(kindRows, record('C', []byte{0xff, 0xff, 0xff, 0xff, 7}))},
		{name: "row-short", what: "sends a row without values", tell: sends(kindRows, columns(), record('R', nil))},
		{name: "row-long", what: "sends a row of too many values", tell: sends(kindRows, columns(), record('R', []byte{0, 0}))},
		{name: "row-type", what: "sends a value of a type that there is not", tell: sends(kindRows, columns(), record('R', []byte{9}))},
		{name: "row-beyond", what: "sends a text that is longer than its row", tell: sends(kindRows, columns(), record('R', []byte{3, 0x7f, 'x'}))},
		{name: "row-overflow", what: "sends a text with a length that no number holds", tell: sends(kindRows, columns(), record('R', append([]byte{3}, slices.Repeat([]byte{0xff}, 11)...)))},
		{name: "row-nan", what: "sends a number that is none", tell: sends(kindRows, columns(), record('R', []byte{2, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f}))},
		{name: "record-unknown", what: "sends a piece of an answer that is neither columns nor row", tell: sends(kindRows, record('Z', []byte{1}))},
		{name: "record-cut", what: "ends an answer amid a row", tell: once(func(w *wire, id uint32) {
			w.send(kindRows, id, append(columns(), row("whole")[:4]...))
			w.send(kindDone, id, done(0))
		})},
		{name: "session-short", what: "cuts the end of a session short", tell: sends(kindSessionEnded, []byte{1, 2, 3})},
		{name: "http", what: "speaks HTTP", tell: once(func(w *wire, _ uint32) { w.file.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) })},
	}
	for i := range list {
		list[i].kinds, list[i].ends = broken, true
	}
	return list
}

// garbages is how many frames of random kind and content are tried.
const garbages = 24

// garbageLies are frames that nobody has thought of, and silence afterwards.
func garbageLies(n int) (list []lie) {
	for seed := range uint64(n) {
		random := rand.New(rand.NewPCG(seed, 0))
		list = append(list, lie{
			name: fmt.Sprintf("garbage-%02d", seed), what: "sends frames of random kind, call, length and content",
			kinds: []fault.Kind{fault.Unavailable, fault.TimedOut, fault.OutcomeUnknown}, ends: true,
			tell: once(func(w *wire, id uint32) {
				for range 8 {
					payload := make([]byte, random.IntN(80))
					for i := range payload {
						payload[i] = byte(random.Uint32())
					}
					kind := byte(kindReady + random.IntN(kindLogFull-kindReady+1))
					if random.IntN(4) == 0 {
						kind = byte(random.Uint32())
					}
					call := []uint32{0, id, id, random.Uint32()}[random.IntN(4)]
					w.file.Write(pack(uint32(len(payload)), kind, call, payload))
				}
				hang()
			}),
		})
	}
	return list
}
