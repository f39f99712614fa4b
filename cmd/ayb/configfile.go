package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"ayb/fault"
)

// maxConfigFile is how large a configuration file may be, in bytes. The decoder
// takes time with the square of the number of keys.
const maxConfigFile = 128 << 10

// A configFile is what a configuration file says, in its order.
type configFile struct {
	path    string
	entries []entry
	broken  string // the first error of syntax, which ends the reading; empty: none
	line    int    // of the error
}

// An entry is a key with its value, or the head of a table.
type entry struct {
	name    string // the whole path, its parts joined by dots
	line    int
	value   any  // nil if isTable
	isTable bool // a head such as [email], or an inline table
}

// readConfigFile reads and parses a file; an empty path is the default one. What
// is wrong within the file is not an error but noted in it. Errors: Invalid,
// Unavailable; the cause of a missing file is fs.ErrNotExist.
func readConfigFile(path string) (*configFile, error) {
	if path == "" {
		path = defaultConfigFile
	}
	if filepath.Ext(path) != ".toml" {
		return nil, fault.New(fault.Invalid, "The configuration file %s must be a TOML file, with a name that ends in .toml", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(text) > maxConfigFile {
		return nil, fault.New(fault.TooLarge, "The configuration file %s is larger than 128 KiB", path)
	}
	file := parseConfigFile(text)
	file.path = filepath.Clean(path)
	return file, nil
}

func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "The configuration file %s does not exist; make one with: ayb default_server_config > %s", path, path)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Unavailable, err, "The configuration file %s can't be read: permission denied", path)
	}
	return fault.Wrap(fault.Unavailable, err, "The configuration file %s can't be read", path)
}

// parseConfigFile parses the text of a file.
func parseConfigFile(text []byte) *configFile {
	var file configFile
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		file.broken = "this is not valid TOML"
		if e, ok := errors.AsType[*toml.DecodeError](err); ok {
			file.line, _ = e.Position()
			file.broken += ": " + strings.TrimPrefix(e.Error(), "toml: ")
		}
		return &file
	}
	// The decoder tells no lines, so the text is walked once more for them. The
	// package's name says that its API may change, not that it does not work.
	w := fileWalk{file: &file, values: values, lists: map[string]bool{}, text: text, line: 1}
	w.parser.Reset(text)
	for w.parser.NextExpression() {
		w.expression(w.parser.Expression())
	}
	return &file
}

// A fileWalk gathers the entries of a file.
type fileWalk struct {
	parser unstable.Parser
	file   *configFile
	values map[string]any
	table  []string // the table that keys belong to now
	inList bool     // it is an element of a list of tables, which is one value
	lists  map[string]bool

	text         []byte
	offset, line int // how far lines have been counted, and how many there were
}

func (w *fileWalk) expression(node *unstable.Node) {
	switch node.Kind {
	case unstable.Table:
		w.table, _ = w.path(nil, node)
		w.inList = false
		w.add(w.path(nil, node))
	case unstable.ArrayTable:
		w.table, _ = w.path(nil, node)
		w.inList = true
		if name := dotted(w.table); !w.lists[name] {
			w.lists[name] = true
			w.add(w.path(nil, node))
		}
	case unstable.KeyValue:
		if !w.inList {
			w.keyValue(w.table, node)
		}
	}
}

func (w *fileWalk) keyValue(table []string, node *unstable.Node) {
	path, line := w.path(table, node)
	w.add(path, line)
	if node.Value().Kind != unstable.InlineTable {
		return
	}
	for children := node.Value().Children(); children.Next(); {
		w.keyValue(path, children.Node())
	}
}

// path returns the path of a key or table, and its line.
func (w *fileWalk) path(table []string, node *unstable.Node) (path []string, line int) {
	path = slices.Clone(table)
	for key := node.Key(); key.Next(); {
		if line == 0 {
			line = w.lineOf(int(key.Node().Raw.Offset))
		}
		path = append(path, string(key.Node().Data))
	}
	return path, line
}

// lineOf returns the line of an offset. Keys come in the order of the text, so
// that it is read once.
func (w *fileWalk) lineOf(offset int) int {
	if offset < w.offset {
		w.offset, w.line = 0, 1
	}
	w.line += bytes.Count(w.text[w.offset:offset], []byte("\n"))
	w.offset = offset
	return w.line
}

// add notes the entry at path, if the decoder has seen it too: what lies below a
// list of tables is part of that list.
func (w *fileWalk) add(path []string, line int) {
	var value any = w.values
	for _, part := range path {
		table, ok := value.(map[string]any)
		if !ok {
			return
		}
		value = table[part]
	}
	e := entry{name: dotted(path), line: line, value: value}
	if _, e.isTable = value.(map[string]any); e.isTable {
		e.value = nil
	}
	w.file.entries = append(w.file.entries, e)
}

// dotted joins a path. A part that no setting can have is quoted, so that "a.b"
// in quotes is not taken for b in a.
func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, part := range path {
		parts[i] = part
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			parts[i] = fmt.Sprintf("%q", part)
		}
	}
	return strings.Join(parts, ".")
}
