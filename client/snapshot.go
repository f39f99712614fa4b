package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// Snapshots returns a page of a database's snapshots, newest first. Of each, ID,
// Taken, Size, Stored, Kind and Note are set; an older server says no more than the
// first two. For its managers.
func (c *Client) Snapshots(ctx context.Context, ref string, page catalog.Page) (catalog.List[catalog.Snapshot], error) {
	path, err := databasePath(ref, "/list_snapshots")
	if err != nil {
		return catalog.List[catalog.Snapshot]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.Snapshots) ([]wire.Snapshot, string) { return a.Snapshots, a.Next }, wire.Snapshot.Snapshot)
}

// AllSnapshots goes through the whole list of Snapshots.
func (c *Client) AllSnapshots(ctx context.Context, ref string) iter.Seq2[catalog.Snapshot, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[catalog.Snapshot], error) {
		return c.Snapshots(ctx, ref, page)
	})
}

// CreateSnapshot takes a snapshot of a database as it is now, and returns when it
// is stored. It stays until it is deleted. The note may be empty. For its managers.
// Errors: [fault.Invalid] (the note, or nothing has been written yet),
// [fault.Unsupported], [fault.Unavailable].
func (c *Client) CreateSnapshot(ctx context.Context, ref, note string) (catalog.Snapshot, error) {
	path, err := snapshotsPath(ref)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	r, err := request{method: http.MethodPost, path: path}.jsonBody(wire.NewSnapshotNote{Note: note})
	if err != nil {
		return catalog.Snapshot{}, err
	}
	r.long = true
	var s wire.Snapshot
	if err := c.do(ctx, r, &s, func() bool { _, err := s.Snapshot(); return err == nil && s.ID != "" }); err != nil {
		return catalog.Snapshot{}, err
	}
	return s.Snapshot()
}

// DeleteSnapshot removes a snapshot for good. If it was the newest one, the server
// takes another in its next round. For the owner. Errors: [fault.Invalid] (the id),
// [fault.NotFound], [fault.Unsupported].
func (c *Client) DeleteSnapshot(ctx context.Context, ref, id string) error {
	path, err := snapshotsPath(ref)
	if err != nil {
		return err
	}
	if _, err := catalog.ParseSnapshotID(id); err != nil {
		return err
	}
	return c.change(ctx, http.MethodDelete, path+"/"+url.PathEscape(id), nil)
}

func snapshotsPath(ref string) (string, error) {
	r, err := catalog.ParseRef(ref)
	return "/v1/_/snapshots/" + r.String(), err
}
