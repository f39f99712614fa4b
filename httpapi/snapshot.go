package httpapi

import (
	"strings"
	"time"

	"ayb"
	"ayb/httpapi/wire"
)

// snapshots lists the snapshots of a database.
func (x *exchange) snapshots() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Snapshots(x.ctx(), x.caller, ref, page)
	if err != nil {
		return nil, err
	}
	return wire.Snapshots{
		Snapshots: wire.List(list.Items, func(s ayb.Snapshot) wire.Snapshot {
			return wire.Snapshot{Modified: s.Taken.UTC().Format(time.RFC3339Nano), ID: s.ID}
		}),
		Next: x.linkNext(page, list.Next),
	}, nil
}

// restoreSnapshot puts a database back to the snapshot that the body names.
func (x *exchange) restoreSnapshot() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	id, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.RestoreSnapshot(x.ctx(), x.caller, ref, strings.TrimSpace(string(id)))
}
