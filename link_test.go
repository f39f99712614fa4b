package ayb_test

import (
	"errors"
	"reflect"
	"testing"

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
