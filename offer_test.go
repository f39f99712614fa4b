package ayb_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

// giftBoard is an engine in which alice has alice/db, to give it away.
func giftBoard(t *testing.T) (f *aybtest.Fixture, alice, bob ayb.Principal) {
	f = aybtest.New(t, nil)
	alice, bob = f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
	return f, alice, bob
}

func mustOffer(t *testing.T, f *aybtest.Fixture, p ayb.Principal, ref, to string) {
	t.Helper()
	offer, err := f.TransferDatabase(ctx, p, ref, to)
	if must(t, err); offer.Expires.IsZero() {
		t.Fatalf("%s was transferred to %s at once", ref, to)
	}
}

func TestEngine_TransferDatabase_asks_strangers_only(t *testing.T) {
	f, alice, bob := giftBoard(t)
	f.MustOrganization("club")
	for role, direct := range map[ayb.Role]bool{ayb.Member: false, ayb.Admin: true, ayb.OwnerRole: true} {
		ref := fmt.Sprintf("alice/to-%s", role)
		f.MustDatabase(ref)
		f.MustMember("club", "alice", role)
		offer, err := f.TransferDatabase(ctx, alice, ref, "club")
		if must(t, err); offer.Expires.IsZero() != direct {
			t.Errorf("by a %s: %+v", role, offer)
		}
		f.MustMember("club", "bob", ayb.OwnerRole) // so that alice may become less
	}
	mustOffer(t, f, alice, "alice/db", "bob")
	if rows := f.MustQuery(alice, "alice/db", "SELECT a FROM t").Rows; len(rows) != 1 {
		t.Errorf("until it is accepted alice reads %v", rows)
	}
	if list, err := f.Databases(ctx, bob, "bob", ayb.Page{}); err != nil || len(list.Items) > 0 {
		t.Errorf("bob has %+v, %v", list, err)
	}
	if _, err := f.Query(ctx, bob, "alice/db", "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("an offer lets bob read: %v", err)
	}
}

func TestEngine_AcceptOffer(t *testing.T) {
	t.Run("the database is the receiver's, with its data, and nobody else's", func(t *testing.T) {
		f, alice, bob := giftBoard(t)
		carol := f.MustEntity("carol")
		f.MustShare(alice, "alice/db", "carol", ayb.ReadWrite)
		must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicReadOnly))
		mustOffer(t, f, alice, "alice/db", "bob")
		must(t, f.RenameDatabase(ctx, alice, "alice/db", "Gift"))
		db, err := f.AcceptOffer(ctx, bob, "bob", "alice/gift", "")
		if must(t, err); db.Ref().String() != "bob/Gift" {
			t.Errorf("it is %s", db.Ref())
		}
		f.MustQuery(bob, "bob/gift", "INSERT INTO t VALUES (8)")
		for who, p := range map[string]ayb.Principal{"the giver": alice, "whom the giver let in": carol, "everybody": f.MustEntity("mallory")} {
			if _, err := f.Query(ctx, p, "bob/gift", "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
				t.Errorf("%s: %v", who, err)
			}
		}
		if offers, err := f.Offers(ctx, bob, "bob", ayb.Page{}); err != nil || len(offers.Items) > 0 {
			t.Errorf("offers: %+v, %v", offers, err)
		}
		checkFiles(t, f, "bob/Gift")
	})
	t.Run("an admin accepts for an organization, a member does not", func(t *testing.T) {
		f, alice, bob := giftBoard(t)
		f.MustOrganization("club")
		f.MustMember("club", "bob", ayb.Member)
		mustOffer(t, f, alice, "alice/db", "club")
		if _, err := f.AcceptOffer(ctx, bob, "club", "alice/db", ""); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("a member: %v", err)
		}
		if _, err := f.AcceptOffer(ctx, bob, "bob", "alice/db", ""); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("for somebody else: %v", err)
		}
		f.MustMember("club", "bob", ayb.Admin)
		db, err := f.AcceptOffer(ctx, bob, "club", "alice/db", "Mine")
		if must(t, err); db.Ref().String() != "club/Mine" {
			t.Errorf("it is %s", db.Ref())
		}
	})
	t.Run("what ended an offer ends it for good", func(t *testing.T) {
		for name, end := range map[string]func(*aybtest.Fixture, ayb.Principal) error{
			"a week":         func(f *aybtest.Fixture, _ ayb.Principal) error { f.Clock.Advance(7 * 24 * time.Hour); return nil },
			"its withdrawal": func(f *aybtest.Fixture, alice ayb.Principal) error { return f.WithdrawOffer(ctx, alice, "alice/db") },
			"its deletion":   func(f *aybtest.Fixture, alice ayb.Principal) error { return f.DeleteDatabase(ctx, alice, "alice/db") },
			"another offer": func(f *aybtest.Fixture, alice ayb.Principal) error {
				f.MustEntity("carol")
				_, err := f.TransferDatabase(ctx, alice, "alice/db", "carol")
				return err
			},
			"a transfer": func(f *aybtest.Fixture, _ ayb.Principal) error {
				f.MustEntity("carol")
				return errors.Join(transfer(f, "alice/db", "carol"), transfer(f, "carol/db", "alice"))
			},
		} {
			f, alice, bob := giftBoard(t)
			mustOffer(t, f, alice, "alice/db", "bob")
			must(t, end(f, alice))
			if _, err := f.AcceptOffer(ctx, bob, "bob", "alice/db", ""); !errors.Is(err, ayb.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("whoever was offered nothing can't tell what exists", func(t *testing.T) {
		f, _, bob := giftBoard(t)
		_, hidden := f.AcceptOffer(ctx, bob, "bob", "alice/db", "")
		for _, ref := range []string{"alice/xx", "nobod/db"} {
			_, absent := f.AcceptOffer(ctx, bob, "bob", ref, "")
			if ayb.KindOf(absent) != ayb.KindOf(hidden) || len(ayb.Message(absent)) != len(ayb.Message(hidden)) {
				t.Errorf("hidden: %v; %s: %v", hidden, ref, absent)
			}
		}
	})
}

// TestEngine_TransferDatabase_offers_tell_the_giver_nothing compares an offer
// under a name that the receiver has with one under a name that is free.
func TestEngine_TransferDatabase_offers_tell_the_giver_nothing(t *testing.T) {
	f, alice, _ := giftBoard(t)
	f.MustDatabase("bob/db")
	f.MustDatabase("alice/xx")
	for _, ref := range []string{"alice/db", "alice/xx"} {
		mustOffer(t, f, alice, ref, "bob")
	}
}

// TestEngine_AcceptOffer_and_WithdrawOffer_at_once have one winner: the database
// is where the one that succeeded has it.
func TestEngine_AcceptOffer_and_WithdrawOffer_at_once(t *testing.T) {
	f, alice, bob := giftBoard(t)
	for round := range 20 {
		ref := fmt.Sprintf("alice/db%d", round)
		f.MustDatabase(ref)
		mustOffer(t, f, alice, ref, "bob")
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				_, err := f.AcceptOffer(ctx, bob, "bob", ref, "")
				return err
			}
			return f.WithdrawOffer(ctx, alice, ref)
		})
		at := ref
		if errs[0] == nil {
			at = fmt.Sprintf("bob/db%d", round)
		}
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("accepted: %v, withdrawn: %v", errs[0], errs[1])
		}
		_, err := f.Database(ctx, ayb.System, at)
		must(t, err)
	}
}

// TestEngine_AcceptOffer_and_Share_at_once leave nobody with access whom the giver
// let in at the last moment.
func TestEngine_AcceptOffer_and_Share_at_once(t *testing.T) {
	f, alice, bob := giftBoard(t)
	f.MustEntity("carol")
	for round := range 20 {
		name := fmt.Sprintf("db%d", round)
		f.MustDatabase("alice/" + name)
		mustOffer(t, f, alice, "alice/"+name, "bob")
		errs := atOnce(3, func(i int) error {
			switch i {
			case 0:
				return f.Share(ctx, alice, "alice/"+name, "carol", ayb.Manager)
			case 1:
				return f.SetPublic(ctx, alice, "alice/"+name, ayb.PublicReadOnly)
			}
			_, err := f.AcceptOffer(ctx, bob, "bob", "alice/"+name, "")
			return err
		})
		must(t, errs[2])
		grants, err := f.Grants(ctx, bob, "bob/"+name, ayb.Page{})
		must(t, err)
		db, err := f.Database(ctx, bob, "bob/"+name)
		must(t, err)
		if len(grants.Items) > 0 || db.Public != ayb.PublicNoAccess {
			t.Errorf("%+v, %s; sharing ended with %v and %v", grants.Items, db.Public, errs[0], errs[1])
		}
	}
}
