package ayb

import (
	"context"
	"slices"

	"ayb/auth"
)

// MarkLinks notes which links of an entity's profile link back to it, as whoever
// calls has found by looking at the pages behind them; package httpapi does so
// after each change of links. Links of the profile that are not among those looked
// at stay as they are. For the entity itself.
func (e *Engine) MarkLinks(ctx context.Context, p Principal, slug string, looked []Link) (err error) {
	c, err := e.authorizeAccount(ctx, p, auth.UpdateProfile, slug, "")
	defer c.done(&err)
	if err != nil {
		return err
	}
	unlock, err := e.moving.lock(ctx, c.entity.ID) // as in UpdateProfile
	if err != nil {
		return err
	}
	defer unlock()
	ent, err := e.store.EntityByID(ctx, c.entity.ID)
	if err != nil {
		return orMissing(err, noEntity(c.entity.Slug))
	}
	profile := ent.Profile
	profile.Links = slices.Clone(profile.Links)
	for i, link := range profile.Links {
		same := func(l Link) bool { return l.URL == link.URL }
		if at := slices.IndexFunc(looked, same); at >= 0 {
			profile.Links[i].Verified = looked[at].Verified
		}
	}
	return e.store.SetProfile(ctx, ent.ID, profile)
}
