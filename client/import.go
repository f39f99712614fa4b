package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// ImportOptions are the optional settings of Import.
type ImportOptions struct {
	Format string // FormatSQLite or FormatSQL; default: FormatSQLite
	Length int64  // how many bytes are sent; 0: nobody knows

	// Replace says that what is sent takes the place of what has been written to the
	// database, which can be undone.
	Replace bool
}

// Imported is what an import has led to.
type Imported struct {
	Database catalog.Ref // that has the content now

	// Undo is the snapshot that brings back what was replaced; empty: there is none.
	Undo string
}

// Import makes the content of a database of what r has, to its end: a SQLite file or
// a text of SQL. A database that does not exist is created; one that has been written
// is left alone, unless ImportOptions say otherwise. It happens as a whole or not at
// all. For the owner and managers of a database that exists, and for who may create
// one otherwise. An error of r is returned as it is.
//
// Errors: [fault.Invalid] (what was sent is no such file, cut short or damaged, or SQL
// that is wrong), [fault.Denied] (also for what no database may have in it),
// [fault.TooLarge], [fault.Conflict] (the database has been written, or another import
// or restore is under way), [fault.Unsupported], [fault.TimedOut], [fault.Busy],
// [fault.OutcomeUnknown].
func (c *Client) Import(ctx context.Context, ref string, r io.Reader, opt *ImportOptions) (Imported, error) {
	path, err := databasePath(ref, "/import")
	if err != nil {
		return Imported{}, err
	}
	if opt == nil {
		opt = &ImportOptions{}
	}
	query, media := url.Values{"format": {cmp.Or(opt.Format, FormatSQLite)}}, wire.ContentTypeSQLite
	if opt.Format == FormatSQL {
		media = wire.ContentTypeSQL
	}
	if opt.Replace {
		query.Set("replace", "true")
	}
	length := opt.Length
	if length == 0 {
		length = -1
	}
	text, err := c.upload(ctx, request{method: http.MethodPost, path: path + "?" + query.Encode(), media: media, length: length}, r)
	if err != nil {
		return Imported{}, err
	}
	var answer wire.ImportedDatabase
	err = json.Unmarshal(text, &answer)
	imported := Imported{Database: catalog.Ref{Entity: answer.Entity, Database: answer.Database}, Undo: answer.Undo}
	if err == nil {
		_, err = catalog.ParseRef(imported.Database.String())
	}
	if err != nil || answer.Undo != "" && !catalog.IsSnapshotID(answer.Undo) {
		return Imported{}, fault.New(fault.OutcomeUnknown, "The server's answer can't be read; look whether the content is there before you send it again")
	}
	return imported, nil
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
