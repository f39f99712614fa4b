package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// A Snapshot is a copy of a database as it was.
type Snapshot struct {
	ID       string // 64 hexadecimal digits
	Modified time.Time
}

// Snapshots returns a page of a database's snapshots, newest first. For its
// managers.
func (c *Client) Snapshots(ctx context.Context, ref string, page catalog.Page) (catalog.List[Snapshot], error) {
	path, err := databasePath(ref, "/list_snapshots")
	if err != nil {
		return catalog.List[Snapshot]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.Snapshots) ([]wire.Snapshot, string) { return a.Snapshots, a.Next }, func(s wire.Snapshot) (Snapshot, error) {
		modified, err := time.Parse(time.RFC3339, s.Modified)
		return Snapshot{ID: s.ID, Modified: modified}, err
	})
}

// AllSnapshots goes through the whole list of Snapshots.
func (c *Client) AllSnapshots(ctx context.Context, ref string) iter.Seq2[Snapshot, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[Snapshot], error) {
		return c.Snapshots(ctx, ref, page)
	})
}

// RestoreSnapshot puts a database back to what it was. For its managers. Errors:
// [fault.Invalid] (the id), [fault.NotFound], [fault.Unsupported].
func (c *Client) RestoreSnapshot(ctx context.Context, ref, id string) error {
	path, err := databasePath(ref, "/restore_snapshot")
	if err != nil {
		return err
	}
	return c.do(ctx, request{method: http.MethodPost, path: path, body: []byte(id), media: "text/plain; charset=utf-8"}, &struct{}{}, nil)
}
