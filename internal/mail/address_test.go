package mail

import (
	"strings"
	"testing"

	"ayb/fault"
)

func TestParseAddress_reads_both_forms(t *testing.T) {
	for text, want := range map[string]Address{
		"ann@example.org":                           {"", "ann@example.org"},
		" ann@example.org ":                         {"", "ann@example.org"},
		"<ann@example.org>":                         {"", "ann@example.org"},
		"Server Sender <server@example.org>":        {"Server Sender", "server@example.org"},
		`"Doe, Ann" <ann@example.org>`:              {"Doe, Ann", "ann@example.org"},
		"Zoë <zoe@example.org>":                     {"Zoë", "zoe@example.org"},
		"=?utf-8?q?Zo=C3=AB?= <zoe@example.org>":    {"Zoë", "zoe@example.org"},
		"ayb <noreply@localhost>":                   {"ayb", "noreply@localhost"},
		"o'neil+tag@sub.example.org":                {"", "o'neil+tag@sub.example.org"},
		"zoë@bücher.example":                        {"", "zoë@bücher.example"},
		"ann@[127.0.0.1]":                           {"", "ann@[127.0.0.1]"},
		strings.Repeat("a", 242) + "@example.org":   {"", strings.Repeat("a", 242) + "@example.org"},
		strings.Repeat("n", 200) + " <a@b.example>": {strings.Repeat("n", 200), "a@b.example"},
	} {
		if got, err := ParseAddress(text); err != nil || got != want {
			t.Errorf("%q: %#v, %v", text, got, err)
		}
	}
}

func TestParseAddress_refuses(t *testing.T) {
	for claim, text := range map[string]string{
		"nothing":                     "",
		"no domain":                   "ann",
		"an empty domain":             "ann@",
		"two addresses":               "ann@example.org, bob@example.org",
		"a group":                     "all: ann@example.org, bob@example.org;",
		"a second header":             "ann@example.org\r\nBcc: bob@example.org",
		"a line break":                "Ann\n <ann@example.org>",
		"a line break in the name":    "=?utf-8?q?Ann=0D=0ABcc:_bob?= <ann@example.org>",
		"a control in a quoted name":  "\"A\x01nn\" <ann@example.org>",
		"a parameter of the command":  `"a> SIZE=1"@example.org`,
		"a local part to quote":       `"a b"@example.org`,
		"a space of another alphabet": "ann\u00a0x@example.org",
		"an invisible letter":         "ann\u200b@example.org",
		"what is not UTF-8":           "ann\xff@example.org",
		"a NUL":                       "ann\x00@example.org",
		"an address that is too long": strings.Repeat("a", 243) + "@example.org",
		"a name that is too long":     strings.Repeat("n", 201) + " <ann@example.org>",
		"a text that is too long":     "ann@example.org (" + strings.Repeat("c", 1000) + ")",
	} {
		t.Run(claim, func(t *testing.T) {
			if got, err := ParseAddress(text); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %#v, %v", text, got, err)
			}
		})
	}
}

func TestAddress_String_is_as_it_was_configured(t *testing.T) {
	for _, text := range []string{
		"ann@example.org", "ayb <noreply@localhost>", "Server Sender <server@example.org>", "Zoë Ö <zoe@example.org>",
		`"Doe, Ann" <ann@example.org>`, `"say \"hi\" \\o/" <ann@example.org>`,
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != text {
			t.Errorf("%q became %q, %v", text, a.String(), err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{
		"ann@example.org", `"Doe, Ann" <ann@example.org>`, "=?utf-8?q?Zo=C3=AB?= <zoe@example.org>", `"=?utf-8?q?x?=" <a@b>`, `" " <a@b>`, `"a  b" <a@b>`,
		"a@b\r\nBcc: c@d", `"a\"b"@c`, "ann@[127.0.0.1]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if !a.isValid() {
			t.Errorf("%#v from %q reads %q and does not come back", a, text, a.String())
		}
		if strings.ContainsAny(a.Addr, "<> \r\n\t\"\\\x00") || strings.ContainsAny(a.header(), "\r\n\x00") {
			t.Errorf("%#v from %q can break out of a command or a header", a, text)
		}
	})
}
