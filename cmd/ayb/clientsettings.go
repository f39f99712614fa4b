package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ayb/fault"
	"ayb/internal/durable"
)

// settingsBytes bounds the file that clientSettings are kept in.
const settingsBytes = 1 << 20

// clientSettings are what the client remembers from one run to the next. The file
// is shared with other programs for ayb, which expect just these bytes: compact
// JSON, keys in this order, no line end.
type clientSettings struct {
	Version        int               `json:"version"`
	Authentication map[string]string `json:"authentication"` // tokens, by the URL of their server
	DefaultURL     *string           `json:"default_url"`
}

// A settingsFile is where clientSettings are kept. An empty path is a person
// without a home.
type settingsFile struct{ path string }

// String returns where the file is.
func (f settingsFile) String() string {
	if f.path == "" {
		return "a configuration file, for which there is no home directory"
	}
	return f.path
}

// settingsPath returns where the file is by default; empty if this person has no
// home.
func settingsPath(s surrounding) string {
	home := func(name string, below ...string) string {
		dir, ok := s.variable(name)
		if !ok || !filepath.IsAbs(dir) {
			return ""
		}
		return filepath.Join(append([]string{dir}, below...)...)
	}
	switch runtime.GOOS {
	case "windows":
		return home("APPDATA", "ayb", "ayb", "config", "ayb.json")
	case "darwin":
		return home("HOME", "Library", "Application Support", "org.ayb.ayb", "ayb.json")
	}
	if path := home("XDG_CONFIG_HOME", "ayb", "ayb.json"); path != "" {
		return path
	}
	return home("HOME", ".config", "ayb", "ayb.json")
}

// load reads the settings; without a file they are empty. A file that others may
// read is closed to them, since it holds tokens. Errors: Invalid, Unavailable; the
// file is left alone.
func (f settingsFile) load() (*clientSettings, error) {
	none := &clientSettings{Version: 1, Authentication: map[string]string{}}
	if f.path == "" {
		return none, nil
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	var text []byte
	switch {
	case err != nil:
	case !info.Mode().IsRegular() && !info.IsDir():
		err = errNoFile // a pipe or device might never end, or never begin
	case info.Size() <= settingsBytes:
		text, err = os.ReadFile(f.path)
	}
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The configuration file %s can't be read: %s", f.path, reason(err))
	case info.Size() > settingsBytes:
		return nil, fault.New(fault.Invalid, "The configuration file %s has more than %d bytes, so it is not one", f.path, settingsBytes)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		_ = os.Chmod(f.path, 0o600) // one can use another's file, but not change it
	}
	settings, err := parseSettings(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The configuration file %s is damaged: %s. It was left as it is; repair it, or move it away to begin with an empty one", f.path, err)
	}
	return settings, nil
}

// errNoFile says that there is something else where a file should be.
var errNoFile = errors.New("it is not a file")

func parseSettings(text []byte) (*clientSettings, error) {
	var found struct {
		Version        *int
		Authentication *map[string]string
		DefaultURL     *string `json:"default_url"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, errors.New("it is not valid JSON")
		}
		return nil, errors.New("a value in it is of the wrong type")
	}
	if found.Version == nil || found.Authentication == nil {
		return nil, errors.New(`it must have the keys "version" and "authentication"`)
	}
	settings := &clientSettings{Version: 1, Authentication: *found.Authentication, DefaultURL: found.DefaultURL}
	if settings.Authentication == nil {
		settings.Authentication = map[string]string{}
	}
	return settings, nil
}

// update changes the settings in the file. Of several programs that do so at once,
// each sees what the others have saved. Errors: Invalid, Unavailable, Busy.
func (f settingsFile) update(change func(*clientSettings)) error {
	if f.path == "" {
		return fault.New(fault.Unavailable, "There is no home directory to save the configuration in; name a file with --config")
	}
	path := f.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays a link
	}
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return unwritable(f.path, err)
	}
	lock, err := f.lock(path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	settings, err := f.load()
	if err != nil {
		return err
	}
	change(settings)
	if err := replaceFile(path, settings.encode()); err != nil {
		return unwritable(f.path, err)
	}
	return nil
}

// encode returns the bytes of the file.
func (s *clientSettings) encode() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // strings and numbers are always JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// replaceFile puts a text in the place of a file, whole or not at all.
func replaceFile(path string, text []byte) error {
	side := path + ".new"
	if err := os.Remove(side); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := durable.WriteFile(side, text)
	if err == nil {
		err = os.Rename(side, path)
	}
	if err != nil {
		_ = os.Remove(side)
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// lock waits for its turn to change the file, within a bound: whoever has the turn
// keeps it for a moment only, unless it was stopped. Errors: Unavailable, Busy.
func (f settingsFile) lock(path string) (*os.File, error) {
	const patience, interval = 5 * time.Second, 5 * time.Millisecond
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(f.path, err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		held, err := lockExclusive(lock)
		switch {
		case err == nil:
			return lock, nil
		case !held:
			lock.Close()
			return nil, unwritable(f.path, err)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			lock.Close()
			return nil, fault.New(fault.Busy, "Another program keeps the configuration file %s locked", f.path)
		}
	}
}

func unwritable(path string, err error) error {
	return fault.Wrap(fault.Unavailable, err, "The configuration file %s can't be written: %s", path, reason(err))
}

// reason returns the cause of a failure of the file system, without the path.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// token returns the token for a server; empty if there is none. Two URLs that
// differ only by a stroke at their end are of the same server.
func (s *clientSettings) token(url string) string {
	if token, ok := s.Authentication[url]; ok {
		return token
	}
	for _, other := range slices.Sorted(maps.Keys(s.Authentication)) {
		if strings.TrimRight(other, "/") == strings.TrimRight(url, "/") {
			return s.Authentication[other]
		}
	}
	return ""
}

// forget removes a token, wherever it is kept.
func (s *clientSettings) forget(token string) {
	for url, other := range s.Authentication {
		if other == token {
			delete(s.Authentication, url)
		}
	}
}

// holds reports whether a token is kept.
func (s *clientSettings) holds(token string) bool {
	return slices.Contains(slices.Collect(maps.Values(s.Authentication)), token)
}

// others returns the URLs of the other servers that there are tokens for.
func (s *clientSettings) others(url string) []string {
	if s == nil || s.token(url) != "" {
		return nil
	}
	return slices.Sorted(maps.Keys(s.Authentication))
}
