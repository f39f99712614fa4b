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
	media, name := wire.ContentTypeSQLite, x.param(1)
	if format == ayb.ExportSQL {
		media, name = wire.ContentTypeSQL, strings.TrimSuffix(name, ".sqlite")+".sql"
	}
	d := x.download(media, name)
	defer d.release()
	err = x.eng.Export(x.ctx(), x.caller, ref, format, d)
	switch {
	case err != nil && !d.hasBegun():
		return nil, err
	case err != nil:
		d.fail(err) // a body that is cut short can't be taken for a whole one
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

// download returns the body of an answer that is a file. name is what to call it;
// empty: nothing is said.
func (x *exchange) download(media, name string) *flow {
	return x.newFlow(func() {
		header := x.w.Header()
		header.Set("Content-Type", media)
		if name != "" {
			header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		}
	})
}
