package ayb_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

func TestEngine_MarkLinks(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	must(t, f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{Links: &[]string{"https://a", "https://b"}}))
	must(t, f.MarkLinks(ctx, alice, "alice", []ayb.Link{{URL: "https://a"}, {URL: "https://b", Verified: true}, {URL: "https://c", Verified: true}}))
	if err := f.MarkLinks(ctx, bob, "alice", nil); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("somebody else: %v", err)
	}
	ent, err := f.Entity(ctx, bob, "alice")
	must(t, err)
	if want := []ayb.Link{{URL: "https://a"}, {URL: "https://b", Verified: true}}; !reflect.DeepEqual(ent.Profile.Links, want) {
		t.Errorf("links are %v, want %v", ent.Profile.Links, want)
	}
	must(t, f.MarkLinks(ctx, alice, "alice", []ayb.Link{{URL: "https://a"}}))
	if ent, err = f.Entity(ctx, bob, "alice"); err != nil || !ent.Profile.Links[1].Verified {
		t.Errorf("a link that was not looked at lost its mark: %v, %v", ent.Profile.Links, err)
	}
	must(t, f.MarkLinks(ctx, alice, "alice", []ayb.Link{{URL: "https://b"}}))
	if ent, err = f.Entity(ctx, bob, "alice"); err != nil || ent.Profile.Links[1].Verified {
		t.Errorf("the mark stays: %v, %v", ent.Profile.Links, err)
	}
}

// TestEngine_UpdateProfile_bounds_how_often_links_change holds that nobody can have
// the server look at pages all the time, by way of one profile or of many.
func TestEngine_UpdateProfile_bounds_how_often_links_change(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: 2})
	alice := f.MustEntity("alice")
	for _, club := range []string{"one", "two"} {
		f.MustOrganization(club)
		f.MustMember(club, "alice", ayb.OwnerRole)
	}
	f.MustMember("one", string(f.MustEntity("bob").Slug), ayb.OwnerRole)
	bob, err := f.Entity(ctx, ayb.System, "bob")
	must(t, err)
	links := func(p ayb.Principal, slug string, urls ...string) error {
		return f.UpdateProfile(ctx, p, slug, ayb.ProfileUpdate{Links: &urls})
	}
	if err := links(alice, "alice", "nonsense"); !errors.Is(err, ayb.ErrInvalid) {
		t.Fatalf("what is refused anyhow: %v", err)
	}
	must(t, links(alice, "alice", "https://a"))
	must(t, links(alice, "one", "https://a"))
	err = links(alice, "two", "https://b")
	if limit, ok := errors.AsType[*ayb.RateLimit](err); !errors.Is(err, ayb.ErrBusy) || !ok || limit.RetryAfter != 30*time.Second {
		t.Errorf("the third by one account: %v", err)
	}
	must(t, links(f.Owner(bob), "one", "https://a"))
	if err := links(f.Owner(bob), "one", "https://b"); !errors.Is(err, ayb.ErrBusy) {
		t.Errorf("the third of one profile: %v", err)
	}
	if ent, err := f.Entity(ctx, alice, "one"); err != nil || ent.Profile.Links[0].URL != "https://a" {
		t.Errorf("what was refused is there: %+v, %v", ent.Profile, err)
	}
	name := "Alice"
	must(t, f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{DisplayName: &name}))
	must(t, links(alice, "alice"))
	f.Clock.Advance(30 * time.Second)
	must(t, links(alice, "two", "https://b"))
}
