package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	r := newReport("make bench", t.TempDir())
	r.began = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	r.chapter = []chapter{
		{name: "query", took: 3 * time.Second, figures: []figure{
			{what: "a | b", value: 0.5, low: 0.4, high: 0.6, atLeast: 0.8, note: "why"},
			{what: "c", value: 2, unit: "MB", atMost: 3},
		}},
		{name: "scan", err: errors.New("it\nbroke")},
	}
	dir := filepath.Join(t.TempDir(), "results")
	path, err := r.write(dir, "small")
	if err != nil || filepath.Base(path) != "2026-11-23-small.md" {
		t.Fatalf("%s, %v", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Measured on 2026-11-23\n", "| command | `make bench` |\n", "| Go | go1.",
		"\n## query\n\nIt took 3s.\n",
		"\n| a \\| b | 0.5 (0.4 to 0.6) | at least 0.8  **MISSED** | why |\n",
		"\n| c | 2 MB | at most 3 |  |\n",
		"\n## scan\n\nIt took 0s.\n\n**FAILED**: it broke\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	var printed bytes.Buffer
	if err := r.chapter[0].print(&printed); err != nil || !strings.Contains(printed.String(), "MISSED") {
		t.Errorf("%v, printed\n%s", err, printed.String())
	}
}

func TestFileSystem_is_known_where_the_system_tells(t *testing.T) {
	if _, err := os.Stat("/proc/self/mounts"); err != nil {
		t.Skip(err)
	}
	if kind := fileSystem(t.TempDir()); kind == "" {
		t.Error("it is not known")
	}
}
