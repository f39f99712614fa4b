package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"ayb/httpapi/wire"
)

// Import makes a database of what r has, to its end: a SQLite file or a text of SQL
// (FormatSQLite, FormatSQL). length is how many bytes that are, -1 if nobody knows.
// The database must not exist, in which case it is created, or must never have been
// written. It happens as a whole or not at all. For the owner and managers of a
// database that exists, and for who may create one otherwise. An error of r is
// returned as it is.
//
// Errors: [fault.Invalid] (what was sent is no such file, cut short or damaged, or SQL
// that is wrong), [fault.Denied] (also for what no database may have in it),
// [fault.TooLarge], [fault.Conflict] (the database has been written),
// [fault.Unsupported], [fault.TimedOut], [fault.Busy], [fault.OutcomeUnknown].
func (c *Client) Import(ctx context.Context, ref, format string, r io.Reader, length int64) error {
	path, err := databasePath(ref, "/import")
	if err != nil {
		return err
	}
	media := wire.ContentTypeSQLite
	if format == FormatSQL {
		media = wire.ContentTypeSQL
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.cfg.Stall, func() { cancel(errSlow) })
	defer stall.Stop()
	body := &source{r: r, stall: stall, most: c.cfg.Stall, wrong: make(chan error, 1)}
	req := request{method: http.MethodPost, path: path + "?format=" + url.QueryEscape(format), stream: body, length: length, media: media}
	resp, err := c.send(ctx, limited, req)
	if err != nil {
		if wrong := body.failed(); wrong != nil {
			return wrong
		}
		return err
	}
	defer resp.Body.Close()
	text, err := c.readAll(ctx, limited, req, resp)
	if err == nil && len(text) == 0 {
		err = c.strange(req, resp, "")
	}
	return err
}

// A source is what is sent. Whenever a part of it has been taken, the server has as
// long again for the next.
type source struct {
	r     io.Reader
	stall *time.Timer
	most  time.Duration
	wrong chan error // holds the error of r, if there is one
}

// Read reads.
func (s *source) Read(p []byte) (int, error) {
	s.stall.Reset(s.most)
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		select {
		case s.wrong <- err:
		default:
		}
	}
	return n, err
}

// failed returns the error of what is sent; nil if there is none.
func (s *source) failed() error {
	select {
	case err := <-s.wrong:
		return err
	default:
		return nil
	}
}
