package wire

import "ayb/catalog"

// Grants is the list of who may do what with a database, its owner left out.
type Grants struct {
	Permissions []Grant `json:"permissions"`
	Next        string  `json:"next,omitempty"`
}

// A Grant is an entry of that list.
type Grant struct {
	Entity catalog.Slug `json:"entity_slug"`
	Access string       `json:"sharing_level"`
}

// NewGrant returns the shape of a grant.
func NewGrant(g catalog.Grant) Grant {
	return Grant{Entity: g.Slug, Access: g.Access.String()}
}

// Shared is the list of databases that others share with the caller.
type Shared struct {
	Databases []Share `json:"databases"`
	Next      string  `json:"next,omitempty"`
}

// A Share is an entry of that list.
type Share struct {
	Entity   catalog.Slug `json:"entity"`
	Database catalog.Slug `json:"database"`
	Type     string       `json:"database_type"`
	Access   string       `json:"sharing_level"`
}

// NewShare returns the shape of a share.
func NewShare(s catalog.Share) Share {
	return Share{
		Entity: s.Database.OwnerSlug, Database: s.Database.Slug,
		Type: s.Database.Kind.String(), Access: s.Access.String(),
	}
}
