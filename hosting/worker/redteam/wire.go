//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
)

// The protocol as an attacker would find it out: frames of four bytes of length,
// one of kind, four of the call, and a payload, all little-endian. It is written
// down once more here, because the worker's own code would not let itself be used to
// break it. That it is right is seen by the honest answers, which the Runner takes.
const (
	socketDescriptor = 3

	headerBytes = 9
	maxPayload  = 64 << 10

	kindRequest    = 2
	kindRequestEnd = 3
	kindCredit     = 6
	kindProbe      = 7
	kindBye        = 12

	kindReady        = 65
	kindRows         = 66
	kindDone         = 67
	kindCommitting   = 68
	kindCommitted    = 69
	kindStatus       = 70
	kindSessionEnded = 71
	kindLogFull      = 72
)

// A wire is the socket to the Runner.
type wire struct {
	file     *os.File
	header   [headerBytes]byte
	credit   chan uint32 // what was given
	database []byte      // that was last asked for, as the protocol names it
}

func newWire(file *os.File) *wire { return &wire{file: file, credit: make(chan uint32, 1<<10)} }

// A frame is one frame.
type frame struct {
	kind    byte
	id      uint32
	payload []byte
}

func (w *wire) next() (f frame, err error) {
	if _, err := io.ReadFull(w.file, w.header[:]); err != nil {
		return f, err
	}
	f = frame{kind: w.header[4], id: binary.LittleEndian.Uint32(w.header[5:]), payload: make([]byte, binary.LittleEndian.Uint32(w.header[:]))}
	_, err = io.ReadFull(w.file, f.payload)
	return f, err
}

// pack returns a frame as bytes. The length may be a lie.
func pack(length uint32, kind byte, id uint32, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, length)
	b = binary.LittleEndian.AppendUint32(append(b, kind), id)
	return append(b, payload...)
}

func (w *wire) send(kind byte, id uint32, payload []byte) error {
	_, err := w.file.Write(pack(uint32(len(payload)), kind, id, payload))
	return err
}

// answer answers a call with one row of one text, as an honest worker would.
func (w *wire) answer(id uint32, text string) {
	w.send(kindRows, id, append(columns(), row(text)...))
	w.send(kindDone, id, done(0))
}

// record returns a piece of an answer.
func record(tag byte, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{tag}, uint32(len(body))), body...)
}

// columns returns the record of one column without a name.
func columns() []byte { return record('C', []byte{1, 0, 0}) }

// row returns the record of a row of one text.
func row(text string) []byte {
	const isText = 3
	return record('R', appendString([]byte{isText}, text))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// done returns the end of an answer: success, and all counters zero but that of the
// memory in use.
func done(memory int64) []byte {
	const (
		counters     = 10 + 10 + 5
		beforeMemory = 1 + 5 + 1 + 1 + 16 + 1 + counters // no failure, summary, session, generation
		afterMemory  = 1
	)
	b := binary.AppendVarint(make([]byte, beforeMemory), memory)
	return append(b, make([]byte, afterMemory)...)
}

// failure returns the end of an answer that failed.
func failure(kind, message string) []byte {
	return append(reason(kind, message), done(0)[1:]...)
}

// reason returns an error without the rest of an answer.
func reason(kind, message string) []byte {
	b := appendString([]byte{1, 0}, kind)
	b = appendString(b, message)
	return append(b, 0, 0) // no code, no cause
}

// status returns that no text is late.
func status() []byte { return make([]byte, 6) }

// databaseIn returns the database that a request is for, which comes after four bytes
// of what it asks for.
func databaseIn(body []byte) []byte {
	const from, size = 4, 3 * 16
	if len(body) < from+size {
		return nil
	}
	return body[from : from+size]
}

// The words in a query around an order.
const (
	orderBegins = "/*redteam "
	orderEnds   = "*/"
)

// orderIn finds the order in a request.
func orderIn(body []byte) (o order, ok bool) {
	_, rest, found := bytes.Cut(body, []byte(orderBegins))
	text, _, ended := bytes.Cut(rest, []byte(orderEnds))
	return o, found && ended && json.Unmarshal(text, &o) == nil
}
