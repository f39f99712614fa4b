package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"ayb/auth"
)

// An example is a setting as default_server_config prints it.
type example struct{ name, value string }

// examples are the settings that a new configuration file has, in their order.
// They start a server as they are: mail that no server takes is in the file.
func examples(fernetKey string) []example {
	return []example{
		{"host", `"0.0.0.0"`},
		{"port", `5433`},
		{"database_url", `"sqlite://ayb_data/ayb.sqlite"`},
		{"data_path", `"./ayb_data"`},
		{"authentication.fernet_key", quoted(fernetKey)},
		{"authentication.token_expiration_seconds", `3600`},
		{"email.smtp.from", `"Server Sender <server@example.org>"`},
		{"email.smtp.reply_to", `"Server Reply <replyto@example.org>"`},
		{"email.smtp.smtp_host", `"localhost"`},
		{"email.smtp.smtp_port", `465`},
		{"email.smtp.smtp_username", `"login@example.org"`},
		{"email.smtp.smtp_password", `"the_password"`},
		{"email.file.path", `"./ayb_data/emails.jsonl"`},
		{"cors.origin", `"*"`},
	}
}

// defaultConfigCommand is "ayb default_server_config".
type defaultConfigCommand struct{}

// Run prints the configuration.
func (defaultConfigCommand) Run(s surrounding) error {
	key, err := auth.NewEmailKey(rand.Reader)
	if err != nil {
		return err
	}
	return writeDefaultConfig(s.out, key)
}

// writeDefaultConfig writes the examples with their comments, and after them
// every other setting commented out with its default. Both are in one order, so
// that a table stands in one place: it may not be opened twice.
func writeDefaultConfig(w io.Writer, fernetKey string) error {
	settings := newConfig().settings()
	byName := newSettingTable(settings).byName
	said := map[string]bool{}
	var b strings.Builder
	table := ""
	for _, e := range examples(fernetKey) {
		s := byName[e.name]
		if s.table() != table {
			writeOthers(&b, settings, table, said)
			table = s.table()
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		said[s.name] = true
		fmt.Fprintf(&b, "# %s\n%s = %s\n", s.about, s.key(), e.value)
	}
	writeOthers(&b, settings, table, said)
	for _, s := range settings {
		if said[s.name] {
			continue
		}
		fmt.Fprintf(&b, "\n# [%s]\n", s.table())
		writeOthers(&b, settings, s.table(), said)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOthers writes the settings of a table that have not been said, commented
// out.
func writeOthers(b *strings.Builder, settings []*setting, table string, said map[string]bool) {
	for _, s := range settings {
		if s.table() != table || said[s.name] {
			continue
		}
		said[s.name] = true
		about := s.about
		if s.unset != "" {
			about = strings.TrimSuffix(about, ".") + ". By default: " + s.unset + "."
		}
		fmt.Fprintf(b, "# %s\n# %s = %s\n", about, s.key(), s.value)
	}
}
