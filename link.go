package ayb

import (
	"context"
	"slices"

	"ayb/auth"
	"ayb/fault"
)

// allowLinks lets an update of a profile through unless its links are changed too
// often: the server looks at the pages behind them, and nobody shall have it look
// at somebody's pages all the time. It counts for the profile and for the caller,
// who may have many organizations.
func (c *call) allowLinks(update ProfileUpdate) error {
	if c.caller.System || update.Links == nil || len(*update.Links) == 0 {
		return nil
	}
	wait := c.e.requests.take("links of "+c.entity.ID.String(), "links by "+c.caller.Entity.String())
	if wait == 0 {
		return nil
	}
	return fault.Wrap(fault.Busy, &RateLimit{wait}, "Links can be changed %d times a minute, because the pages behind them are looked at; try again in %d seconds", c.e.cfg.RequestRate, seconds(wait))
}

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
