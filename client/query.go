package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// Query runs SQL, one statement or several, and returns what the last one
// answers. A text that writes is applied whole or not at all. Arguments are
// positional unless made by [catalog.Named].
//
// The result is bounded by Config.MaxResultBytes; larger ones are read with
// [Client.Stream], which also says what differs from the engine. Errors:
// [fault.Invalid] (the SQL or its parameters, with SQLite's own message),
// [fault.ReadOnly], [fault.TooLarge], [fault.TimedOut], [fault.Busy],
// [fault.Denied], [fault.NotApplied] (it was cancelled), [fault.OutcomeUnknown].
func (c *Client) Query(ctx context.Context, ref, sql string, args ...any) (*catalog.Result, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	rows := collector{limit: c.cfg.MaxResultBytes}
	sum, err := c.Stream(ctx, ref, st, &rows)
	switch {
	case err == nil:
		return &catalog.Result{Columns: rows.columns, Rows: rows.rows, Summary: sum}, nil
	case rows.size > rows.limit && !readsOnly(sql):
		return nil, fault.Wrap(fault.TooLarge, err, "If the text writes, it was applied, but the rows it answers are larger than this client takes (%d bytes)", rows.limit)
	}
	return nil, err
}

// QueryStrings is like [Client.Query], but returns the classic form of the API,
// in which every value is a string or nil: numbers in decimal, blobs as the text
// they hold or as a literal of SQL. The server bounds it (limits.result_bytes) as
// well as the client.
func (c *Client) QueryStrings(ctx context.Context, ref, sql string, args ...any) (*wire.QueryResult, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	q, resp, err := c.startQuery(ctx, ref, st, "")
	if err != nil {
		return nil, err
	}
	defer func() { q.end(err) }()
	var text []byte
	if text, err = q.readAll(resp); err != nil {
		return nil, err
	}
	result, err := c.classic(q.request, resp, text)
	return result, err
}

// classic reads a classic answer.
func (c *Client) classic(r request, resp *http.Response, text []byte) (*wire.QueryResult, error) {
	var result wire.QueryResult
	if json.Unmarshal(text, &result) != nil || result.Fields == nil || result.Rows == nil {
		return nil, c.strange(r, resp, "")
	}
	for _, row := range result.Rows {
		if len(row) != len(result.Fields) {
			return nil, c.strange(r, resp, "")
		}
	}
	return &result, nil
}

// Cancel ends a query of the caller's account, wherever it was sent from; see
// [Client.WithQueryID]. A query whose context ends is cancelled without this.
// Errors: [fault.NotFound] (no such query is running).
func (c *Client) Cancel(ctx context.Context, queryID string) error {
	return c.change(ctx, http.MethodPost, cancelPath(queryID), nil)
}

func cancelPath(queryID string) string {
	return "/v1/_/queries/" + url.PathEscape(queryID) + "/cancel"
}

// A runningQuery is a query that the server is working on, as far as the client
// knows.
type runningQuery struct {
	*Client
	ctx     context.Context // the caller's
	limited context.Context // ends when the answer pauses for too long
	cancel  context.CancelCauseFunc
	stall   *time.Timer // ends limited
	request request
	id      string
	body    io.Closer
	done    bool // the server has ended it
}

// startQuery sends a query and returns when its answer begins. The caller calls
// end.
func (c *Client) startQuery(ctx context.Context, ref string, st catalog.Statement, accept string) (*runningQuery, *http.Response, error) {
	q := &runningQuery{Client: c, ctx: ctx, id: c.queryID}
	if q.id == "" {
		var err error
		if q.id, err = c.newQueryID(); err != nil {
			return nil, nil, err
		}
	}
	var err error
	if q.request, err = queryRequest(ref, st); err != nil {
		return nil, nil, err
	}
	q.request.accept = accept
	q.request.header = [][2]string{{"Ayb-Query-Id", q.id}}
	q.limited, q.cancel = context.WithCancelCause(ctx)
	q.stall = time.AfterFunc(c.cfg.Stall, func() { q.cancel(errSlow) })
	var resp *http.Response
	err = c.retry(ctx, q.limited, q.request, func() (err error) {
		q.stall.Reset(c.cfg.Stall)
		resp, err = c.send(ctx, q.limited, q.request)
		return err
	})
	q.stall.Stop()
	if err != nil {
		q.done = q.limited.Err() == nil // refused, or there is nobody to cancel it
		q.end(err)
		return nil, nil, err
	}
	q.body = resp.Body
	resp.Body = q.watch(resp.Body)
	return q, resp, nil
}

// newQueryID makes an id that nobody can guess.
func (c *Client) newQueryID() (string, error) {
	var b [18]byte
	if _, err := io.ReadFull(c.cfg.Random, b[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "There is no randomness for the id of a query")
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// queryRequest returns the request that a statement is sent with: as plain text,
// which every server knows, unless it has arguments.
func queryRequest(ref string, st catalog.Statement) (r request, err error) {
	r = request{method: http.MethodPost, reads: readsOnly(st.SQL)}
	if r.path, err = databasePath(ref, "/query"); err != nil {
		return r, err
	}
	if len(st.Args) == 0 {
		if !utf8.ValidString(st.SQL) {
			return r, fault.New(fault.Invalid, "The SQL is not valid UTF-8")
		}
		r.body, r.media = []byte(st.SQL), "text/plain; charset=utf-8"
		return r, nil
	}
	r.body, err = wire.AppendQuery(nil, st)
	r.media = "application/json"
	return r, err
}

// end gives the connection back, and cancels the query if it was left before its
// end: the closed connection says so to the server itself, the request to one
// behind a proxy that keeps its own connection open.
func (q *runningQuery) end(err error) {
	q.stall.Stop()
	if q.body != nil {
		q.body.Close()
	}
	q.cancel(nil)
	if err != nil && !q.done && q.cfg.Token != "" {
		q.abandon()
	}
}

// Bounds of the request to cancel a query.
const (
	cancelTime  = 5 * time.Second
	cancelGrace = 100 * time.Millisecond // how long the caller is kept waiting for it
)

// abandon asks the server to cancel the query.
func (q *runningQuery) abandon() {
	asked := make(chan struct{})
	q.cancels.Go(func() {
		defer close(asked)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), cancelTime)
		defer cancel()
		if resp, err := q.send(ctx, ctx, request{method: http.MethodPost, path: cancelPath(q.id)}); err == nil {
			resp.Body.Close()
		}
	})
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-asked:
	case <-grace.C:
	}
}

// readAll reads a whole body.
func (q *runningQuery) readAll(resp *http.Response) ([]byte, error) {
	text, err := q.Client.readAll(q.ctx, q.limited, q.request, resp)
	q.done = err == nil
	return text, err
}

// watch returns the body of the answer, which ends with an error when it pauses
// for too long.
func (q *runningQuery) watch(body io.ReadCloser) io.ReadCloser { return &watched{body, q} }

type watched struct {
	io.ReadCloser
	q *runningQuery
}

// Read reads, and sets the watch for as long as that takes.
func (w *watched) Read(p []byte) (int, error) {
	if err := w.q.ctx.Err(); err != nil {
		return 0, err
	}
	w.q.stall.Reset(w.q.cfg.Stall)
	defer w.q.stall.Stop()
	return w.ReadCloser.Read(p)
}

// readsOnly reports whether a text can certainly change nothing: it is one
// statement that begins with a word of reading. What merely looks as if there
// were a second one counts as one that writes.
func readsOnly(sql string) bool {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f")
		var ok bool
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, ok = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, ok = strings.Cut(sql[2:], "*/")
		default:
			return beginsRead(sql) && !strings.Contains(strings.TrimRight(sql, "; \t\r\n\f"), ";")
		}
		if !ok {
			return false
		}
	}
}

func beginsRead(sql string) bool {
	for _, word := range []string{"SELECT", "VALUES", "EXPLAIN"} {
		if len(sql) >= len(word) && strings.EqualFold(sql[:len(word)], word) {
			return true
		}
	}
	return false
}

// A collector is a Sink that keeps the rows, up to a bound.
type collector struct {
	columns []catalog.Column
	rows    [][]catalog.Value
	size    int64
	limit   int64
}

// The memory that a row and a value take beside texts and blobs.
const (
	rowBytes   = 24
	valueBytes = 32
)

// Columns takes the description of the rows.
func (c *collector) Columns(columns []catalog.Column) error {
	c.columns, c.rows = columns, [][]catalog.Value{}
	return nil
}

// Row keeps a row.
func (c *collector) Row(row catalog.Row) error {
	c.size += rowBytes
	for i := range row.Len() {
		c.size += valueBytes + int64(len(row.Bytes(i)))
	}
	if c.size > c.limit {
		return fault.New(fault.TooLarge, "The result is larger than this client takes (%d bytes); ask for fewer rows, or read it as a stream", c.limit)
	}
	c.rows = append(c.rows, catalog.Values(row))
	return nil
}
