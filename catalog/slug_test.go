package catalog

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"ayb/fault"
)

func TestParseDatabaseSlug(t *testing.T) {
	for _, c := range []struct{ text, message string }{
		{"test.sqlite", ""},
		{"A-b_c.9", ""},
		{strings.Repeat("x", 128), ""},
		{"...", ""},
		{"", "A database slug can't be empty"},
		{strings.Repeat("x", 129), "A database slug can't be longer than 128 bytes, but this one is 129 bytes"},
		{".", "Invalid database slug: ."},
		{"..", "Invalid database slug: .."},
		{"a/b", "Invalid database slug: a/b. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"a b", "Invalid database slug: a b. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"a'b", "Invalid database slug: a'b. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"a\x00\x1bb", "Invalid database slug: ab. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"é", "Invalid database slug: é. Only letters, numbers, underscores, hyphens, and periods are allowed"},
	} {
		slug, err := ParseDatabaseSlug(c.text)
		switch {
		case c.message == "" && (err != nil || string(slug) != c.text):
			t.Errorf("%q: %q, %v", c.text, slug, err)
		case c.message != "" && (!errors.Is(err, fault.Invalid) || fault.Message(err) != c.message):
			t.Errorf("%q: %v, want %q", c.text, err, c.message)
		}
	}
}

func TestParseEntitySlug_folds_and_refuses_odd_beginnings(t *testing.T) {
	if slug, err := ParseEntitySlug("Alice.B"); slug != "alice.b" || err != nil {
		t.Errorf("%q, %v", slug, err)
	}
	for _, text := range []string{".a", "_a", "-a", "..", ""} {
		if slug, err := ParseEntitySlug(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q became %q, %v", text, slug, err)
		}
	}
}

func TestSlug_Reserved(t *testing.T) {
	for _, slug := range []Slug{"admin", "Admin", "v1", "tokens", "confirm", "entity", "queries", "favicon.ico", "robots.txt", "health", "0"} {
		if !slug.Reserved() {
			t.Errorf("%s is free", slug)
		}
	}
	if Slug("alice").Reserved() {
		t.Error("alice is reserved")
	}
	if len(reserved()) != 607+4 {
		t.Errorf("%d names are reserved, want 611", len(reserved()))
	}
}

func TestParseRef(t *testing.T) {
	if ref, err := ParseRef("Alice/Test.sqlite"); err != nil || ref.String() != "alice/Test.sqlite" {
		t.Errorf("%v, %v", ref, err)
	}
	for _, text := range []string{"", "alice", "/", "alice/", "/x", "a/b/c", "a/..", "../b", "a\x00/b"} {
		if ref, err := ParseRef(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q became %v, %v", text, ref, err)
		}
	}
}

func FuzzSlug(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/b", "Alice", "\x00", "ａ", strings.Repeat("a", 129), "-", "a\u202eb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		slug, err := ParseDatabaseSlug(s)
		if err != nil {
			message := fault.Message(err)
			if !utf8.ValidString(message) || strings.ContainsFunc(message, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q: the message %q is not fit to print", s, message)
			}
			return
		}
		if string(slug) != s || s == "" || s == "." || s == ".." || len(s) > MaxSlugBytes || strings.ContainsAny(s, "/\\\x00 '\"%?#") {
			t.Errorf("%q was let through as %q", s, slug)
		}
		if fold := slug.Fold(); fold.Fold() != fold {
			t.Errorf("folding %q is not idempotent", s)
		}
		if entity, err := ParseEntitySlug(s); err == nil {
			if again, err := ParseEntitySlug(string(entity)); err != nil || again != entity {
				t.Errorf("%q became %q became %q, %v", s, entity, again, err)
			}
			if ref, err := ParseRef(s + "/" + s); err != nil || ref.Entity != entity || ref.Database != slug {
				t.Errorf("%q as a reference: %v, %v", s, ref, err)
			}
		}
	})
}
