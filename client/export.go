package client

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"ayb/fault"
	"ayb/httpapi/wire"
)

// The forms in which a whole database can be had.
const (
	FormatSQLite = "sqlite" // a SQLite file
	FormatSQL    = "sql"    // statements that make the database anew
)

// Export writes a whole database, as it is at one moment, to w, in one of the forms
// FormatSQLite and FormatSQL, and returns how many bytes that are. For who may read
// the database. What is cut short is an error, and w has only a part of it then; an
// error from w is returned as it is. Errors: [fault.Invalid] (the form),
// [fault.Busy], [fault.TooLarge], [fault.TimedOut], [fault.Unavailable].
func (c *Client) Export(ctx context.Context, ref, format string, w io.Writer) (n int64, err error) {
	path, err := databasePath(ref, "/export")
	if err != nil {
		return 0, err
	}
	media := wire.ContentTypeSQLite
	if format == FormatSQL {
		media = wire.ContentTypeSQL
	}
	r := request{method: http.MethodGet, path: path + "?format=" + url.QueryEscape(format), accept: media}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.cfg.Stall, func() { cancel(errSlow) })
	defer stall.Stop()
	var resp *http.Response
	err = c.retry(ctx, limited, r, func() (err error) {
		stall.Reset(c.cfg.Stall)
		resp, err = c.send(ctx, limited, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if got, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); got != media {
		return 0, c.strange(r, resp, "")
	}
	body := &stalled{r: resp.Body, stall: stall, most: c.cfg.Stall}
	n, err = io.Copy(w, body)
	if body.err != nil {
		err = c.broken(ctx, limited, r, body.err)
		if ctx.Err() == nil {
			err = fault.Wrap(fault.Unavailable, err, "The database was cut short after %d bytes; try again", n)
		}
	}
	return n, err
}

// A stalled reader has its timer run while it reads, and remembers what went wrong.
type stalled struct {
	r     io.Reader
	stall *time.Timer
	most  time.Duration
	err   error // of reading, if not the end
}

// Read reads.
func (s *stalled) Read(p []byte) (int, error) {
	s.stall.Reset(s.most)
	defer s.stall.Stop()
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
