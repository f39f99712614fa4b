package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"ayb/fault"
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
	text, err := c.upload(ctx, request{method: http.MethodPost, path: path + "?format=" + url.QueryEscape(format), media: media, length: length}, r)
	if err == nil && len(text) == 0 {
		err = fault.New(fault.Unavailable, "The server gave no answer; look whether the database is there before you send it again")
	}
	return err
}

// A TableImport says what ImportTable sends, and into which table.
type TableImport struct {
	Table  string // made if it is not there
	Format string // csv, tsv or jsonl
	Header string // of csv and tsv, whether the first line has the names of the columns: yes, no or auto; empty: auto
}

// ImportTable adds the rows that r has, to its end, to a table, all or none, and
// returns how many that were. length is how many bytes r has, -1 if nobody knows. For
// who may write the database. An error of r is returned as it is. Errors: those of
// [Client.Query], and [fault.Invalid] with the line on which the file is wrong.
func (c *Client) ImportTable(ctx context.Context, ref string, into TableImport, r io.Reader, length int64) (rows int64, err error) {
	path, err := databasePath(ref, "/import")
	if err != nil {
		return 0, err
	}
	query := url.Values{"table": {into.Table}, "format": {into.Format}}
	if into.Header != "" {
		query.Set("header", into.Header)
	}
	req := request{method: http.MethodPost, path: path + "?" + query.Encode(), media: "application/octet-stream", length: length}
	text, err := c.upload(ctx, req, r)
	if err != nil {
		return 0, err
	}
	var imported struct{ Rows *int64 }
	if json.Unmarshal(text, &imported) != nil || imported.Rows == nil {
		return 0, fault.New(fault.OutcomeUnknown, "The server's answer can't be read; look whether the rows are there before you send them again")
	}
	return *imported.Rows, nil
}

// upload sends what r has, once, and returns the answer.
func (c *Client) upload(ctx context.Context, req request, r io.Reader) ([]byte, error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.cfg.Stall, func() { cancel(errSlow) })
	defer stall.Stop()
	body := &source{r: r, stall: stall, most: c.cfg.Stall, wrong: make(chan error, 1)}
	req.stream = body
	resp, err := c.send(ctx, limited, req)
	if err != nil {
		if wrong := body.failed(); wrong != nil {
			return nil, wrong
		}
		return nil, err
	}
	defer resp.Body.Close()
	return c.readAll(ctx, limited, req, resp)
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
