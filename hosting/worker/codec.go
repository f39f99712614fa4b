package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
)

// A decoder takes values from the front of a payload. What is too short or makes
// no sense fails it, and then it answers zeros: callers look once, at the end.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return nil
	}
	taken := d.b[:n:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) bool() bool {
	b := d.byte()
	d.failed = d.failed || b > 1
	return b == 1
}

func (d *decoder) word() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads a number of things that take at least one byte each.
func (d *decoder) count(most uint64) int {
	n := d.uvarint()
	if n > most || n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte  { return d.take(d.uvarint()) }
func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) id() (id catalog.ID) {
	copy(id[:], d.take(uint64(len(id))))
	return id
}

func (d *decoder) db() hosting.DB {
	return hosting.DB{Owner: d.id(), Database: d.id(), Version: d.id()}
}

// end reports whether everything was there and nothing is left.
func (d *decoder) end() bool { return !d.failed && len(d.b) == 0 }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendDB(b []byte, db hosting.DB) []byte {
	b = append(b, db.Owner[:]...)
	b = append(b, db.Database[:]...)
	return append(b, db.Version[:]...)
}

// op says what a request asks for.
type op uint8

const (
	opRun op = iota
	opBegin
	opCreate
	opCopy
	opCheck
	opRelease
	opEndReaders
	opStats
	opSessionRun
	opSessionClose
	opAdopt
	opCopyTo
	opLast = opCopyTo
)

// A request is what a call asks for.
type request struct {
	op     op
	wanted bool       // whether there is a sink
	handle uint64     // of the session, or of the release that begins
	how    uint8      // CopyMethod, CheckDepth or UploadFormat
	file   catalog.ID // the upload of opAdopt, the image of opCopyTo
	job    hosting.Job
}

func (r *request) append(b []byte) []byte {
	b = appendBool(append(b, byte(r.op)), r.wanted)
	b = binary.AppendUvarint(b, r.handle)
	b = append(b, r.how)
	if r.namesFile() {
		b = append(b, r.file[:]...)
	}
	j := &r.job
	b = appendDB(b, j.DB)
	b = append(b, byte(j.Class))
	b = append(b, j.Caller.Entity[:]...)
	b = appendString(b, j.Caller.Address)
	b = appendBool(b, j.Unwritten)
	b = appendBool(b, j.Unmarked)
	b = appendBool(b, j.Bulk)
	b = binary.AppendVarint(b, j.Quota.DatabaseBytes)
	b = binary.AppendVarint(b, j.Quota.OwnerBytes)
	b = appendString(b, j.Statement.SQL)
	b = binary.AppendUvarint(b, uint64(len(j.Statement.Args)))
	for _, a := range j.Statement.Args {
		b = appendString(b, a.Name)
		b = appendValue(b, a.Value)
	}
	return b
}

// namesFile reports whether the request is about another file than the database's.
func (r *request) namesFile() bool { return r.op == opAdopt || r.op == opCopyTo }

// size is about how many bytes append appends.
func (r *request) size() int64 {
	n := int64(128 + len(r.job.Caller.Address) + len(r.job.Statement.SQL))
	for _, a := range r.job.Statement.Args {
		n += int64(16 + len(a.Name) + a.Value.Size())
	}
	return n
}

func decodeRequest(b []byte) (r request, ok bool) {
	d := decoder{b: b}
	r.op = op(d.byte())
	d.failed = d.failed || r.op > opLast
	r.wanted = d.bool()
	r.handle = d.uvarint()
	r.how = d.byte()
	if r.namesFile() {
		r.file = d.id()
	}
	j := &r.job
	j.DB = d.db()
	j.Class = hosting.Class(d.byte())
	d.failed = d.failed || j.Class > hosting.Write
	j.Caller.Entity = d.id()
	j.Caller.Address = d.string()
	j.Unwritten = d.bool()
	j.Unmarked = d.bool()
	j.Bulk = d.bool()
	j.Quota.DatabaseBytes = d.varint()
	j.Quota.OwnerBytes = d.varint()
	j.Statement.SQL = d.string()
	if n := d.count(math.MaxInt32); n > 0 {
		j.Statement.Args = make([]catalog.Arg, n)
		for i := range j.Statement.Args {
			j.Statement.Args[i] = catalog.Arg{Name: d.string(), Value: d.value()}
		}
	}
	return r, d.end()
}

func appendValue(b []byte, v catalog.Value) []byte {
	b = append(b, byte(v.Type()))
	switch v.Type() {
	case catalog.Integer:
		b = binary.LittleEndian.AppendUint64(b, uint64(v.Int64()))
	case catalog.Real:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float64()))
	case catalog.Text:
		b = appendString(b, v.String())
	case catalog.Blob:
		b = appendString(b, v.Bytes())
	}
	return b
}

func (d *decoder) value() catalog.Value {
	switch catalog.ValueType(d.byte()) {
	case catalog.Null:
		return catalog.NullValue()
	case catalog.Integer:
		return catalog.IntegerValue(int64(d.word()))
	case catalog.Real:
		return catalog.RealValue(math.Float64frombits(d.word()))
	case catalog.Text:
		return catalog.TextValue(d.string())
	case catalog.Blob:
		return catalog.BlobValue(d.bytes())
	}
	d.failed = true
	return catalog.NullValue()
}

// A reply is the end of an answer.
type reply struct {
	failure       *failure
	summary       catalog.Summary
	inTransaction bool   // the session is, now
	handle        uint64 // of the session that began
	generation    hosting.Generation
	stats         hosting.Stats
}

func (r *reply) append(b []byte) []byte {
	b = r.failure.append(b)
	s := &r.summary
	b = binary.AppendVarint(b, s.Rows)
	b = binary.AppendVarint(b, s.Changes)
	b = binary.AppendVarint(b, s.LastInsertRowID)
	b = appendBool(b, s.Wrote)
	b = binary.AppendVarint(b, int64(s.Elapsed))
	b = appendBool(b, r.inTransaction)
	b = binary.AppendUvarint(b, r.handle)
	b = append(b, r.generation.Incarnation[:]...)
	b = binary.AppendUvarint(b, r.generation.Commits)
	return appendStats(b, &r.stats)
}

func (r *reply) decode(b []byte) (ok bool) {
	d := decoder{b: b}
	r.failure = d.failure()
	r.summary = catalog.Summary{
		Rows: d.varint(), Changes: d.varint(), LastInsertRowID: d.varint(), Wrote: d.bool(), Elapsed: time.Duration(d.varint()),
	}
	r.inTransaction = d.bool()
	r.handle = d.uvarint()
	r.generation = hosting.Generation{Incarnation: d.id(), Commits: d.uvarint()}
	r.stats = d.stats()
	return d.end()
}

func appendStats(b []byte, s *hosting.Stats) []byte {
	for _, n := range [...]uint64{s.Reads, s.Writes, s.Failures, s.Interrupts, s.Commits, s.Syncs, s.Evictions, s.StatementHits, s.StatementMisses, s.Batches.Writes} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range s.Batches.Counts {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range [...]int64{int64(s.Databases), int64(s.Connections), int64(s.Sessions), int64(s.QueuedReads), int64(s.QueuedWrites), s.Memory, s.TempBytes} {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func (d *decoder) stats() (s hosting.Stats) {
	for _, n := range [...]*uint64{&s.Reads, &s.Writes, &s.Failures, &s.Interrupts, &s.Commits, &s.Syncs, &s.Evictions, &s.StatementHits, &s.StatementMisses, &s.Batches.Writes} {
		*n = d.uvarint()
	}
	for i := range s.Batches.Counts {
		s.Batches.Counts[i] = d.uvarint()
	}
	for _, n := range [...]*int{&s.Databases, &s.Connections, &s.Sessions, &s.QueuedReads, &s.QueuedWrites} {
		*n = int(d.gauge(math.MaxInt32))
	}
	s.Memory, s.TempBytes = d.gauge(1<<50), d.gauge(1<<50)
	return s
}

// gauge reads a number that is not negative nor absurd.
func (d *decoder) gauge(most int64) int64 {
	n := d.varint()
	if n < 0 || n > most {
		d.failed = true
		return 0
	}
	return n
}

// A failure is an error on its way. The errors that both ends know keep their
// identity; of a fault everything arrives but the cause, of which the text does.
type failure struct {
	known   uint8 // index in knownErrors + 1; 0: none of them
	kind    fault.Kind
	message string
	code    int
	place   int // of the statement in its text
	cause   string
}

// knownErrors are those whose identity matters to the Runner or its caller.
func knownErrors() []error {
	return []error{hosting.ErrUnwritten, hosting.ErrUnmarked, hosting.ErrMissing, context.Canceled, errViolation, durable.ErrFull, hosting.ErrLogFull}
}

var errViolation = errors.New("worker: the other end does not keep to the protocol")

const maxMessage = 16 << 10

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{kind: fault.KindOf(err), message: clip(fault.Message(err)), cause: clip(err.Error())}
	for i, known := range knownErrors() {
		if errors.Is(err, known) {
			f.known = uint8(i + 1)
		}
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f.code, f.place, f.cause = e.Code, e.Statement, ""
		if e.Err != nil {
			f.cause = clip(e.Err.Error())
		}
	}
	return f
}

// brief cuts the texts of the failure so that it fits maxReason.
func (f *failure) brief() *failure {
	const most = maxReason/2 - 64
	f.message, f.cause = clipTo(most, f.message), clipTo(most, f.cause)
	return f
}

// clip cuts a text that is too long for a message.
func clip(text string) string { return clipTo(maxMessage, text) }

// clipTo cuts a text that is too long, between two characters.
func clipTo(most int, text string) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// is reports whether the failure is the known error.
func (f *failure) is(err error) bool {
	return f != nil && f.known > 0 && knownErrors()[f.known-1] == err
}

// err returns the failure as an error; nil of nil.
func (f *failure) err() error {
	switch {
	case f == nil:
		return nil
	case f.is(hosting.ErrUnwritten):
		return hosting.ErrUnwritten
	case f.is(hosting.ErrUnmarked):
		return hosting.ErrUnmarked
	case f.is(hosting.ErrMissing):
		return hosting.ErrMissing
	}
	e := &fault.Error{Kind: f.kind, Message: f.message, Code: f.code, Statement: f.place}
	switch {
	case f.is(durable.ErrFull), f.is(hosting.ErrLogFull):
		e.Err = fmt.Errorf("%w: %s", knownErrors()[f.known-1], f.cause)
	case f.cause != "":
		e.Err = cause(f.cause)
	}
	return e
}

// cause returns a cause that has arrived as a text.
func cause(text string) error {
	name, _, _ := strings.Cut(text, ":")
	if reason, ok := fault.ParseReason(name); ok {
		if name == text {
			return reason
		}
		return fmt.Errorf("%w%s", reason, text[len(name):])
	}
	return errors.New(text)
}

func (f *failure) append(b []byte) []byte {
	if f == nil {
		return append(b, 0)
	}
	b = append(b, 1, f.known)
	b = appendString(b, string(f.kind))
	b = appendString(b, f.message)
	b = binary.AppendVarint(b, int64(f.code))
	b = binary.AppendVarint(b, int64(f.place))
	return appendString(b, f.cause)
}

func (d *decoder) failure() *failure {
	if !d.bool() {
		return nil
	}
	f := &failure{known: d.byte(), kind: fault.Kind(d.string()), message: d.string(), code: int(d.varint()), place: int(d.gauge(math.MaxInt32)), cause: d.string()}
	if int(f.known) > len(knownErrors()) || !slices.Contains(fault.Kinds(), f.kind) || !isText(f.message) || !isText(f.cause) {
		d.failed = true
	}
	return f
}

// A status says how the texts of a worker stand with their bounds on time.
type status struct {
	worst   uint32        // the call that is furthest beyond its bound; 0: none
	overdue time.Duration // by how much
	next    time.Duration // until the next reaches its bound; 0: none is under way
}

func (s status) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, s.worst)
	b = binary.AppendVarint(b, int64(s.overdue))
	return binary.AppendVarint(b, int64(s.next))
}

func decodeStatus(b []byte) (s status, ok bool) {
	d := decoder{b: b}
	if worst := d.take(4); worst != nil {
		s.worst = binary.LittleEndian.Uint32(worst)
	}
	s.overdue, s.next = time.Duration(d.varint()), time.Duration(d.varint())
	return s, d.end()
}
