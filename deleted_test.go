package ayb_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

// TestEngine_DeletedDatabases lists what an undelete brings back, page by page.
func TestEngine_DeletedDatabases(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{DeletionKeep: 48 * time.Hour})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/live")
	for i := range 5 {
		ref := fmt.Sprintf("alice/db%d", i)
		f.MustDatabase(ref)
		must(t, f.DeleteDatabase(ctx, alice, ref))
		f.Clock.Advance(time.Minute)
	}
	var names []string
	page := ayb.Page{Size: 2}
	for pages := 0; pages == 0 || page.After != ""; pages++ {
		list, err := f.DeletedDatabases(ctx, alice, "alice", page)
		must(t, err)
		if len(list.Items) > 2 {
			t.Fatalf("a page of %d", len(list.Items))
		}
		for _, db := range list.Items {
			names = append(names, db.Ref().String())
			if kept := db.KeptUntil.Sub(db.Deleted); kept != 48*time.Hour {
				t.Errorf("%s is kept for %v", db.Ref(), kept)
			}
		}
		page.After = list.Next
	}
	if want := []string{"alice/db4", "alice/db3", "alice/db2", "alice/db1", "alice/db0"}; !reflect.DeepEqual(names, want) {
		t.Errorf("listed %v, want %v", names, want)
	}
	for _, name := range names {
		if _, err := f.UndeleteDatabase(ctx, alice, name); err != nil {
			t.Errorf("%s is listed and does not come back: %v", name, err)
		}
	}
	if list, err := f.DeletedDatabases(ctx, alice, "alice", ayb.Page{}); err != nil || len(list.Items) > 0 {
		t.Errorf("left are %v, %v", list.Items, err)
	}
	must(t, f.DeleteDatabase(ctx, alice, "alice/db0"))
	f.Clock.Advance(48*time.Hour + time.Second)
	must(t, f.DeleteDatabase(ctx, alice, "alice/db1"))
	list, err := f.DeletedDatabases(ctx, alice, "alice", ayb.Page{Size: 2})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].Slug != "db1" || list.Next != "" {
		t.Errorf("one is kept no longer, and listed are %+v", list)
	}
	if _, err := f.UndeleteDatabase(ctx, alice, "alice/db0"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("and it comes back: %v", err)
	}
}

// TestEngine_EntityDetails_says_who_may_create asks for every role, and then
// creates.
func TestEngine_EntityDetails_says_who_may_create(t *testing.T) {
	f := aybtest.New(t, nil)
	club := f.MustOrganization("club")
	callers := map[string]ayb.Principal{"club": club, "stranger": f.MustEntity("stranger"), "system": ayb.System, "anonymous": ayb.Anonymous}
	for name, role := range map[string]ayb.Role{"owner1": ayb.OwnerRole, "admin1": ayb.Admin, "member1": ayb.Member} {
		callers[name] = f.MustEntity(name)
		f.MustMember("club", name, role)
	}
	_, callers["limited"] = f.MustToken(callers["owner1"], &ayb.TokenOptions{Access: ayb.Manager})
	for name, caller := range callers {
		details, err := f.EntityDetails(ctx, caller, "club")
		must(t, err)
		_, err = f.CreateDatabase(ctx, caller, "club/by-"+name, nil)
		if want := name == "club" || name == "owner1" || name == "admin1" || name == "system"; details.CanCreateDatabase != want || (err == nil) != want {
			t.Errorf("%s: told %t, then %v", name, details.CanCreateDatabase, err)
		}
	}
}
