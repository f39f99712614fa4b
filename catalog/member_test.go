package catalog_test

import (
	"errors"
	"testing"

	"ayb/catalog"
	"ayb/fault"
)

func TestParseRole_reads_the_roles_that_can_be_given(t *testing.T) {
	for word, want := range map[string]catalog.Role{"member": catalog.Member, "admin": catalog.Admin, "owner": catalog.OwnerRole} {
		if got, err := catalog.ParseRole(word); err != nil || got != want || got.String() != word {
			t.Errorf("%s: %s, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "none", "Admin", "manager"} {
		if got, err := catalog.ParseRole(word); !errors.Is(err, fault.Invalid) || got != catalog.NoRole {
			t.Errorf("%q: %s, %v", word, got, err)
		}
	}
}
