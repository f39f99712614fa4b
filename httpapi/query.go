package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"sync"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// queryIDHeader carries the id by which a query can be cancelled.
const queryIDHeader = "Ayb-Query-Id"

// query runs SQL and answers in the classic form, or as a stream or a file to those
// who accept one.
func (x *exchange) query() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	st, err := x.statement()
	if err != nil {
		return nil, err
	}
	ctx, done, err := x.cancellable()
	if err != nil {
		return nil, err
	}
	defer done()
	if accept := x.r.Header["Accept"]; len(accept) > 0 && acceptsStream(accept) {
		return x.stream(ctx, ref, st)
	}
	if media, mode := tableForm(x.r.Header["Accept"]); media != "" {
		return x.table(ctx, ref, st, media, mode)
	}
	res := &result{pool: x.pieces, limit: x.opt.MaxResultBytes, budget: x.held, caller: x.caller.Entity}
	sum, err := x.eng.Stream(ctx, x.caller, ref, st, res)
	if err = ending(ctx, err); err == nil {
		err = res.end()
	}
	if err != nil {
		res.release()
		if res.overflowed != "" && sum.Wrote { // of whatever kind it was, nobody may send the text again
			err = fault.Wrap(fault.TooLarge, err, "The text was applied, but the rows it answers are %s", res.overflowed)
		}
		return nil, err
	}
	return res, nil
}

// ending returns the error with which a query has ended. One that was cancelled
// left nothing: what has been committed by then ends well.
func ending(ctx *queryContext, err error) error {
	if errors.Is(err, context.Canceled) && ctx.cancelled.Load() {
		return errCancelled
	}
	return err
}

// statement reads what to run: text of SQL or, said to be JSON and looking like
// it, an object with text and arguments. No SQL begins with a brace, so text is
// taken as text whatever it is said to be. Errors: as body.
func (x *exchange) statement() (ayb.Statement, error) {
	body, err := x.body(x.opt.MaxSQLBytes)
	if err != nil {
		return ayb.Statement{}, err
	}
	if !isJSON(x.r.Header.Get("Content-Type")) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return ayb.Statement{SQL: string(body)}, nil
	}
	q, err := wire.ParseQuery(body)
	return ayb.Statement{SQL: q.SQL, Args: q.Args}, err
}

// isJSON reports whether a content type is JSON.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return contentType != ""
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// acceptsStream reports whether a client asks for a stream. It has to name it:
// */* is what everybody sends.
func acceptsStream(accept []string) bool {
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, _ := strings.Cut(entry, ";")
		if strings.EqualFold(strings.TrimSpace(media), wire.ContentTypeStream) {
			return strings.ReplaceAll(params, " ", "") != "q=0"
		}
	}
	return false
}

// A result is a Sink that keeps the classic answer to a query as the bytes to be
// sent, so that whatever goes wrong can still be answered with an error.
type result struct {
	pool   *pieces
	limit  int64
	pieces [][]byte // the last one is being filled
	size   int64    // of all, in bytes

	budget  *budget
	caller  catalog.ID // who pays
	charged int64      // bytes, of the budget

	rows       bool   // there was one
	overflowed string // what the rows are if there are too many
}

// Columns takes the names of the columns.
func (r *result) Columns(columns []catalog.Column) error {
	r.begin()
	return r.append(wire.AppendFields(r.last(), columns))
}

// Row takes a row.
func (r *result) Row(row catalog.Row) error {
	b := r.last()
	if r.rows {
		b = append(b, ',')
	}
	r.rows = true
	return r.append(wire.AppendRow(b, row))
}

// end completes the answer; there may have been no columns.
func (r *result) end() error {
	if len(r.pieces) == 0 {
		if err := r.Columns(nil); err != nil {
			return err
		}
	}
	return r.append(append(r.last(), wire.EndOfRows...))
}

func (r *result) begin() { r.pieces = append(r.pieces, r.pool.get()) }

func (r *result) last() []byte { return r.pieces[len(r.pieces)-1] }

// append puts a longer last piece in the place of the last one, and begins
// another when it is full.
func (r *result) append(b []byte) error {
	r.size += int64(len(b) - len(r.last()))
	r.pieces[len(r.pieces)-1] = b
	if r.size > r.limit {
		return r.overflow(fault.TooLarge, fmt.Sprintf("larger than limits.result_bytes (%d bytes) allows", r.limit), "")
	}
	if more := r.size - uncountedResult - r.charged; len(b) >= pieceBytes && more > 0 {
		if !r.budget.take(r.caller, more) {
			return r.overflow(fault.Busy, "more than this server has memory for, beside the large results that others are reading", "try again, or ")
		}
		r.charged += more
	}
	if len(b) >= pieceBytes {
		r.begin()
	}
	return nil
}

// overflow notes what the rows are too many for, and returns the error for it.
func (r *result) overflow(kind fault.Kind, why, hint string) error {
	r.overflowed = why
	err := fault.New(kind, "The result is %s; %sask for fewer rows, or read it as a stream (Accept: %s)", why, hint, wire.ContentTypeStream)
	if kind == fault.Busy {
		err.Err = fault.Memory
	}
	return err
}

// release gives the pieces back, and what they are charged for.
func (r *result) release() {
	if r.charged > 0 {
		r.budget.give(r.caller, r.charged)
		r.charged = 0
	}
	for _, piece := range r.pieces {
		r.pool.put(piece)
	}
	r.pieces = nil
}

// pieceBytes is the size at which a piece of an answer is complete. A row is
// never divided, so a piece may be larger by one.
const pieceBytes = 32 << 10

// pieces keeps buffers for re-use.
type pieces struct{ pool sync.Pool }

func newPieces() *pieces {
	return &pieces{pool: sync.Pool{New: func() any {
		b := make([]byte, 0, pieceBytes+pieceBytes/2)
		return &b
	}}}
}

func (p *pieces) get() []byte { return *p.pool.Get().(*[]byte) }

// put takes a buffer back, unless a large row has made it one that would only
// occupy memory.
func (p *pieces) put(b []byte) {
	if cap(b) <= 4*pieceBytes {
		b = b[:0]
		p.pool.Put(&b)
	}
}
