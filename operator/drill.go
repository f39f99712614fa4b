package operator

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"ayb"
)

// A Drill is what has become of the restore of a database's newest snapshot to a
// scratch place.
type Drill struct {
	Entity   ayb.Slug  `json:"entity"`
	Database ayb.Slug  `json:"database"`
	Snapshot string    `json:"snapshot_id"` // empty: there is none
	Taken    time.Time `json:"taken_at"`
	Bytes    int64     `json:"bytes"` // of the database, 0: not known
	Failure  string    `json:"failure"`
}

// HasSnapshot reports whether there was anything to restore.
func (d Drill) HasSnapshot() bool { return d.Snapshot != "" }

type databaseList struct {
	Databases []ayb.Slug `json:"databases"`
	Next      string     `json:"next,omitempty"`
}

func (r *request) databases() (any, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	list, err := r.eng.Databases(r.Context(), ayb.System, r.PathValue("entity"), page)
	answer := databaseList{Databases: []ayb.Slug{}, Next: list.Next}
	for _, db := range list.Items {
		answer.Databases = append(answer.Databases, db.Slug)
	}
	return answer, err
}

// drill answers with the failure of the one database, if there is one: those of
// the others do not depend on it.
func (r *request) drill() (any, error) {
	d := Drill{Entity: ayb.Slug(r.PathValue("entity")), Database: ayb.Slug(r.PathValue("database"))}
	s, err := r.eng.Drill(r.Context(), ayb.System, r.ref())
	d.Snapshot, d.Taken, d.Bytes = s.ID, s.Taken, s.Size
	switch {
	case s.ID != "" && err != nil:
		d.Failure = ayb.Message(err)
	case err != nil && !errors.Is(err, ayb.ErrNoSnapshot):
		return nil, err
	}
	return d, nil
}

// Drill restores the newest snapshot of a database to a scratch place and has it
// checked. That this fails is told by the Drill. Errors: as [ayb.Engine.Drill].
func (c *Client) Drill(ctx context.Context, ref ayb.Ref) (d Drill, err error) {
	err = c.do(ctx, http.MethodPost, "/drills/"+ref.String(), struct{}{}, &d)
	return d, err
}

// Drills does so for all databases, one after the other, of the entity or, if that
// is empty, of all.
func (c *Client) Drills(ctx context.Context, entity string) iter.Seq2[Drill, error] {
	return func(yield func(Drill, error) bool) {
		if entity != "" {
			c.drillsOf(ctx, ayb.Slug(entity), yield)
			return
		}
		for u, err := range c.Usages(ctx) {
			if err != nil {
				yield(Drill{}, err)
				return
			}
			if !c.drillsOf(ctx, u.Entity, yield) {
				return
			}
		}
	}
}

// drillsOf drills the databases of one entity, and reports whether to go on.
func (c *Client) drillsOf(ctx context.Context, entity ayb.Slug, yield func(Drill, error) bool) bool {
	for after := ""; ; {
		var list databaseList
		if err := c.do(ctx, http.MethodGet, "/databases/"+url.PathEscape(string(entity))+"?after="+url.QueryEscape(after), nil, &list); err != nil {
			return yield(Drill{}, err) && false
		}
		for _, database := range list.Databases {
			d, err := c.Drill(ctx, ayb.Ref{Entity: entity, Database: database})
			if errors.Is(err, ayb.ErrNotFound) {
				continue // deleted meanwhile
			}
			if !yield(d, err) || err != nil {
				return false
			}
		}
		if after = list.Next; after == "" {
			return true
		}
	}
}
