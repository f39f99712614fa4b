package httpapi

import (
	"mime"
	"net/url"
	"strings"

	"ayb"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// export sends a whole database.
func (x *exchange) export() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	format, err := x.exportFormat()
	if err != nil {
		return nil, err
	}
	d := &download{x: x, media: wire.ContentTypeSQLite, name: x.param(1)}
	if format == ayb.ExportSQL {
		d.media, d.name = wire.ContentTypeSQL, strings.TrimSuffix(d.name, ".sqlite")+".sql"
	}
	defer d.release()
	err = x.eng.Export(x.ctx(), x.caller, ref, format, d)
	switch {
	case err != nil && !d.begun:
		return nil, err
	case err != nil:
		x.abandon(err) // a body that is cut short can't be taken for a whole one
	}
	d.end()
	return delivered{}, nil
}

// exportFormat reads the form in which the database is wanted. Errors: Invalid.
func (x *exchange) exportFormat() (ayb.ExportFormat, error) {
	query, err := x.parameters("format")
	if err != nil || query.Get("format") == "" {
		return ayb.ExportSQLite, err
	}
	return ayb.ParseExportFormat(query.Get("format"))
}

// parameters reads what stands in the address behind the question mark, of which
// only these are known. Errors: Invalid.
func (x *exchange) parameters(known ...string) (url.Values, error) {
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The part of the address behind the question mark can't be read")
	}
next:
	for name, values := range query {
		for _, k := range known {
			if name == k && len(values) == 1 {
				continue next
			}
		}
		return nil, fault.New(fault.Invalid, "The address has %.100q behind the question mark; there can be, once each: %s", name, strings.Join(known, ", "))
	}
	return query, nil
}

// A download is the body of an answer that is a file. Its header is sent with its
// first bytes, so that what goes wrong before can be answered as everywhere.
type download struct {
	x       *exchange
	media   string
	name    string // what to call it; empty: nothing is said
	begun   bool
	squeeze *squeezer // nil: the file is sent as it is
}

// Write sends a part of the file.
func (d *download) Write(p []byte) (int, error) {
	d.begin()
	if d.squeeze != nil {
		return d.squeeze.Write(p)
	}
	return d.x.Write(p)
}

func (d *download) begin() {
	if d.begun {
		return
	}
	d.begun = true
	header := d.x.w.Header()
	header.Set("Content-Type", d.media)
	if d.name != "" {
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	}
	d.squeeze = d.x.squeezer()
	d.x.leaveBody()
	d.x.status = d.x.route.status
	d.x.w.WriteHeader(d.x.status)
}

// end completes the answer.
func (d *download) end() {
	d.begin()
	if d.squeeze != nil {
		if err := d.squeeze.Close(); err != nil {
			d.x.abandon(err)
		}
	}
	d.x.finish()
}

// release gives back what the download has used, however it ended.
func (d *download) release() {
	if d.squeeze != nil {
		d.x.squeezers.put(d.squeeze)
		d.squeeze = nil
	}
}
