package hostingtest

import (
	"context"
	"errors"
	"math"
	"slices"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// What crosses the connections of a [Pipe], in the encoding of package gob: one
// request to the far end, then frames back, the last of them a reply. Meanwhile
// the near end may send signals.

type op uint8

const (
	opRun op = iota
	opBegin
	opCreate
	opCopy
	opCopyTo
	opCheck
	opAdopt
	opRelease
	opResume
	opStats
	opClose
	opSessionRun
	opSessionState
	opSessionClose
)

type request struct {
	Op     op
	Handle uint64 // of the session, or of the release to resume
	Job    job
	Wanted bool // whether there is a sink
	Method hosting.CopyMethod
	Depth  hosting.CheckDepth
	Upload hosting.Upload
	Image  catalog.ID
}

// A signal is what the near end says after its request.
type signal uint8

const (
	refused   signal = iota // the caller's sink or writer failed: send no more
	cancelled               // the caller's context has ended
)

type frameKind uint8

const (
	frameReply frameKind = iota
	frameColumns
	frameRow
	frameChunk
)

type frame struct {
	Kind    frameKind
	Columns []catalog.Column
	Row     []value
	Chunk   []byte
	Reply   reply
}

type reply struct {
	Err           *failure
	Summary       catalog.Summary
	Generation    hosting.Generation
	Stats         hosting.Stats
	Handle        uint64
	InTransaction bool
}

// A job is a [hosting.Job] whose values can be encoded.
type job struct {
	DB        hosting.DB
	Class     hosting.Class
	Caller    hosting.Caller
	SQL       string
	Args      []arg
	Unwritten bool
	Unmarked  bool
	Bulk      bool
	Quota     hosting.Quota
}

type arg struct {
	Name  string
	Value value
}

func packJob(j hosting.Job) job {
	packed := job{DB: j.DB, Class: j.Class, Caller: j.Caller, SQL: j.Statement.SQL, Unwritten: j.Unwritten, Unmarked: j.Unmarked, Bulk: j.Bulk, Quota: j.Quota}
	for _, a := range j.Statement.Args {
		packed.Args = append(packed.Args, arg{a.Name, packValue(a.Value)})
	}
	return packed
}

func (j job) unpack() hosting.Job {
	unpacked := hosting.Job{DB: j.DB, Class: j.Class, Caller: j.Caller, Unwritten: j.Unwritten, Unmarked: j.Unmarked, Bulk: j.Bulk, Quota: j.Quota}
	unpacked.Statement.SQL = j.SQL
	for _, a := range j.Args {
		unpacked.Statement.Args = append(unpacked.Statement.Args, catalog.Arg{Name: a.Name, Value: a.Value.unpack()})
	}
	return unpacked
}

// A value is a [catalog.Value] that can be encoded. Reals travel as their bits,
// because gob takes -0 for 0.
type value struct {
	Type  catalog.ValueType
	Bits  uint64
	Bytes []byte
}

func packValue(v catalog.Value) value {
	packed := value{Type: v.Type(), Bytes: v.Bytes()}
	switch v.Type() {
	case catalog.Integer:
		packed.Bits = uint64(v.Int64())
	case catalog.Real:
		packed.Bits = math.Float64bits(v.Float64())
	}
	return packed
}

// packRow makes values that, like the row, are valid until its reader returns.
func packRow(r catalog.Row) []value {
	packed := make([]value, r.Len())
	for i := range packed {
		packed[i] = value{Type: r.Type(i), Bytes: r.Bytes(i)}
		switch packed[i].Type {
		case catalog.Integer:
			packed[i].Bits = uint64(r.Int64(i))
		case catalog.Real:
			packed[i].Bits = math.Float64bits(r.Float64(i))
		}
	}
	return packed
}

func (v value) unpack() catalog.Value {
	switch v.Type {
	case catalog.Integer:
		return catalog.IntegerValue(int64(v.Bits))
	case catalog.Real:
		return catalog.RealValue(math.Float64frombits(v.Bits))
	case catalog.Text:
		return catalog.TextValue(string(v.Bytes))
	case catalog.Blob:
		return catalog.BlobValue(v.Bytes)
	}
	return catalog.NullValue()
}

// A row is a [catalog.Row] that has crossed a connection.
type row []value

func (r row) Len() int                     { return len(r) }
func (r row) Type(i int) catalog.ValueType { return r[i].Type }
func (r row) Value(i int) catalog.Value    { return r[i].unpack() }

func (r row) Bytes(i int) []byte {
	if v := r[i]; v.Bytes == nil && (v.Type == catalog.Text || v.Type == catalog.Blob) {
		return []byte{} // gob takes an empty slice for none
	}
	return r[i].Bytes
}

func (r row) Int64(i int) int64 {
	if r[i].Type != catalog.Integer {
		return 0
	}
	return int64(r[i].Bits)
}

func (r row) Float64(i int) float64 {
	if r[i].Type != catalog.Real {
		return 0
	}
	return math.Float64frombits(r[i].Bits)
}

// A failure is an error. Of those that both ends know it says which they are;
// of a fault it keeps all but the cause, and of any cause the text.
type failure struct {
	Is      []int // indexes in the known errors
	Exactly bool  // the error is the one known error itself
	Fault   bool
	Kind    fault.Kind
	Message string
	Code    int
	Text    string
}

// known are the errors that keep their identity.
func known() []error {
	return []error{hosting.ErrUnwritten, hosting.ErrUnmarked, hosting.ErrMissing, hosting.ErrLogFull, context.Canceled, context.DeadlineExceeded, errRefused}
}

func packError(err error) *failure {
	if err == nil {
		return nil
	}
	if i := slices.Index(known(), err); i >= 0 {
		return &failure{Is: []int{i}, Exactly: true}
	}
	f := &failure{Text: err.Error()}
	for i, k := range known() {
		if errors.Is(err, k) {
			f.Is = append(f.Is, i)
		}
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f.Fault, f.Kind, f.Message, f.Code = true, e.Kind, e.Message, e.Code
		f.Text = ""
		if e.Err != nil {
			f.Text = e.Err.Error()
		}
	}
	return f
}

// unpack makes an error of a failure. The caller's own doings come back as they
// are: the refusal of its sink or writer, and the error of its context.
func (f *failure) unpack(ctx context.Context, refusal error) error {
	if f == nil {
		return refusal
	}
	var causes []error
	for _, i := range f.Is {
		switch k := known()[i]; {
		case k == errRefused:
			causes = append(causes, refusal)
		case k == context.Canceled && ctx.Err() != nil:
			causes = append(causes, ctx.Err())
		default:
			causes = append(causes, k)
		}
	}
	if f.Exactly {
		return causes[0]
	}
	if f.Text != "" {
		causes = append(causes, errors.New(f.Text))
	}
	cause := errors.Join(causes...)
	if !f.Fault {
		return cause
	}
	return &fault.Error{Kind: f.Kind, Message: f.Message, Code: f.Code, Err: cause}
}
