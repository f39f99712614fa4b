package httpapi

import (
	"encoding/json"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// entity shows a profile and those databases of the entity that the caller may
// see.
func (x *exchange) entity() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	ent, err := x.eng.EntityDetails(x.ctx(), x.caller, slug)
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Databases(x.ctx(), x.caller, slug, page)
	if err != nil {
		return nil, err
	}
	return wire.Entity{
		Slug: ent.Slug, Profile: wire.NewProfile(ent.Profile),
		Databases:   wire.List(list.Items, wire.NewDatabase),
		Permissions: wire.EntityPermissions{CanCreateDatabase: ent.CanCreateDatabase},
		Next:        x.linkNext(page, list.Next),
	}, nil
}

// updateProfile changes the fields of a profile that the body names. Links are
// looked at before the answer, for as long as that may take.
func (x *exchange) updateProfile() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	update, err := x.profileUpdate()
	if err != nil {
		return nil, err
	}
	if err := x.eng.UpdateProfile(x.ctx(), x.caller, slug, update); err != nil {
		return nil, err
	}
	if update.Links == nil || len(*update.Links) == 0 {
		return empty{}, nil
	}
	looked := x.links.look(x.ctx(), *update.Links, normalURL(x.publicURL()+"/"+slug))
	return empty{}, x.eng.MarkLinks(x.ctx(), x.caller, slug, looked)
}

// profileUpdate reads what to change of a profile. Keys that are not known are
// passed over.
func (x *exchange) profileUpdate() (update ayb.ProfileUpdate, err error) {
	body, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return update, err
	}
	var sent map[string]json.RawMessage
	if err := decodeJSON(body, &sent); err != nil {
		return update, err
	}
	for name, field := range map[string]**string{
		"display_name": &update.DisplayName, "description": &update.Description,
		"organization": &update.Organization, "location": &update.Location,
	} {
		if *field, err = patched(sent, name); err != nil {
			return update, err
		}
	}
	links, err := patched(sent, "links")
	if err == nil && links != nil {
		update.Links, err = parseLinks(*links)
	}
	return update, err
}

// patched returns what a field is to become: nil to stay, and "" for null, which
// unsets it.
func patched(sent map[string]json.RawMessage, name string) (*string, error) {
	text, ok := sent[name]
	if !ok {
		return nil, nil
	}
	var value *string
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The field %s must be a string or null", name)
	}
	if value == nil {
		value = new(string)
	}
	return value, nil
}

// parseLinks reads links in the form in which they come: JSON in a string. An
// empty string is no links.
func parseLinks(text string) (*[]string, error) {
	var links []catalog.Link
	if text != "" {
		if err := json.Unmarshal([]byte(text), &links); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, `The field links must be a string with a JSON array in it, as "[{\"url\":\"https://example.org\"}]"`)
		}
	}
	addresses := make([]string, len(links))
	for i, link := range links {
		addresses[i] = link.URL
	}
	return &addresses, nil
}

// renameEntity gives an entity another name.
func (x *exchange) renameEntity() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	var to wire.Rename
	if err := x.decode(&to); err != nil {
		return nil, err
	}
	if _, err := catalog.ParseEntitySlug(to.Slug); err != nil {
		return nil, as(wire.InvalidSlug, err)
	}
	return empty{}, x.eng.RenameEntity(x.ctx(), x.caller, slug, to.Slug)
}

// deleteEntity deletes an entity with all it owns, for a while only.
func (x *exchange) deleteEntity() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.DeleteEntity(x.ctx(), x.caller, slug)
}
