package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func defaultConfig(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := writeDefaultConfig(&out, goodKey); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDefaultConfig_has_the_keys_of_the_existing_ayb_in_their_order(t *testing.T) {
	const want = `host = "0.0.0.0"
port = 5433
database_url = "sqlite://ayb_data/ayb.sqlite"
data_path = "./ayb_data"
[authentication]
fernet_key = "` + goodKey + `"
token_expiration_seconds = 3600
[email.smtp]
from = "Server Sender <server@example.org>"
reply_to = "Server Reply <replyto@example.org>"
smtp_host = "localhost"
smtp_port = 465
smtp_username = "login@example.org"
smtp_password = "the_password"
[email.file]
path = "./ayb_data/emails.jsonl"
[cors]
origin = "*"
`
	var got strings.Builder
	for line := range strings.Lines(defaultConfig(t)) {
		if line != "\n" && line[0] != '#' {
			got.WriteString(line)
		}
	}
	if got.String() != want {
		t.Errorf("without comments it is\n%s\nwant\n%s", got.String(), want)
	}
}

func TestDefaultConfig_can_be_read_back(t *testing.T) {
	text := defaultConfig(t)
	c := mustLoad(t, text)
	if c.set != len(examples("")) {
		t.Errorf("%d settings were read", c.set)
	}
	t.Run("with everything that is commented out", func(t *testing.T) {
		all := regexp.MustCompile(`(?m)^# (\[[a-z_.]+\]|[a-z_]+ = .*)$`).ReplaceAllString(text, "$1")
		c := mustLoad(t, all)
		if possible := len(newConfig().settings()); c.set != possible {
			t.Errorf("%d settings of %d were read", c.set, possible)
		}
	})
}

func TestDefaultConfig_has_a_fresh_key_each_time(t *testing.T) {
	keys := map[string]bool{}
	for range 2 {
		status, out, _ := runCommand(nil, "default_server_config")
		match := regexp.MustCompile(`(?m)^fernet_key = "([A-Za-z0-9_-]{43}=)"$`).FindStringSubmatch(out)
		if status != 0 || match == nil || keys[match[1]] {
			t.Fatalf("exit status %d, key %q after %v", status, match, keys)
		}
		keys[match[1]] = true
	}
}

// TestConfigurationPage holds docs/configuration.md to the settings: a row for
// each, and no others.
func TestConfigurationPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, s := range newConfig().settings() {
		fmt.Fprintln(&want, row(s))
	}
	var got strings.Builder
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			got.WriteString(line)
		}
	}
	if got.String() != want.String() {
		t.Errorf("the rows of docs/configuration.md should be:\n%s", want.String())
	}
}

// row is the row of a setting in docs/configuration.md.
func row(s *setting) string {
	value := "`" + s.value.String() + "`"
	if s.unset != "" {
		value = s.unset
	}
	return fmt.Sprintf("| `%s` | %s | %s |", s.name, value, strings.ReplaceAll(s.about, "|", `\|`))
}
