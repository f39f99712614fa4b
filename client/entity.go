package client

import (
	"context"
	"iter"
	"net/http"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// EntityDetails is an entity as the caller sees it. Of the entity, Slug and
// Profile are set.
type EntityDetails struct {
	catalog.Entity
	CanCreateDatabase bool
}

// Entity returns a user or organization. Everybody may see all of them. Errors:
// [fault.NotFound].
func (c *Client) Entity(ctx context.Context, slug string) (EntityDetails, error) {
	e, err := c.entity(ctx, slug, catalog.Page{Size: 1})
	if err != nil {
		return EntityDetails{}, err
	}
	p := e.Profile
	return EntityDetails{
		Entity: catalog.Entity{Slug: e.Slug, Profile: catalog.Profile{
			DisplayName: deref(p.DisplayName), Description: deref(p.Description),
			Organization: deref(p.Organization), Location: deref(p.Location), Links: p.Links,
		}},
		CanCreateDatabase: e.Permissions.CanCreateDatabase,
	}, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Databases returns a page of those databases of an entity that the caller may
// see, newest first. OwnerSlug, Slug and Kind of each are set. Errors:
// [fault.NotFound] (the entity).
func (c *Client) Databases(ctx context.Context, entity string, page catalog.Page) (catalog.List[catalog.Database], error) {
	e, err := c.entity(ctx, entity, page)
	if err != nil {
		return catalog.List[catalog.Database]{}, err
	}
	return newList(e.Databases, e.Next, func(d wire.Database) (catalog.Database, error) {
		return newDatabase(e.Slug, d.Slug, d.Type)
	})
}

// AllDatabases goes through the whole list of Databases.
func (c *Client) AllDatabases(ctx context.Context, entity string) iter.Seq2[catalog.Database, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[catalog.Database], error) {
		return c.Databases(ctx, entity, page)
	})
}

// entity asks for a profile with a page of databases.
func (c *Client) entity(ctx context.Context, slug string, page catalog.Page) (e wire.Entity, err error) {
	path, err := entityPath("/v1/entity/", slug)
	if err != nil {
		return e, err
	}
	return e, c.do(ctx, request{method: http.MethodGet, path: path + pageQuery(page)}, &e, func() bool { return e.Slug != "" && e.Databases != nil })
}

// entityPath returns the path of what belongs to an entity.
func entityPath(prefix, slug string) (string, error) {
	name, err := catalog.ParseEntitySlug(slug)
	return prefix + string(name), err
}

// A ProfileUpdate says what to change of a profile. Nil fields stay as they are;
// empty ones are unset.
type ProfileUpdate struct {
	DisplayName  *string
	Description  *string
	Organization *string
	Location     *string
	Links        *[]string // replaces all
}

// UpdateProfile changes an entity's profile, and has the server look again which
// of its links lead back to it. For the entity itself. Errors: [fault.Invalid]
// (also if the update is empty).
func (c *Client) UpdateProfile(ctx context.Context, slug string, update ProfileUpdate) error {
	path, err := entityPath("/v1/entity/", slug)
	if err != nil {
		return err
	}
	body := map[string]*string{}
	for name, value := range map[string]*string{
		"display_name": update.DisplayName, "description": update.Description,
		"organization": update.Organization, "location": update.Location,
	} {
		switch {
		case value == nil:
		case *value == "":
			body[name] = nil
		default:
			body[name] = value
		}
	}
	if update.Links != nil {
		if body["links"], err = linksText(*update.Links); err != nil {
			return err
		}
	}
	return c.change(ctx, http.MethodPatch, path, body)
}

// linksText returns links as the API takes them: JSON in a string.
func linksText(addresses []string) (*string, error) {
	type link struct {
		URL string `json:"url"`
	}
	links := make([]link, len(addresses))
	for i, address := range addresses {
		links[i].URL = address
	}
	text, err := wire.Encode(links)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The links can't be written as JSON")
	}
	s := string(text)
	return &s, nil
}

// RenameEntity gives an entity a new name; its databases move with it. For the
// entity and the owners of an organization. Errors: [fault.Invalid],
// [fault.Exists].
func (c *Client) RenameEntity(ctx context.Context, slug, newSlug string) error {
	path, err := entityPath("/v1/entity/", slug)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodPost, path+"/rename", wire.Rename{Slug: newSlug})
}

// DeleteEntity deletes an entity with all it owns. For some days whoever runs the
// server can bring it back. For the entity and the owners of an organization.
func (c *Client) DeleteEntity(ctx context.Context, slug string) error {
	path, err := entityPath("/v1/entity/", slug)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodPost, path+"/delete", nil)
}

// change sends a request with a body of JSON, nil for none, that answers nothing
// but success.
func (c *Client) change(ctx context.Context, method, path string, body any) (err error) {
	r := request{method: method, path: path}
	if body != nil {
		if r, err = r.jsonBody(body); err != nil {
			return err
		}
	}
	return c.do(ctx, r, &struct{}{}, nil)
}
