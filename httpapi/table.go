package httpapi

import (
	"errors"
	"io"
	"strings"

	"ayb"
	"ayb/catalog"
	"ayb/internal/format"
)

// tableForms are the forms in which the rows of a query can be had as a file, by
// their media types.
var tableForms = map[string]format.Mode{
	"text/csv":                      format.CSV,
	"application/jsonl":             format.JSONL,
	"application/x-jsonl":           format.JSONL,
	"application/vnd.ayb.rows+json": format.JSON,
}

// tableForm returns the first of these forms that a client accepts, which has to name
// it; empty: none.
func tableForm(accept []string) (media string, mode format.Mode) {
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, _ := strings.Cut(entry, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if mode, ok := tableForms[name]; ok && strings.ReplaceAll(params, " ", "") != "q=0" {
			return name, mode
		}
	}
	return "", ""
}

// table runs a query and sends its rows as a file, as they come. What goes wrong
// once rows were sent breaks the answer off, because nothing in such a file could say
// so.
func (x *exchange) table(ctx *queryContext, ref string, st ayb.Statement, media string, mode format.Mode) (any, error) {
	if mode == format.CSV {
		media += "; charset=utf-8"
	}
	d := x.download(media, "")
	defer d.release()
	rows := &tableRows{to: d, w: format.New(mode, d, format.Options{Unbuffered: true}), mode: mode}
	_, err := x.eng.Stream(ctx, x.caller, ref, st, rows)
	if err = ending(ctx, err); err == nil {
		err = rows.end()
	}
	switch {
	case err != nil && !d.hasBegun():
		return nil, err
	case err != nil:
		d.fail(err)
	}
	d.end()
	return delivered{}, nil
}

// tableRows hands rows on to a writer.
type tableRows struct {
	to      io.Writer
	w       format.Writer
	mode    format.Mode
	columns []catalog.Column
	rows    bool
}

// Columns takes the description of the columns.
func (t *tableRows) Columns(columns []catalog.Column) error {
	t.columns = columns
	return t.w.Columns(columns)
}

// Row takes a row.
func (t *tableRows) Row(row catalog.Row) error {
	t.rows = true
	return t.w.Row(row)
}

// end completes the file. CSV has its line of names also if there are no rows.
func (t *tableRows) end() error {
	if t.mode == format.CSV && !t.rows && len(t.columns) > 0 {
		names := make(format.Strings, len(t.columns))
		for i, column := range t.columns {
			names[i] = column.Name
		}
		t.w = format.New(t.mode, t.to, format.Options{NoHeader: true, Unbuffered: true})
		if err := errors.Join(t.w.Columns(t.columns), t.w.Row(names)); err != nil {
			return err
		}
	}
	return t.w.End()
}
