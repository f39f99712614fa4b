package ayb

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
)

// The bounds of a profile, in characters and, for links, in bytes.
const (
	maxShortText   = 35
	maxDescription = 100
	maxLinks       = 20
	maxLinkBytes   = 512
)

// EntityOptions are the optional settings of CreateEntity.
type EntityOptions struct {
	Kind    EntityKind // default: User
	Profile Profile    // default: empty
}

// CreateEntity makes an entity. Names are folded to lower case; those that are
// reserved for ayb itself can't be taken (cause [ErrReserved]). For the system
// only. Errors: [ErrInvalid], [ErrExists].
func (e *Engine) CreateEntity(ctx context.Context, p Principal, slug string, opt *EntityOptions) (_ Entity, err error) {
	c, err := e.authorizeHost(ctx, p, auth.CreateEntity, slug)
	defer c.done(&err)
	if err != nil {
		return Entity{}, err
	}
	name, err := newEntitySlug(slug)
	if err != nil {
		return Entity{}, err
	}
	ent := Entity{ID: e.ids.next(), Slug: name, Created: c.at}
	if opt != nil {
		ent.Kind, ent.Profile = opt.Kind, opt.Profile
	}
	if ent.Kind > Organization {
		return Entity{}, fault.New(fault.Invalid, "Unknown kind of entity: %d", ent.Kind)
	}
	if ent.Profile.Links, err = checkProfile(ent.Profile, nil); err != nil {
		return Entity{}, err
	}
	if err := e.store.CreateEntity(ctx, ent); err != nil {
		return Entity{}, err
	}
	return ent, nil
}

// newEntitySlug reads a name that an entity is to take.
func newEntitySlug(slug string) (Slug, error) {
	name, err := catalog.ParseEntitySlug(slug)
	if err == nil && name.Reserved() {
		return "", fault.Wrap(fault.Invalid, ErrReserved, "Username '%s' is reserved and cannot be used", name)
	}
	return name, err
}

// Entity returns an entity with its profile. Everybody may look.
func (e *Engine) Entity(ctx context.Context, p Principal, slug string) (Entity, error) {
	details, err := e.EntityDetails(ctx, p, slug)
	return details.Entity, err
}

// EntityDetails is an entity as one caller sees it.
type EntityDetails struct {
	Entity
	CanCreateDatabase bool // whether the caller may create databases that belong to it
}

// EntityDetails returns an entity with its profile, and what the caller may do
// with it. Everybody may look.
func (e *Engine) EntityDetails(ctx context.Context, p Principal, slug string) (_ EntityDetails, err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ViewProfile, slug, "")
	defer c.done(&err)
	if err != nil {
		return EntityDetails{}, err
	}
	return EntityDetails{c.entity, c.may(auth.CreateDatabase)}, nil
}

// Entities lists all entities by name. For the system only.
func (e *Engine) Entities(ctx context.Context, p Principal, page Page) (_ List[Entity], err error) {
	c, err := e.authorizeHost(ctx, p, auth.ListEntities, "")
	defer c.done(&err)
	if err != nil {
		return List[Entity]{}, err
	}
	return e.store.Entities(ctx, page)
}

// RenameEntity gives an entity another name; its databases move with it. The old
// name is free at once. For the entity itself. Errors: [ErrInvalid],
// [ErrExists].
func (e *Engine) RenameEntity(ctx context.Context, p Principal, slug, newSlug string) (err error) {
	c, err := e.authorizeAccount(ctx, p, auth.RenameEntity, slug, "")
	defer c.done(&err)
	if err != nil {
		return err
	}
	name, err := newEntitySlug(newSlug)
	if err != nil {
		return err
	}
	return e.store.RenameEntity(ctx, c.entity.ID, name)
}

// DeleteEntity deletes an entity: it, its databases and what it shared vanish
// for everybody at once, and its tokens are refused. For
// Config.DeletionKeep, UndeleteEntity brings all of it back. For the entity
// itself.
func (e *Engine) DeleteEntity(ctx context.Context, p Principal, slug string) (err error) {
	c, err := e.authorizeAccount(ctx, p, auth.DeleteEntity, slug, "")
	defer c.done(&err)
	if err != nil {
		return err
	}
	if err := e.store.DeleteEntity(ctx, c.entity.ID, c.at); err != nil {
		return orMissing(err, noEntity(c.entity.Slug))
	}
	e.closeFilesOf(ctx, c.entity.ID)
	return nil
}

// UndeleteEntity brings a deleted entity back, with its databases, as long as it
// is kept. For the system only.
func (e *Engine) UndeleteEntity(ctx context.Context, p Principal, slug string) (_ Entity, err error) {
	c, err := e.authorizeHost(ctx, p, auth.UndeleteEntity, slug)
	defer c.done(&err)
	if err != nil {
		return Entity{}, err
	}
	name, err := catalog.ParseEntitySlug(slug)
	if err != nil {
		return Entity{}, err
	}
	e.deletions.Lock()
	defer e.deletions.Unlock()
	ent, err := e.store.UndeleteEntity(ctx, name, e.keptSince(c.at))
	return ent, orMissing(err, noEntity(name))
}

// A ProfileUpdate says what to change of a profile; nil fields stay as they are.
type ProfileUpdate struct {
	DisplayName  *string
	Description  *string
	Organization *string
	Location     *string
	Links        *[]string // replaces all
}

// UpdateProfile changes an entity's profile, within the bounds that [Profile]
// names; links must be http or https. A link that is new is not verified. For
// the entity itself. Links, whose pages somebody is going to look at, can be changed
// Config.RequestRate times a minute. Errors: [ErrInvalid], of an update without any
// field with the cause [ErrEmptyUpdate]; [ErrBusy] with a [RateLimit].
func (e *Engine) UpdateProfile(ctx context.Context, p Principal, slug string, update ProfileUpdate) (err error) {
	c, err := e.authorizeAccount(ctx, p, auth.UpdateProfile, slug, "")
	defer c.done(&err)
	if err != nil {
		return err
	}
	if update == (ProfileUpdate{}) {
		return fault.Wrap(fault.Invalid, ErrEmptyUpdate, "No fields provided to update. Please specify at least one field to update.")
	}
	unlock, err := e.moving.lock(ctx, c.entity.ID) // two updates of different fields both hold
	if err != nil {
		return err
	}
	defer unlock()
	ent, err := e.store.EntityByID(ctx, c.entity.ID)
	if err != nil {
		return orMissing(err, noEntity(c.entity.Slug))
	}
	profile, err := update.apply(ent.Profile)
	if err != nil {
		return err
	}
	if err := c.allowLinks(update); err != nil {
		return err
	}
	return e.store.SetProfile(ctx, ent.ID, profile)
}

// apply returns the profile with the update.
func (u ProfileUpdate) apply(old Profile) (Profile, error) {
	profile := old
	for _, f := range []struct{ field, update *string }{
		{&profile.DisplayName, u.DisplayName}, {&profile.Description, u.Description},
		{&profile.Organization, u.Organization}, {&profile.Location, u.Location},
	} {
		if f.update != nil {
			*f.field = *f.update
		}
	}
	if u.Links != nil {
		profile.Links = make([]Link, len(*u.Links))
		for i, address := range *u.Links {
			profile.Links[i].URL = address
		}
	}
	var err error
	profile.Links, err = checkProfile(profile, old.Links)
	return profile, err
}

// checkProfile checks the bounds of a profile, and returns its links with the
// marks of those in old that are verified.
func checkProfile(p Profile, old []Link) ([]Link, error) {
	for _, f := range []struct {
		name, text string
		max        int
	}{
		{"display name", p.DisplayName, maxShortText}, {"description", p.Description, maxDescription},
		{"organization", p.Organization, maxShortText}, {"location", p.Location, maxShortText},
	} {
		if err := checkText(f.name, f.text, f.max); err != nil {
			return nil, err
		}
	}
	if len(p.Links) > maxLinks {
		return nil, fault.New(fault.Invalid, "A profile can't have more than %d links", maxLinks)
	}
	links := make([]Link, len(p.Links))
	for i, link := range p.Links {
		if err := checkLink(link.URL); err != nil {
			return nil, err
		}
		links[i] = Link{URL: link.URL, Verified: slices.Contains(old, Link{URL: link.URL, Verified: true})}
	}
	return links, nil
}

// checkText refuses texts that are too long, or that would disturb a terminal.
func checkText(name, text string, limit int) error {
	switch {
	case !utf8.ValidString(text):
		return fault.New(fault.Invalid, "The %s is not valid UTF-8", name)
	case utf8.RuneCountInString(text) > limit:
		return fault.New(fault.Invalid, "The %s can't be longer than %d characters", name, limit)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return fault.New(fault.Invalid, "The %s can't contain control characters", name)
	}
	return nil
}

// checkLink admits web addresses only: others, as javascript:, could harm who
// follows them.
func checkLink(address string) error {
	if len(address) > maxLinkBytes {
		return fault.New(fault.Invalid, "A link can't be longer than %d bytes", maxLinkBytes)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !utf8.ValidString(address) {
		return fault.New(fault.Invalid, "A link must be a web address that begins with http:// or https://")
	}
	return nil
}
