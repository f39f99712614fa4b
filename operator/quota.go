package operator

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"ayb"
)

// EntityUsage is what an entity uses and may use. Sizes are bytes; a bound of 0 is
// none.
type EntityUsage struct {
	Entity           ayb.Slug `json:"entity"`
	Kind             string   `json:"kind"`
	Bytes            int64    `json:"bytes"`
	MaxBytes         int64    `json:"max_bytes"`
	Databases        int64    `json:"databases"`
	MaxDatabases     int64    `json:"max_databases"`
	MaxDatabaseBytes int64    `json:"max_database_bytes"`
	Quota            Quota    `json:"quota"` // what has been set for it alone
}

// Quota is what has been set for an entity; each is default, none or a number.
type Quota struct {
	Bytes         ayb.Limit `json:"bytes"`
	DatabaseBytes ayb.Limit `json:"database_bytes"`
	Databases     ayb.Limit `json:"databases"`
}

// QuotaUpdate says what to set of an entity's quota; what is nil stays.
type QuotaUpdate struct {
	Bytes         *ayb.Limit `json:"bytes,omitempty"`
	DatabaseBytes *ayb.Limit `json:"database_bytes,omitempty"`
	Databases     *ayb.Limit `json:"databases,omitempty"`
}

// DatabaseUsage is how large a database is and may become, in bytes.
type DatabaseUsage struct {
	Entity   ayb.Slug  `json:"entity"`
	Database ayb.Slug  `json:"database"`
	Bytes    int64     `json:"bytes"`
	MaxBytes int64     `json:"max_bytes"` // 0: no bound
	Quota    ayb.Limit `json:"quota"`     // what has been set for it alone
}

// DatabaseQuota says what to set for a database.
type DatabaseQuota struct {
	Bytes ayb.Limit `json:"bytes"`
}

type usageList struct {
	Entities []EntityUsage `json:"entities"`
	Next     string        `json:"next,omitempty"`
}

func newUsage(u ayb.EntityUsage) EntityUsage {
	return EntityUsage{
		Entity: u.Slug, Kind: u.Kind.String(), Bytes: u.Bytes, MaxBytes: u.MaxBytes,
		Databases: u.Databases, MaxDatabases: u.MaxDatabases, MaxDatabaseBytes: u.MaxDatabaseBytes,
		Quota: Quota(u.Quota),
	}
}

func (r *request) usages() (any, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	list, err := r.eng.Usages(r.Context(), ayb.System, page)
	answer := usageList{Entities: []EntityUsage{}, Next: list.Next}
	for _, u := range list.Items {
		answer.Entities = append(answer.Entities, newUsage(u))
	}
	return answer, err
}

func (r *request) usage() (any, error) {
	u, err := r.eng.Usage(r.Context(), ayb.System, r.PathValue("entity"))
	return newUsage(u), err
}

func (r *request) setQuota() (any, error) {
	var update QuotaUpdate
	if err := r.decode(&update); err != nil {
		return nil, err
	}
	if err := r.eng.SetQuota(r.Context(), ayb.System, r.PathValue("entity"), ayb.QuotaUpdate(update)); err != nil {
		return nil, err
	}
	return r.usage()
}

func (r *request) ref() string { return r.PathValue("entity") + "/" + r.PathValue("database") }

func (r *request) databaseUsage() (any, error) {
	d, err := r.eng.Database(r.Context(), ayb.System, r.ref())
	return DatabaseUsage{Entity: d.OwnerSlug, Database: d.Slug, Bytes: d.Size, MaxBytes: d.Quota, Quota: d.Limit}, err
}

func (r *request) setDatabaseQuota() (any, error) {
	var update DatabaseQuota
	if err := r.decode(&update); err != nil {
		return nil, err
	}
	if err := r.eng.SetDatabaseQuota(r.Context(), ayb.System, r.ref(), update.Bytes); err != nil {
		return nil, err
	}
	return r.databaseUsage()
}

// Usage returns what an entity uses. Errors: as [ayb.Engine.Usage].
func (c *Client) Usage(ctx context.Context, entity string) (u EntityUsage, err error) {
	err = c.do(ctx, http.MethodGet, "/usage/"+url.PathEscape(entity), nil, &u)
	return u, err
}

// Usages goes through all entities by name.
func (c *Client) Usages(ctx context.Context) iter.Seq2[EntityUsage, error] {
	return func(yield func(EntityUsage, error) bool) {
		for after := ""; ; {
			var list usageList
			if err := c.do(ctx, http.MethodGet, "/usage?after="+url.QueryEscape(after), nil, &list); err != nil {
				yield(EntityUsage{}, err)
				return
			}
			for _, u := range list.Entities {
				if !yield(u, nil) {
					return
				}
			}
			if after = list.Next; after == "" {
				return
			}
		}
	}
}

// SetQuota sets what an entity may use, and returns what holds then. Errors: as
// [ayb.Engine.SetQuota].
func (c *Client) SetQuota(ctx context.Context, entity string, update QuotaUpdate) (u EntityUsage, err error) {
	err = c.do(ctx, http.MethodPatch, "/quota/"+url.PathEscape(entity), update, &u)
	return u, err
}

// DatabaseUsage returns how large a database is. Errors: as [ayb.Engine.Database].
func (c *Client) DatabaseUsage(ctx context.Context, ref ayb.Ref) (u DatabaseUsage, err error) {
	err = c.do(ctx, http.MethodGet, "/usage/"+ref.String(), nil, &u)
	return u, err
}

// SetDatabaseQuota sets how large a database may become, and returns what holds
// then. Errors: as [ayb.Engine.SetDatabaseQuota].
func (c *Client) SetDatabaseQuota(ctx context.Context, ref ayb.Ref, limit ayb.Limit) (u DatabaseUsage, err error) {
	err = c.do(ctx, http.MethodPatch, "/quota/"+ref.String(), DatabaseQuota{limit}, &u)
	return u, err
}
