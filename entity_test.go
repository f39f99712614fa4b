package ayb_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
)

// badNames can be the name of nothing.
var badNames = []string{
	"", " ", ".", "..", "a/b", "/", "../x", "a b", "a'b", `a"b`, "a;b", "a`b", "a%2Fb", "a\x00b", "a\nb", "\x1b[2J", "é", "a\\b", "*", "a?b", "a#b",
	strings.Repeat("x", 129), strings.Repeat("x", 1<<20),
}

func TestEngine_CreateEntity(t *testing.T) {
	f := aybtest.New(t, nil)
	t.Run("bad names are refused", func(t *testing.T) {
		for _, name := range append([]string{".a", "_a", "-a"}, badNames...) {
			if _, err := f.CreateEntity(ctx, ayb.System, name, nil); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("%.40q: %v", name, err)
			}
		}
	})
	t.Run("reserved names are refused, in any case", func(t *testing.T) {
		for _, name := range []string{"admin", "Admin", "v1", "robots.txt"} {
			if _, err := f.CreateEntity(ctx, ayb.System, name, nil); !errors.Is(err, ayb.ErrInvalid) || !errors.Is(err, ayb.ErrReserved) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
	t.Run("names are folded, so that upper-case twins can't be", func(t *testing.T) {
		longest := strings.Repeat("X", 128)
		for _, name := range []string{"Alice", longest} {
			ent, err := f.CreateEntity(ctx, ayb.System, name, nil)
			must(t, err)
			if string(ent.Slug) != strings.ToLower(name) {
				t.Errorf("%q became %q", name, ent.Slug)
			}
			if _, err := f.CreateEntity(ctx, ayb.System, strings.ToLower(name), nil); !errors.Is(err, ayb.ErrExists) {
				t.Errorf("its twin: %v", err)
			}
			if found, err := f.Entity(ctx, ayb.Anonymous, name); err != nil || found.ID != ent.ID {
				t.Errorf("looked up as typed: %v, %v", found, err)
			}
		}
	})
	t.Run("kind and profile are kept", func(t *testing.T) {
		opt := ayb.EntityOptions{Kind: ayb.Organization, Profile: ayb.Profile{DisplayName: "ACME", Links: []ayb.Link{{URL: "https://acme.example", Verified: true}}}}
		_, err := f.CreateEntity(ctx, ayb.System, "acme", &opt)
		must(t, err)
		got, err := f.Entity(ctx, ayb.Anonymous, "acme")
		must(t, err)
		want := ayb.Profile{DisplayName: "ACME", Links: []ayb.Link{{URL: "https://acme.example"}}}
		if got.Kind != ayb.Organization || !reflect.DeepEqual(got.Profile, want) {
			t.Errorf("kept: %+v; want an organization with %+v, nothing of which is verified", got, want)
		}
		if _, err := f.CreateEntity(ctx, ayb.System, "odd", &ayb.EntityOptions{Kind: 7}); !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("unknown kind: %v", err)
		}
	})
	t.Run("an unknown entity is not found", func(t *testing.T) {
		_, err := f.Entity(ctx, ayb.Anonymous, "nosuch")
		if missing, ok := errors.AsType[*ayb.Missing](err); !errors.Is(err, ayb.ErrNotFound) || !ok || *missing != (ayb.Missing{Record: "entity", Name: "nosuch"}) {
			t.Errorf("%#v", err)
		}
	})
}

func TestEngine_UpdateProfile(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	profile := func() ayb.Profile {
		t.Helper()
		ent, err := f.Entity(ctx, ayb.Anonymous, "alice")
		must(t, err)
		return ent.Profile
	}
	text := func(s string) *string { return &s }

	t.Run("changes what it names and nothing else", func(t *testing.T) {
		must(t, f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{DisplayName: text("Alice"), Links: &[]string{"https://a.example/x?y#z", "http://b.example"}}))
		must(t, f.UpdateProfile(ctx, alice, "ALICE", ayb.ProfileUpdate{Description: text("First line\nsecond"), Location: text("Köln")}))
		want := ayb.Profile{
			DisplayName: "Alice", Description: "First line\nsecond", Location: "Köln",
			Links: []ayb.Link{{URL: "https://a.example/x?y#z"}, {URL: "http://b.example"}},
		}
		if got := profile(); !reflect.DeepEqual(got, want) {
			t.Errorf("profile %+v, want %+v", got, want)
		}
		must(t, f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{DisplayName: text(""), Links: &[]string{}}))
		if got := profile(); got.DisplayName != "" || len(got.Links) != 0 || got.Location != "Köln" {
			t.Errorf("after emptying two fields: %+v", got)
		}
	})
	t.Run("refuses what is out of bounds", func(t *testing.T) {
		before := profile()
		many := make([]string, 21)
		for i := range many {
			many[i] = fmt.Sprintf("https://example.org/%d", i)
		}
		for name, update := range map[string]ayb.ProfileUpdate{
			"long display name":    {DisplayName: text(strings.Repeat("ö", 36))},
			"long organization":    {Organization: text(strings.Repeat("ö", 36))},
			"long location":        {Location: text(strings.Repeat("ö", 36))},
			"long description":     {Description: text(strings.Repeat("ö", 101))},
			"escape sequence":      {DisplayName: text("\x1b[2J")},
			"zero byte":            {Description: text("a\x00")},
			"invalid UTF-8":        {Description: text("\xff")},
			"too many links":       {Links: &many},
			"javascript link":      {Links: &[]string{"javascript:alert(1)"}},
			"disguised javascript": {Links: &[]string{"JavaScript://example.org/%0aalert(1)"}},
			"relative link":        {Links: &[]string{"/x"}},
			"link without host":    {Links: &[]string{"https:///x"}},
			"data link":            {Links: &[]string{"data:text/html,x"}},
			"empty link":           {Links: &[]string{""}},
			"link with newline":    {Links: &[]string{"https://a.example/\n"}},
			"long link":            {Links: &[]string{"https://example.org/" + strings.Repeat("x", 500)}},
		} {
			if err := f.UpdateProfile(ctx, alice, "alice", update); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := profile(); !reflect.DeepEqual(got, before) {
			t.Errorf("refused updates left %+v", got)
		}
		must(t, f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{DisplayName: text(strings.Repeat("ö", 35)), Description: text(strings.Repeat("ö", 100))}))
	})
	t.Run("an update of nothing says so", func(t *testing.T) {
		if err := f.UpdateProfile(ctx, alice, "alice", ayb.ProfileUpdate{}); !errors.Is(err, ayb.ErrInvalid) || !errors.Is(err, ayb.ErrEmptyUpdate) {
			t.Errorf("%v", err)
		}
	})
}

func TestEngine_RenameEntity(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	_, token := f.MustToken(alice, nil)
	if err := f.RenameEntity(ctx, alice, "alice", "bob"); !errors.Is(err, ayb.ErrExists) {
		t.Errorf("to a taken name: %v", err)
	}
	if err := f.RenameEntity(ctx, alice, "alice", "admin"); !errors.Is(err, ayb.ErrReserved) {
		t.Errorf("to a reserved name: %v", err)
	}
	must(t, f.RenameEntity(ctx, alice, "alice", "Alicia"))

	for _, p := range []ayb.Principal{alice, token, bob} {
		if rows := f.MustQuery(p, "alicia/db", "SELECT a FROM t").Rows; len(rows) != 1 {
			t.Errorf("under the new name: %v", rows)
		}
	}
	if _, err := f.Query(ctx, bob, "alice/db", "SELECT a FROM t"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("under the old name: %v", err)
	}
	f.MustEntity("alice") // the name is free
	if _, err := f.Query(ctx, alice, "alice/db", "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("the new alice's database: %v", err)
	}
	err := f.DeleteDatabase(ctx, bob, "alicia/db")
	if err == nil || !strings.Contains(err.Error(), "entity bob can't delete database alicia/db") {
		t.Errorf("refusal: %v", err)
	}
}

func TestEngine_DeleteEntity(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustDatabase("bob/db", "CREATE TABLE t (a)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	f.MustShare(bob, "bob/db", "alice", ayb.ReadOnly)
	session, err := f.Begin(ctx, bob, "alice/db")
	must(t, err)
	defer session.Close()
	_, _ = f.MustToken(alice, nil)

	must(t, f.DeleteEntity(ctx, alice, "alice"))
	if _, err := f.Entity(ctx, bob, "alice"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("the entity: %v", err)
	}
	if _, err := f.Query(ctx, bob, "alice/db", "SELECT a FROM t"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("its database: %v", err)
	}
	if _, err := session.Query(ctx, "SELECT a FROM t"); err == nil {
		t.Error("a session on its database goes on")
	}
	shared, err := f.Shared(ctx, bob, ayb.Page{})
	must(t, err)
	grants, err := f.Grants(ctx, bob, "bob/db", ayb.Page{})
	must(t, err)
	if len(shared.Items)+len(grants.Items) > 0 {
		t.Errorf("still listed: %v, %v", shared, grants)
	}
	if _, err := f.CreateEntity(ctx, ayb.System, "alice", nil); !errors.Is(err, ayb.ErrExists) {
		t.Errorf("its name, as long as it is kept: %v", err)
	}
	if files := openFiles(t, hosting.OwnerPath(filepath.Join(f.DataPath(), "owners"), alice.Entity)); len(files) > 0 {
		t.Errorf("its files are open: %v", files)
	}

	_, err = f.UndeleteEntity(ctx, ayb.System, "Alice")
	must(t, err)
	for _, p := range []ayb.Principal{alice, bob} {
		if rows := f.MustQuery(p, "alice/db", "SELECT a FROM t").Rows; len(rows) != 1 {
			t.Errorf("after it is back: %v", rows)
		}
	}
	if _, err := f.UndeleteEntity(ctx, ayb.System, "alice"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("undeleting what lives: %v", err)
	}
}

func TestEngine_Entities_pages_through_all(t *testing.T) {
	f := aybtest.New(t, nil)
	for i := range 7 {
		f.MustEntity(fmt.Sprintf("e%d", i))
	}
	var names []string
	page := ayb.Page{Size: 3}
	for {
		list, err := f.Entities(ctx, ayb.System, page)
		must(t, err)
		for _, ent := range list.Items {
			names = append(names, string(ent.Slug))
		}
		if page.After = list.Next; list.Next == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "e0 e1 e2 e3 e4 e5 e6" {
		t.Errorf("listed: %s", got)
	}
	if _, err := f.Entities(ctx, ayb.System, ayb.Page{After: "nonsense"}); !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("a damaged cursor: %v", err)
	}
}

// filesBelow returns the content of all files below dir.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	}))
	return files
}
