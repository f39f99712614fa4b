package wire

import "ayb/catalog"

// An Entity is a user or organization as one caller sees it, with a page of its
// databases.
type Entity struct {
	Slug        catalog.Slug      `json:"slug"`
	Profile     Profile           `json:"profile"`
	Databases   []Database        `json:"databases"`
	Permissions EntityPermissions `json:"permissions"`
	Next        string            `json:"next,omitempty"`
}

// A Profile is what an entity tells about itself; what is unset is null.
type Profile struct {
	DisplayName  *string        `json:"display_name"`
	Description  *string        `json:"description"`
	Organization *string        `json:"organization"`
	Location     *string        `json:"location"`
	Links        []catalog.Link `json:"links"`
}

// NewProfile returns the shape of a profile.
func NewProfile(p catalog.Profile) Profile {
	return Profile{
		DisplayName: orNull(p.DisplayName), Description: orNull(p.Description),
		Organization: orNull(p.Organization), Location: orNull(p.Location),
		Links: append([]catalog.Link{}, p.Links...),
	}
}

// EntityPermissions says what the caller may do with an entity.
type EntityPermissions struct {
	CanCreateDatabase bool `json:"can_create_database"`
}

// orNull returns nil for what is unset.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// List returns the items in the shape that convert gives them, never nil, so
// that an empty list is [] and not null.
func List[T, W any](items []T, convert func(T) W) []W {
	shaped := make([]W, len(items))
	for i, item := range items {
		shaped[i] = convert(item)
	}
	return shaped
}
