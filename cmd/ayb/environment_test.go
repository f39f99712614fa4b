package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEnvironment(t *testing.T) {
	t.Run("wins over the file", func(t *testing.T) {
		c := mustLoad(t, "port = 1\n[log]\nlevel = 'warn'\n", "AYB__PORT=2")
		if c.Port != 2 || c.Log.Level != "warn" {
			t.Errorf("port %d, level %s", c.Port, c.Log.Level)
		}
	})
	t.Run("does without a file, in any case of letters", func(t *testing.T) {
		t.Chdir(t.TempDir())
		c, err := loadConfig("", []string{"ayb__limits__Query_Time=3s", "PATH=/bin", "AYB_API_TOKEN=x", "AYB__CORS__ORIGIN=https://a.example"})
		if err != nil {
			t.Fatal(err)
		}
		if c.Limits.QueryTime != 3*time.Second || c.CORS.Origin != "https://a.example" || c.set != 2 {
			t.Errorf("query time %v, origin %s, %d settings", c.Limits.QueryTime, c.CORS.Origin, c.set)
		}
	})
	t.Run("texts stay as they are", func(t *testing.T) {
		for _, text := range []string{"0123", "true", "1e5", "inf", "nan", "", " x ", "a=b", "[1]", `"q"`, "ü"} {
			c := mustLoad(t, "[email.smtp]\nfrom = 'a@example.org'\nsmtp_host = 'localhost'\nsmtp_username = 'u'\nsmtp_password = 'p'\n",
				"AYB__EMAIL__SMTP__SMTP_PASSWORD="+text, "AYB__EMAIL__SMTP__SMTP_USERNAME="+text)
			if c.Email.SMTP.Password != text {
				t.Errorf("the password %q became %q", text, c.Email.SMTP.Password)
			}
		}
	})
	t.Run("lists are separated by commas", func(t *testing.T) {
		c := mustLoad(t, "", "AYB__TRUSTED_PROXIES= 10.0.0.0/8, ::1 ,")
		if !slices.Equal(c.TrustedProxies, []string{"10.0.0.0/8", "::1"}) {
			t.Errorf("the list is %q", c.TrustedProxies)
		}
	})
	t.Run("lies over the flat table too", func(t *testing.T) {
		c := mustLoad(t, "[email]\nfrom = 'a@example.org'\nsmtp_host = 'mail'\nsmtp_username = 'u'\nsmtp_password = 'file'\n", "AYB__EMAIL__SMTP__SMTP_PASSWORD=env")
		if c.Email.SMTP.Password != "env" {
			t.Errorf("the password is %q", c.Email.SMTP.Password)
		}
	})
}

func TestVariable_names_lead_back_to_settings(t *testing.T) {
	for _, s := range newConfig().settings() {
		if name, ok := settingOf(s.variable()); !ok || name != s.name {
			t.Errorf("%s leads to %q", s.variable(), name)
		}
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add("AYB__PORT", "1")
	f.Add("AYB__EMAIL__SMTP__SMTP_PASSWORD", "0123")
	f.Add("ayb__", "x")
	f.Add("AYB__LIMITS__SQL_BYTES", "9223372036854775807GiB")
	f.Add("AYB__DELETION__KEEP", "106751d23h59m")
	f.Fuzz(func(t *testing.T, variable, text string) {
		if strings.ContainsAny(variable, "=\x00") || strings.Contains(text, "\x00") {
			t.Skip() // no environment holds these
		}
		c := newConfig()
		table := newSettingTable(c.settings())
		table.applyEnvironment([]string{variable + "=" + text})
		name, ok := settingOf(variable)
		if !ok {
			if len(table.problems) > 0 {
				t.Errorf("%q is not ours: %v", variable, table.problems)
			}
			return
		}
		s := table.byName[name]
		if s == nil {
			if len(table.problems) != 1 {
				t.Errorf("%q was not refused", variable)
			}
			return
		}
		if _, isText := s.value.(textValue); isText && len(table.problems) == 0 && s.value.String() != quoted(text) {
			t.Errorf("%q became %s", text, s.value)
		}
		if len(table.problems) > 0 {
			return
		}
		again := newSettingTable(newConfig().settings())
		again.applyFile(parseConfigFile([]byte(name + " = " + s.value.String())))
		if len(again.problems) > 0 || again.byName[name].value.String() != s.value.String() {
			t.Errorf("written as %s it reads as %s: %v", s.value, again.byName[name].value, again.problems)
		}
	})
}
