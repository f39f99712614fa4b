package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"ayb/fault"
)

// settingsIn returns a file of settings in a fresh directory.
func settingsIn(t *testing.T) settingsFile {
	t.Helper()
	return settingsFile{filepath.Join(t.TempDir(), "ayb", "ayb.json")}
}

func (f settingsFile) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSettings_are_written_as_other_programs_expect(t *testing.T) {
	f := settingsIn(t)
	err := f.update(func(s *clientSettings) { s.Authentication["http://127.0.0.1:5434"] = "ayb_a_b" })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.text(t), `{"version":1,"authentication":{"http://127.0.0.1:5434":"ayb_a_b"},"default_url":null}`; got != want {
		t.Errorf("the file is %s\nwant %s", got, want)
	}
	url := "http://h/?<&>"
	if err := f.update(func(s *clientSettings) { s.DefaultURL = &url }); err != nil {
		t.Fatal(err)
	}
	if got, want := f.text(t), `{"version":1,"authentication":{"http://127.0.0.1:5434":"ayb_a_b"},"default_url":"http://h/?<&>"}`; got != want {
		t.Errorf("the file is %s\nwant %s", got, want)
	}
}

func TestSettings_hold_nothing_that_others_may_read(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean something else there")
	}
	f := settingsIn(t)
	if err := f.update(func(*clientSettings) {}); err != nil {
		t.Fatal(err)
	}
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if got := mode(f.path); got != 0o600 {
		t.Errorf("the file has mode %v", got)
	}
	if got := mode(filepath.Dir(f.path)); got != 0o700 {
		t.Errorf("the directory has mode %v", got)
	}
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.load(); err != nil || mode(f.path) != 0o600 {
		t.Errorf("a file that was open to all has mode %v after reading; %v", mode(f.path), err)
	}
}

func TestSettings_of_several_programs_at_once_are_all_kept(t *testing.T) {
	f := settingsIn(t)
	const programs = 16
	var all sync.WaitGroup
	for i := range programs {
		all.Go(func() {
			if err := f.update(func(s *clientSettings) { s.Authentication[fmt.Sprintf("http://%d", i)] = "ayb_a_b" }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	settings, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.Authentication) != programs {
		t.Errorf("%d of %d are kept: %s", len(settings.Authentication), programs, f.text(t))
	}
}

func TestSettings_keep_a_link_to_where_they_are(t *testing.T) {
	f := settingsIn(t)
	other := settingsIn(t)
	if err := other.update(func(*clientSettings) {}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(f.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other.path, f.path); err != nil {
		t.Skip(err)
	}
	if err := f.update(func(s *clientSettings) { s.Authentication["http://h"] = "ayb_a_b" }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(f.path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if !strings.Contains(other.text(t), "ayb_a_b") {
		t.Errorf("what the link leads to is %s", other.text(t))
	}
}

func TestSettings_that_are_damaged_are_left_alone(t *testing.T) {
	for _, text := range []string{"", "{", "null", "[]", `{"version":1}`, `{"version":"1","authentication":{}}`, `{"version":1,"authentication":{"a":1}}`, `{"authentication":{}}`} {
		f := settingsFile{filepath.Join(t.TempDir(), "ayb.json")}
		if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := f.load()
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), f.path) {
			t.Errorf("%q: %v", text, err)
		}
		if err := f.update(func(*clientSettings) {}); !errors.Is(err, fault.Invalid) || f.text(t) != text {
			t.Errorf("%q was changed into %q: %v", text, f.text(t), err)
		}
	}
}

func TestSettings_are_read_from_files_alone_and_within_a_bound(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, settingsBytes+1); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, os.DevNull, t.TempDir()} {
		if _, err := (settingsFile{path}).load(); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestSettings_without_default_url_are_read(t *testing.T) {
	got, err := parseSettings([]byte(`{"version":1,"authentication":{"http://a/":"1","http://b":"2","http://c":"3","http://c/":"4"}}`))
	if err != nil || got.DefaultURL != nil {
		t.Fatal(got, err)
	}
	for url, want := range map[string]string{"http://a": "1", "http://a/": "1", "http://b/": "2", "http://c": "3", "http://c/": "4", "http://d": "", "http://a/b": ""} {
		if token := got.token(url); token != want {
			t.Errorf("the token for %s is %q, want %q", url, token, want)
		}
	}
}

func TestSettings_are_where_the_platform_keeps_them(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("for Linux")
	}
	for _, test := range []struct {
		environ []string
		want    string
	}{
		{[]string{"HOME=/home/alice"}, "/home/alice/.config/ayb/ayb.json"},
		{[]string{"HOME=/home/alice", "XDG_CONFIG_HOME=/etc/x"}, "/etc/x/ayb/ayb.json"},
		{[]string{"HOME=/home/alice", "XDG_CONFIG_HOME="}, "/home/alice/.config/ayb/ayb.json"},
		{[]string{"HOME=/home/alice", "XDG_CONFIG_HOME=relative"}, "/home/alice/.config/ayb/ayb.json"},
		{nil, ""},
	} {
		if got := settingsPath(surrounding{environ: test.environ}); got != test.want {
			t.Errorf("with %v it is %s, want %s", test.environ, got, test.want)
		}
	}
}

func TestSettings_are_whole_after_a_program_was_killed(t *testing.T) {
	f := settingsIn(t)
	if err := f.update(func(s *clientSettings) { s.Authentication["http://a"] = "ayb_a_b" }); err != nil {
		t.Fatal(err)
	}
	// What it leaves beside the file does not disturb the next one.
	if err := os.WriteFile(f.path+".new", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.update(func(s *clientSettings) { s.Authentication["http://b"] = "ayb_a_b" }); err != nil {
		t.Fatal(err)
	}
	if settings, err := f.load(); err != nil || len(settings.Authentication) != 2 {
		t.Errorf("%v %v", settings, err)
	}
	if _, err := os.Stat(f.path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
}
