package httpapi

import (
	"errors"
	"regexp"
	"strings"

	"ayb"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// snapshotID is the form of a snapshot's id. Nothing else may ever become part
// of an object's name.
var snapshotID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// snapshots lists the snapshots of a database. There are none as long as this
// build takes none.
func (x *exchange) snapshots() (any, error) {
	if err := x.mayManageSnapshots(); err != nil {
		return nil, err
	}
	return wire.Snapshots{Snapshots: []wire.Snapshot{}}, nil
}

// restoreSnapshot puts a database back to a snapshot, which this build can't.
func (x *exchange) restoreSnapshot() (any, error) {
	if err := x.mayManageSnapshots(); err != nil {
		return nil, err
	}
	id, err := x.body(x.opt.MaxBodyBytes)
	switch {
	case err != nil:
		return nil, err
	case !snapshotID.MatchString(strings.TrimSpace(string(id))):
		return nil, fault.New(fault.Invalid, "A snapshot is named by 64 hexadecimal digits, as list_snapshots shows them")
	}
	return nil, fault.New(fault.Unsupported, "This server takes no snapshots, so there is nothing to restore")
}

// mayManageSnapshots asks the engine whether the caller may do what the same
// callers may: see who has access to the database.
func (x *exchange) mayManageSnapshots() error {
	ref, err := x.ref()
	if err != nil {
		return err
	}
	_, err = x.eng.Grants(x.ctx(), x.caller, ref, ayb.Page{Size: 1})
	if errors.Is(err, fault.Denied) {
		return fault.Wrap(fault.Denied, err, "Authenticated entity %s can't manage snapshots on database %s", x.caller.Slug, ref)
	}
	return err
}
