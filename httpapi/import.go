package httpapi

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"ayb"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// importDatabase makes a database of the body.
func (x *exchange) importDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	query, err := x.parameters("format", "table", "header", "replace")
	if err != nil {
		return nil, err
	}
	if query.Has("table") {
		if query.Has("replace") {
			return nil, fault.New(fault.Invalid, "Rows are added to a table; replace is for whole databases")
		}
		return x.importTable(ref, ayb.TableImport{Table: query.Get("table"), Format: query.Get("format"), Header: query.Get("header"), Size: x.r.ContentLength})
	}
	opt := ayb.ImportOptions{Size: x.r.ContentLength} // compressed or not
	switch replace := query.Get("replace"); replace {
	case "", "false":
	case "true":
		opt.Replace = true
	default:
		return nil, fault.New(fault.Invalid, "replace is true or false, not %.100q", replace)
	}
	if format := query.Get("format"); format != "" {
		if opt.Format, err = ayb.ParseExportFormat(format); err != nil {
			return nil, err
		}
	}
	up := &upload{x: x}
	body, err := up.open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	imported, err := x.eng.Import(x.ctx(), x.caller, ref, body, &opt)
	if err != nil {
		return nil, err
	}
	return wire.ImportedDatabase{CreatedDatabase: wire.NewCreatedDatabase(imported.Database), Undo: imported.Undo}, nil
}

// importTable adds the rows of the body to a table.
func (x *exchange) importTable(ref string, into ayb.TableImport) (any, error) {
	up := &upload{x: x}
	body, err := up.open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	rows, err := x.eng.ImportTable(x.ctx(), x.caller, ref, body, into)
	if err != nil {
		return nil, err
	}
	return wire.ImportedTable{Rows: rows}, nil
}

// An upload is a body that is read as it comes, of any size.
type upload struct{ x *exchange }

// Read reads a piece of the body; the client has a while to send it. Errors:
// TimedOut, Invalid.
func (u *upload) Read(p []byte) (int, error) {
	x := u.x
	x.control.SetReadDeadline(time.Now().Add(x.opt.Stall))
	n, err := x.r.Body.Read(p)
	switch {
	case err == io.EOF:
		x.allRead()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fault.New(fault.TimedOut, "Nothing of the body arrived for limits.write_stall (%v)", x.opt.Stall)
	case err != nil:
		err = fault.Wrap(fault.Invalid, err, "The body was cut short")
	}
	return n, err
}

// uploadWindow bounds the memory that decompressing a body takes.
const uploadWindow = 8 << 20

// open returns the body, decompressed if it says that it is compressed. How much
// comes out of it is bounded by who reads it. Errors: Invalid, Unsupported.
func (u *upload) open() (io.ReadCloser, error) {
	switch encoding := strings.ToLower(u.x.r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return io.NopCloser(u), nil
	case "gzip":
		r, err := gzip.NewReader(u)
		if err != nil {
			return nil, undecodable(err)
		}
		return decoder{r, r.Close}, nil
	case "zstd":
		r, err := zstd.NewReader(u, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uploadWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, undecodable(err)
		}
		return decoder{r, func() error { r.Close(); return nil }}, nil
	default:
		return nil, fault.New(fault.Unsupported, "A body of Content-Encoding %.100q can't be read; send gzip, zstd, or the file as it is", encoding)
	}
}

// A decoder decompresses a body.
type decoder struct {
	io.Reader
	close func() error
}

// Close gives the decoder's memory back.
func (d decoder) Close() error { return d.close() }

// Read reads what was compressed. Errors: Invalid.
func (d decoder) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = undecodable(err)
	}
	return n, err
}

// undecodable words an error of decompressing, unless it is one of the body.
func undecodable(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.Invalid, err, "The body is not compressed as its Content-Encoding says, or takes too much memory to decompress")
}
