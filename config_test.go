package ayb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ayb"
)

func TestConfig_Validate_names_every_problem_of_accounts_and_no_key(t *testing.T) {
	bad := ayb.Config{DataPath: "x", EmailKeys: []string{mailKeys[0], "sesame"}, EmailTokenTTL: 31 * 24 * time.Hour, PublicURL: "example.org"}
	err := bad.Validate()
	for _, field := range []string{"EmailKeys", "EmailTokenTTL", "PublicURL"} {
		if !errors.Is(err, ayb.ErrInvalid) || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v, want it to name %s", err, field)
		}
	}
	for _, address := range []string{"ftp://example.org", "https://", "https://example.org/?a=b", "https://example.org/#a", "://", "javascript:alert(1)"} {
		if err := (ayb.Config{DataPath: "x", PublicURL: address}).Validate(); !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	good := ayb.Config{DataPath: "x", EmailKeys: mailKeys, EmailTokenTTL: 30 * 24 * time.Hour, PublicURL: "https://example.org:8443/ayb/", RequestRate: -1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
