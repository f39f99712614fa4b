package httpapi

import (
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
	return wire.Snapshots{Snapshots: wire.List(list.Items, wire.NewSnapshot), Next: x.linkNext(page, list.Next)}, nil
}

// createSnapshot takes a snapshot, with the note of the body if there is one.
func (x *exchange) createSnapshot() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	body, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	var sent wire.NewSnapshotNote
	if len(body) > 0 {
		if err := decodeJSON(body, &sent); err != nil {
			return nil, err
		}
	}
	s, err := x.eng.CreateSnapshot(x.ctx(), x.caller, ref, sent.Note)
	if err != nil {
		return nil, err
	}
	return wire.NewSnapshot(s), nil
}

// deleteSnapshot removes a snapshot.
func (x *exchange) deleteSnapshot() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.DeleteSnapshot(x.ctx(), x.caller, ref, x.param(2))
}
