package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ayb/fault"
	"ayb/internal/mail"
)

const goodKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" // 0123... 32 bytes

// loadText loads a configuration from the text of a file, and an environment.
func loadText(t *testing.T, text string, environ ...string) (*config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("ayb.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig("", environ)
}

func mustLoad(t *testing.T, text string, environ ...string) *config {
	t.Helper()
	c, err := loadText(t, text, environ...)
	if err != nil {
		t.Fatalf("the configuration was refused: %v", err)
	}
	return c
}

// A problemCase is a configuration and everything that is wrong with it.
type problemCase struct {
	name, text string
	environ    []string
	want       problems
}

func (test problemCase) run(t *testing.T) {
	_, err := loadText(t, test.text, test.environ...)
	got, _ := err.(problems)
	if !reflect.DeepEqual(got, test.want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
	}
}

func TestConfig_problems_of_values(t *testing.T) {
	for _, test := range []problemCase{
		{name: "everything at once", text: `
prot = 5433
port = "5433"
public_url = "example.org"
[authentication]
fernet_key = "secret"
token_expiration_seconds = 5
[limits]
query_time = 30
sql_bytes = "1 Megabyte"
reders = 8
`, environ: []string{"AYB__LIMITS__READERS=many", "AYB__LOG__LEVEL=loud"}, want: problems{
			`ayb.toml:2: unknown setting prot; did you mean port?`,
			`ayb.toml:3: port must be a whole number without quotes, from 0 to 65535`,
			`ayb.toml:4: public_url must be an address like https://ayb.example.org or https://example.org/ayb`,
			`ayb.toml:6: authentication.fernet_key must be 32 bytes in URL-safe base64 (44 characters); ayb default_server_config prints a fresh one`,
			`ayb.toml:7: authentication.token_expiration_seconds must be from 60 to 2592000, not 5`,
			`ayb.toml:9: limits.query_time must be a time like "30s", "10m", "1h30m" or "7d"`,
			`ayb.toml:10: limits.sql_bytes must be a number of bytes, or a text like "64KiB", "16MiB" or "2GiB"`,
			`ayb.toml:11: unknown setting limits.reders; did you mean limits.readers?`,
			`AYB__LIMITS__READERS: the value must be a whole number, from 1 to 1000`,
			`AYB__LOG__LEVEL: the value must be "debug" or "info" or "warn" or "error"`,
		}},
		{name: "no TOML", text: "host = \"a\nport = 1\n", environ: []string{"AYB__PROT=1"}, want: problems{
			`ayb.toml:1: this is not valid TOML: basic strings cannot have new lines`,
			`AYB__PROT: there is no such setting; did you mean AYB__PORT?`,
		}},
		{name: "a key twice", text: "port = 1\nport = 2\n", want: problems{
			`ayb.toml:2: this is not valid TOML: key port is already defined`,
		}},
		{name: "nothing comes near", text: "[kubernetes]\nreplicas = 3\nnodes = 4\n", environ: []string{"AYB__KUBERNETES__REPLICAS=3"}, want: problems{
			`ayb.toml:1: unknown table kubernetes; docs/configuration.md lists all that there are`,
			`AYB__KUBERNETES__REPLICAS: there is no such setting; docs/configuration.md lists all that there are`,
		}},
		{name: "lists", text: "trusted_proxies = ['10.0.0.0/8', 'proxy']\n[authentication]\nfernet_keys = 'one'\n", want: problems{
			`ayb.toml:1: trusted_proxies has an entry that does not fit: number 2 must be an address or a network like 10.0.0.0/8`,
			`ayb.toml:3: authentication.fernet_keys must be a list of texts, like ["a", "b"]`,
		}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestConfig_problems_of_names(t *testing.T) {
	for _, test := range []problemCase{
		{name: "in the wrong table", text: "smtp_host = 'a'\n[email.smpt]\nfrom = 'a@example.org'\n", want: problems{
			`ayb.toml:1: unknown setting smtp_host; did you mean email.smtp.smtp_host?`,
			`ayb.toml:2: unknown table email.smpt; did you mean email.smtp?`,
		}},
		{name: "a name without its prefix", environ: []string{"AYB__EMAIL__SMTP__HOST=mail"}, want: problems{
			`AYB__EMAIL__SMTP__HOST: there is no such setting; did you mean AYB__EMAIL__SMTP__SMTP_HOST?`,
		}},
		{name: "another case", text: "Port = 1\n[LOG]\nlevel = 'info'\n", want: problems{
			`ayb.toml:1: unknown setting Port; did you mean port?`,
			`ayb.toml:2: unknown table LOG; did you mean log?`,
		}},
		{name: "tables and settings mixed up", text: "log = 'json'\nlimits = []\n[host]\nname = 'a'\n[[deletion]]\nkeep = '1d'\n[[deletion]]\nkeep = '2d'\n", want: problems{
			`ayb.toml:1: log must be a table: write [log], and its settings on lines of their own`,
			`ayb.toml:2: limits must be a table: write [limits], and its settings on lines of their own`,
			`ayb.toml:3: host is a setting, not a table`,
			`ayb.toml:5: deletion must be a table: write [deletion], and its settings on lines of their own`,
		}},
		{name: "two names of one setting", text: "[email]\nsmtp_host = 'a'\nfrom = 'a@example.org'\n[email.smtp]\nsmtp_host = 'b'\n", want: problems{
			`ayb.toml:5: email.smtp.smtp_host means the same as what stands on ayb.toml:2; remove one of them`,
		}},
		{name: "two variables of one setting", environ: []string{"AYB__PORT=1", "ayb__port=2"}, want: problems{
			`ayb__port: means the same as AYB__PORT; remove one of them`,
		}},
		{name: "an inline table", text: "log = { level = 'info', colour = true }\n", want: problems{
			`ayb.toml:1: unknown setting log.colour; docs/configuration.md lists all that there are`,
		}},
		{name: "a dotted key in quotes", text: "\"log.level\" = 'info'\n", want: problems{
			`ayb.toml:1: unknown setting "log.level"; did you mean log.level?`,
		}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestConfig_problems_between_settings(t *testing.T) {
	for _, test := range []problemCase{
		{name: "a mail server by halves", text: "[email.smtp]\nsmtp_username = 'u'\n", want: problems{
			`ayb.toml:2: email.smtp.smtp_host is missing: the mail server`,
		}},
		{name: "a mail server without a sender", text: "[email.smtp]\nsmtp_host = 'mail'\n", want: problems{
			`ayb.toml:2: email.smtp.from is missing: the sender, like "Ayb <ayb@example.org>"`,
		}},
		{name: "a password in the open", text: "[email]\nfrom = 'a@example.org'\nsmtp_host = 'mail'\nsmtp_username = 'u'\nsmtp_password = 'p'\nsecurity = 'plain'\n", want: problems{
			`ayb.toml:3: email.smtp: A password is not sent to another machine without encryption; set the security of the mail server to tls or starttls`,
		}},
		{name: "metrics for everybody", text: "[metrics]\nlisten = ':9100'\n", want: problems{
			`ayb.toml:2: metrics.listen: :9100 can be reached from other machines, and metrics are shown to everybody who can; listen on 127.0.0.1, or set metrics.allow_remote if a firewall or a private network keeps others away`,
		}},
		{name: "metrics nowhere", text: "[metrics]\nlisten = 'localhost'\n", want: problems{
			`ayb.toml:2: metrics.listen must be an address and a port, like "127.0.0.1:9100"`,
		}},
		{name: "a bucket by halves", text: "[snapshots]\nbucket = 'b'\naccess_key_id = 'id'\n[snapshots.automation]\ninterval = '10m'\n", want: problems{
			`ayb.toml:5: snapshots.automation.max_snapshots is missing: how many snapshots of rounds are kept of a database; 0 is all`,
			`ayb.toml:2: snapshots.secret_access_key is missing: the secret of the access key`,
		}},
		{name: "a bucket twice", text: "[snapshots]\nurl = 's3://b'\nbucket = 'b'\n", want: problems{
			`ayb.toml:2: snapshots.url says all of where the bucket is; remove bucket, access_key_id, secret_access_key, endpoint_url, region and force_path_style, or url`,
		}},
		{name: "rounds without a bucket", text: "[snapshots.automation]\nmax_snapshots = 3\n", want: problems{
			`ayb.toml:2: snapshots.automation.interval is missing: the time between two rounds, like "10m"`,
			`ayb.toml:2: snapshots.url is missing: where snapshots are kept, like s3://BUCKET or file:///DIRECTORY; or snapshots.bucket with its keys`,
		}},
		{name: "two prefixes", text: "[snapshots]\nurl = 's3://b'\npath_prefix = 'a'\nbucket_prefix = 'a'\n", want: problems{
			`ayb.toml:4: snapshots.bucket_prefix means the same as what stands on ayb.toml:3; remove one of them`,
		}},
		{name: "walls where there can be none", text: "[isolation]\nmode = 'in-process'\nnsjail_path = '/bin/nsjail'\nrequire = true\n", want: problems{
			`ayb.toml:4: isolation.require: there are no walls of the operating system within the server process; set isolation.mode to "process", or remove the setting`,
			`ayb.toml:3: isolation.nsjail_path: there are no walls of the operating system within the server process; set isolation.mode to "process", or remove the setting`,
		}},
		{name: "an unknown mode of isolation", text: "[isolation]\nmode = 'proces'\n", want: problems{
			`ayb.toml:2: isolation.mode must be "process" or "in-process"`,
		}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestConfig_a_large_file_is_read_quickly(t *testing.T) {
	var text strings.Builder
	for i := range 6_500 {
		fmt.Fprintf(&text, "a%d=1\n", i)
	}
	for i := range 6_500 {
		fmt.Fprintf(&text, "[[b%d]]\n", i)
	}
	began := time.Now()
	_, err := loadText(t, text.String())
	list, _ := err.(problems)
	if took := time.Since(began); len(list) != 13_000 || len(list.Error()) > 100*maxProblems || took > time.Minute { // half a second, and much more with -race on a machine at its limit
		t.Errorf("%d problems, %d bytes to read, after %v", len(list), len(list.Error()), took)
	}
}

func TestConfig_problems_never_show_a_secret(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, s := range newConfig().settings() { // any could be mistaken for another
		for _, text := range []string{secret, `"` + secret + `"`, `["` + secret + `"]`} {
			_, err := loadText(t, fmt.Sprintf("%s = %s\n", s.name, text), s.variable()+"="+secret)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the problem shows the secret: %v", s.name, err)
			}
		}
	}
}

func TestConfig_the_file_of_the_seed_is_understood(t *testing.T) {
	c := mustLoad(t, `
host = "0.0.0.0"
port = 5433
database_url = "sqlite://ayb_data/ayb.sqlite"
# Or, for Postgres:
# database_url = "postgresql://postgres_user:test@localhost:5432/test_db"
data_path = "./ayb_data"
[authentication]
# A secret (and unique to your server) key that is used for account registration.
fernet_key = "`+goodKey+`"
token_expiration_seconds = 3600
[email]
from = "Server Sender <server@example.org>"
reply_to = "Server Reply <reply@example.org>"
smtp_host = "localhost"
smtp_port = 465
smtp_username = "login@example.org"
smtp_password = "the_password"
`)
	got := c.smtp()
	want := &mail.SMTP{
		Host: "localhost", Port: 465, Security: mail.ImplicitTLS, Username: "login@example.org", Password: "the_password",
		From: mail.Address{Name: "Server Sender", Addr: "server@example.org"}, ReplyTo: mail.Address{Name: "Server Reply", Addr: "reply@example.org"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the mail server is %+v, want %+v", got, want)
	}
	if c.mailFile() != "" || c.talksToTerminal() {
		t.Error("e-mails also go elsewhere")
	}
	engine := c.engine()
	if engine.MetadataURL != "sqlite://ayb_data/ayb.sqlite" || engine.DataPath != "./ayb_data" || !slices.Equal(engine.EmailKeys, []string{goodKey}) || engine.EmailTokenTTL != time.Hour {
		t.Errorf("the engine is configured as %+v", engine)
	}
}

func TestConfig_nothing_said(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := loadConfig("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.address() != "127.0.0.1:5433" || c.DataPath != "./ayb_data" || c.publicURL(5433) != "http://localhost:5433" {
		t.Errorf("address %s, data path %s, public URL %s", c.address(), c.DataPath, c.publicURL(5433))
	}
	if c.mailFile() != filepath.Join("ayb_data", "emails.jsonl") || !c.talksToTerminal() || c.hasMailServer() {
		t.Errorf("e-mails go to file %q, terminal %v, mail server %v", c.mailFile(), c.talksToTerminal(), c.hasMailServer())
	}
	if err := c.engine().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfig_values(t *testing.T) {
	c := mustLoad(t, `
public_url = "https://example.org/ayb/"
trusted_proxies = ["10.1.2.3/8", "::1", "192.0.2.1"]
deletion.keep = "1d12h"
[limits]
query_time = "1m30s"
sql_bytes = 4096
value_bytes = "16MiB"
database_bytes = "2 GiB"
[authentication]
token_idle_days = 0
fernet_keys = ["`+goodKey+`"]
[email.file]
path = "mail.jsonl"
[cors]
origin = "*"
[isolation]
mode = "in-process"
require = false
`)
	engine := c.engine()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.1/32")}
	if !reflect.DeepEqual(c.proxies(), want) {
		t.Errorf("trusted proxies are %v, want %v", c.proxies(), want)
	}
	if c.publicURL(1) != "https://example.org/ayb" {
		t.Errorf("public URL is %s", c.publicURL(1))
	}
	if engine.Limits.QueryTime != 90*time.Second || engine.DeletionKeep != 36*time.Hour || engine.TokenIdle >= 0 {
		t.Errorf("query time %v, deletion keep %v, token idle %v", engine.Limits.QueryTime, engine.DeletionKeep, engine.TokenIdle)
	}
	if engine.Limits.SQLBytes != 4096 || engine.Limits.ValueBytes != 16<<20 || engine.Limits.DatabaseBytes != 2<<30 {
		t.Errorf("limits are %+v", engine.Limits)
	}
	if c.mailFile() != "mail.jsonl" || c.talksToTerminal() {
		t.Errorf("e-mails go to %s, terminal %v", c.mailFile(), c.talksToTerminal())
	}
}

func TestConfig_smtp_port_follows_security(t *testing.T) {
	for security, port := range map[string]int{"tls": 465, "starttls": 587, "plain": 25} {
		c := mustLoad(t, "[email.smtp]\nfrom = 'a@example.org'\nsmtp_host = 'localhost'\nsecurity = '"+security+"'\n")
		if c.smtp().Port != port {
			t.Errorf("%s: port %d, want %d", security, c.smtp().Port, port)
		}
	}
}

func TestConfig_every_setting_can_be_set_in_both_ways(t *testing.T) {
	samples := map[string]string{
		"host": "::1", "database_url": "postgresql://u:p@h/d", "public_url": "https://example.org", "trusted_proxies": "10.0.0.0/8", "cors.origin": "https://a.example",
		"authentication.fernet_key": goodKey, "authentication.fernet_keys": goodKey, "email.smtp.from": "a@example.org", "email.smtp.reply_to": "a@example.org",
		"email.smtp.smtp_host": "localhost", "email.smtp.smtp_port": "2525", "email.smtp.security": "starttls", "email.file.path": "f", "data_path": "d",
		"log.format": "json", "log.level": "warn", "isolation.mode": "in-process", "email.smtp.smtp_username": "0123", "email.smtp.smtp_password": "true",
	}
	for _, s := range newConfig().settings() {
		for _, name := range append([]string{s.name}, s.also...) {
			fresh := newConfig()
			table := newSettingTable(fresh.settings())
			text, ok := samples[s.name]
			if !ok {
				text = strings.Trim(s.value.String(), `"`)
				if text == "0s" {
					text = "10m"
				}
			}
			table.applyEnvironment([]string{strings.ToLower(variableOf(name)) + "=" + text})
			inFile := table.byName[s.name].value.String()
			file := parseConfigFile([]byte(name + " = " + inFile))
			again := newConfig()
			second := newSettingTable(again.settings())
			second.applyFile(file)
			if problems := append(table.problems, second.problems...); len(problems) > 0 {
				t.Errorf("%s: %v", name, problems)
			}
			if !table.byName[s.name].isSet() || !second.byName[s.name].isSet() || !reflect.DeepEqual(fresh, again) {
				t.Errorf("%s: file and variable make a difference: %s and %s", name, inFile, second.byName[s.name].value)
			}
		}
	}
}

func TestConfigFile_errors(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("ayb.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("large.toml", []byte(strings.Repeat("#", maxConfigFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("dir.toml", 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		kind    fault.Kind
		message string
	}{
		"missing.toml": {fault.NotFound, "The configuration file missing.toml does not exist; make one with: ayb default_server_config > missing.toml"},
		"ayb.yaml":     {fault.Invalid, "The configuration file ayb.yaml must be a TOML file, with a name that ends in .toml"},
		"large.toml":   {fault.TooLarge, "The configuration file large.toml is larger than 128 KiB"},
		"dir.toml":     {fault.Unavailable, "The configuration file dir.toml can't be read"},
	} {
		_, err := loadConfig(path, nil)
		if fault.KindOf(err) != want.kind || fault.Message(err) != want.message {
			t.Errorf("%s: %v (%v), want %s (%v)", path, err, fault.KindOf(err), want.message, want.kind)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add([]byte("[email]\nsmtp_port = 465\n[[a]]\nb = {c = 1}\n[[a]]\n\"x.y\" = 1979-05-27\n"))
	f.Add([]byte("a.b = [1, {c = 2}]\n[a.d]\nhost = 3.5\n"))
	f.Add([]byte(`limits = {sql_bytes = "1KiB", "" = 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		table := newSettingTable(newConfig().settings())
		file := parseConfigFile(text)
		file.path = "f"
		table.applyFile(file)
		lines := 1 + strings.Count(string(text), "\n")
		for _, e := range file.entries {
			if e.line < 1 || e.line > lines {
				t.Errorf("%s stands on line %d of %d", e.name, e.line, lines)
			}
		}
		for _, p := range table.problems {
			if !strings.HasPrefix(p, "f:") {
				t.Errorf("a problem without a place: %s", p)
			}
		}
	})
}
