package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// RestoreOptions are the optional settings of RestoreSnapshot.
type RestoreOptions struct {
	// To names a database, entity/database, that is made of the snapshot; the one
	// that the snapshot is of stays as it is. Empty: that one is put back.
	To string

	// Progress is told now and then how many bytes of the database the server has,
	// and of how many; 0: that is not known. Nil: nobody wants to know.
	Progress func(done, total int64)
}

// Restored is what a restore has led to.
type Restored struct {
	// Database is what it is called that is now what it was. Empty if the server is
	// an existing ayb.
	Database catalog.Ref

	// Undo is the snapshot that brings back what was replaced; empty: there is none.
	Undo string
}

// maxProgressLine bounds a line of the answer to a restore.
const maxProgressLine = 64 << 10

// RestoreSnapshot puts a database back to what it was, or makes another one of the
// snapshot. It takes as long as the server takes, and gives up when nothing is heard
// of that for Config.Stall. For the managers of the database. Errors:
// [fault.Invalid] (the id), [fault.NotFound], [fault.Conflict] (another restore is
// under way), [fault.Busy] (a query is running that does not end), [fault.TooLarge],
// [fault.Exists], [fault.Unavailable] (the bucket, or the snapshot is damaged),
// [fault.Unsupported].
func (c *Client) RestoreSnapshot(ctx context.Context, ref, id string, opt *RestoreOptions) (Restored, error) {
	if opt == nil {
		opt = &RestoreOptions{}
	}
	path, err := databasePath(ref, "/restore_snapshot")
	if err != nil {
		return Restored{}, err
	}
	r := request{method: http.MethodPost, path: path, body: []byte(id), media: "text/plain; charset=utf-8", accept: wire.ContentTypeStream}
	if opt.To != "" {
		if r, err = r.jsonBody(wire.Restore{ID: id, To: opt.To}); err != nil {
			return Restored{}, err
		}
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.cfg.Stall, func() { cancel(errSlow) })
	defer stall.Stop()
	var restored Restored
	err = c.retry(ctx, limited, r, func() error {
		stall.Reset(c.cfg.Stall)
		resp, err := c.send(ctx, limited, r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		restored, err = c.readRestore(ctx, limited, r, resp, opt.Progress, func() { stall.Reset(c.cfg.Stall) })
		return err
	})
	return restored, err
}

// readRestore reads the answer to a restore. heard is called with each line.
func (c *Client) readRestore(ctx, limited context.Context, r request, resp *http.Response, told func(done, total int64), heard func()) (Restored, error) {
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != wire.ContentTypeStream {
		text, err := c.readAll(ctx, limited, r, resp) // of an existing ayb
		if err == nil && json.Unmarshal(text, &struct{}{}) != nil {
			err = c.strange(r, resp, "")
		}
		return Restored{}, err
	}
	lines := lineReader{r: bufio.NewReader(resp.Body), max: maxProgressLine}
	for {
		text, err := lines.next()
		if err != nil {
			if errors.Is(err, errLongLine) {
				return Restored{}, c.strange(r, resp, "")
			}
			return Restored{}, c.broken(ctx, limited, r, err)
		}
		heard()
		var line wire.RestoreProgress
		if json.Unmarshal(text, &line) != nil || line.Done < 0 || line.Total < 0 {
			return Restored{}, c.strange(r, resp, "")
		}
		switch {
		case line.Error != nil:
			return Restored{}, newFault(*line.Error, response(resp))
		case told != nil && line.Total > 0:
			told(line.Done, line.Total)
		}
		if line.Restored != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(lines.r, 1)) // so that the connection can be used again
			return newRestored(c, r, resp, *line.Restored)
		}
	}
}

func newRestored(c *Client, r request, resp *http.Response, from wire.Restored) (Restored, error) {
	restored := Restored{Database: catalog.Ref{Entity: from.Entity, Database: from.Database}, Undo: from.Undo}
	_, err := catalog.ParseRef(restored.Database.String())
	if err != nil || from.Undo != "" && !catalog.IsSnapshotID(from.Undo) {
		return Restored{}, c.strange(r, resp, "")
	}
	return restored, nil
}
