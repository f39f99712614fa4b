package shell

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// The bounds of the history: entries, and bytes of one.
const (
	maxEntries = 1_000
	maxEntry   = 16 << 10
	maxHistory = maxEntries * maxEntry
)

// A history is a file with an entry a line, the newest last. Each entry is
// appended when it is made, so that sessions at the same time lose nothing of
// each other; the file is cut to its bound when a session begins.
type history struct {
	path string
	last string
}

// openHistory returns the history in the file of that name and its entries. An
// empty path is a history that keeps nothing.
func openHistory(path string) (*history, []string, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil, nil
	}
	data, err := h.read()
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil, nil
	}
	if err != nil {
		return h, nil, err
	}
	entries, all := readEntries(data)
	if len(entries) > 0 {
		h.last = entries[len(entries)-1]
	}
	if all > maxEntries || len(data) == maxHistory {
		err = h.rewrite(entries)
	}
	return h, entries, err
}

// read returns the end of the file, as much as full entries could take, and
// makes the file private.
func (h *history) read() ([]byte, error) {
	info, err := os.Stat(h.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	if err := os.Chmod(h.path, 0o600); err != nil {
		return nil, err
	}
	f, err := os.Open(h.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(max(0, info.Size()-maxHistory), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxHistory))
}

// readEntries returns the newest entries of a history, and how many there are.
func readEntries(data []byte) (entries []string, all int) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		all++
		if s := lines.Text(); s != "" && len(s) <= maxEntry && utf8.ValidString(s) {
			entries = append(entries, s)
		}
	}
	return entries[max(0, len(entries)-maxEntries):], all
}

// rewrite replaces the file by one with these entries, at once.
func (h *history) rewrite(entries []string) error {
	f, err := os.CreateTemp(filepath.Dir(h.path), filepath.Base(h.path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.WriteString(f, strings.Join(entries, "\n")+"\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), h.path)
}

// keeps reports whether an entry belongs into the history: not what begins with
// a space, nor the last one again.
func (h *history) keeps(entry string) bool {
	return entry != "" && entry[0] != ' ' && len(entry) <= maxEntry && entry != h.last && utf8.ValidString(entry)
}

// add appends an entry to the file.
func (h *history) add(entry string) error {
	h.last = entry
	if h.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, entry+"\n")
	return errors.Join(err, f.Close())
}

// oneLine returns the lines of a statement as one, for a history of lines. That
// is not possible if an end of line means something: in a text, a name, or at
// the end of a comment that something follows.
func oneLine(sql string) (string, bool) {
	var b strings.Builder
	for sql = strings.TrimRight(sql, " \t\r\n"); sql != ""; {
		t := nextToken(sql)
		s := t.text
		sql = sql[len(s):]
		switch {
		case !strings.ContainsAny(s, "\r\n"):
			if t.kind == comment && strings.HasPrefix(s, "--") && sql != "" {
				return "", false
			}
			b.WriteString(s)
		case t.kind == blank:
			b.WriteByte(' ')
		default:
			return "", false
		}
	}
	return b.String(), true
}
