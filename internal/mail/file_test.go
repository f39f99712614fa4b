package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ayb/fault"
)

func testFile(path string) *File {
	return &File{Path: path, From: Address{"ayb", "noreply@localhost"}, Now: testTime}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), "\n") {
		t.Fatalf("%q does not end in a newline", text)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestFile_Send_writes_the_line_that_scripts_expect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "emails.jsonl")
	f := testFile(path)
	if err := f.Send(t.Context(), Message{To: "a@example.org", Subject: "Your login credentials", Body: loginBody}); err != nil {
		t.Fatal(err)
	}
	want := `{"from":"ayb <noreply@localhost>","to":"a@example.org","reply_to":"ayb <noreply@localhost>","subject":"Your login credentials",` +
		`"content_type":"text/plain","content_transfer_encoding":"7bit","date":"Sun, 22 Nov 2026 12:44:08 +0000",` +
		`"content":["To complete your registration, visit","\thttp://localhost:5433/confirm/gAAA%3D","","Or type","\tayb client confirm gAAA="]}`
	if got := readLines(t, path); !slices.Equal(got, []string{want}) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for dir, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

func TestFile_Send_content(t *testing.T) {
	for body, want := range map[string][]string{
		"":           {},
		"a":          {"a"},
		"a\n":        {"a"},
		"a\n\n":      {"a", ""},
		"\ta\r\n é<": {"\ta", " é<"},
	} {
		path := filepath.Join(t.TempDir(), "emails.jsonl")
		f := testFile(path)
		f.ReplyTo = Address{"", "reply@example.org"}
		if err := f.Send(t.Context(), Message{To: "a@example.org", Body: body}); err != nil {
			t.Fatal(err)
		}
		var got fileLine
		if err := json.Unmarshal([]byte(readLines(t, path)[0]), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Content, want) || got.Content == nil || got.ReplyTo != "reply@example.org" {
			t.Errorf("%q: %+v", body, got)
		}
	}
}

func TestFile_Send_from_many_at_once_leaves_whole_lines_in_order(t *testing.T) {
	const senders, each = 8, 20
	path := filepath.Join(t.TempDir(), "new", "emails.jsonl")
	f := testFile(path)
	long := strings.Repeat("x", 20_000)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				msg := Message{To: fmt.Sprintf("a%d@example.org", i), Subject: fmt.Sprint(n), Body: long}
				if err := f.Send(context.Background(), msg); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for _, line := range readLines(t, path) {
		var got fileLine
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Subject != fmt.Sprint(next[got.To]) || got.Content[0] != long {
			t.Fatalf("%s: mail %s, want %d", got.To, got.Subject, next[got.To])
		}
		next[got.To]++
	}
	if len(next) != senders {
		t.Errorf("%v", next)
	}
	for to, n := range next {
		if n != each {
			t.Errorf("%d mails to %s", n, to)
		}
	}
}

func TestFile_Send_does_not_continue_a_torn_line(t *testing.T) {
	path := filepath.Join(t.TempDir(), "emails.jsonl")
	if err := os.WriteFile(path, []byte("{}\n"+`{"from":"ay`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := testFile(path).Send(t.Context(), Message{To: "a@example.org"}); err != nil {
			t.Fatal(err)
		}
	}
	lines := readLines(t, path)
	if len(lines) != 4 || lines[1] != `{"from":"ay` || !json.Valid([]byte(lines[2])) || !json.Valid([]byte(lines[3])) {
		t.Errorf("%q", lines)
	}
}

func TestFile_Send_refuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "emails.jsonl")
	for claim, msg := range badMessages() {
		t.Run(claim, func(t *testing.T) {
			checkBad(t, testFile(path).Send(t.Context(), msg))
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file is there: %v", err)
			}
		})
	}
}

// unwritable returns paths at which there can be no file.
func unwritable(t *testing.T) map[string]string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"a directory":   dir,
		"below a file":  filepath.Join(dir, "file", "emails.jsonl"),
		"no file":       os.DevNull,
		"no path given": "",
	}
}

func TestFile_failures_are_unavailable_without_the_path(t *testing.T) {
	for claim, path := range unwritable(t) {
		t.Run(claim, func(t *testing.T) {
			f := testFile(path)
			for _, err := range []error{f.Send(t.Context(), Message{To: "a@example.org"}), f.Check(t.Context())} {
				if fault.KindOf(err) != fault.Unavailable || fault.Message(err) != "The e-mail file cannot be written" {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestFile_Check_leaves_no_trace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "emails.jsonl")
	if err := testFile(path).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := testFile(path).Send(t.Context(), Message{To: "a@example.org"}); err != nil {
		t.Fatal(err)
	}
	if err := testFile(path).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(readLines(t, path)); n != 1 {
		t.Errorf("%d lines", n)
	}
}
