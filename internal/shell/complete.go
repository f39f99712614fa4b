package shell

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"ayb/internal/format"
)

// maxCompletions bounds a list of them.
const maxCompletions = 500

// keywords returns the words that begin and join what people write.
func keywords() []string {
	return strings.Fields(`ABORT ADD AFTER ALL ALTER ANALYZE AND AS ASC AUTOINCREMENT BEFORE BEGIN BETWEEN BLOB BY
CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
CURRENT_TIMESTAMP DEFAULT DEFERRABLE DEFERRED DELETE DESC DISTINCT DO DROP EACH ELSE END ESCAPE EXCEPT EXCLUDE EXISTS
EXPLAIN FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED
INNER INSERT INSTEAD INTEGER INTERSECT INTO IS ISNULL JOIN KEY LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NOT
NOTHING NOTNULL NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE REAL
RECURSIVE REFERENCES REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWID ROWS SAVEPOINT
SELECT SET STRICT TABLE TEMP TEXT THEN TO TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW
VIRTUAL WHEN WHERE WINDOW WITH WITHOUT BIGINT BOOLEAN CHAR DATE DATETIME DECIMAL DOUBLE FLOAT INT NUMERIC SMALLINT TIMESTAMP
TINYINT VARCHAR abs( avg( coalesce( count( date( datetime( group_concat( hex( ifnull( iif( instr(
json_each( json_extract( json_group_array( json_group_object( length( lower( max( min( nullif( printf( quote( random( replace(
round( row_number( rtrim( strftime( substr( sum( time( total( trim( typeof( upper(`)
}

// complete returns what the word before the cursor may become. With cycle, the
// next Tab is to take the next one; otherwise the list is to be shown.
//
// A Tab that completes nothing is a space, and so is the first one behind a word
// that is complete: text that is pasted into the terminal has Tabs between its
// words.
func (t *typist) complete(ctx context.Context, line string, pos int) (head string, completions []string, tail string, cycle bool) {
	at := byteIndex(line, pos)
	before, tail := line[:at], line[at:]
	word, candidates := t.candidates(ctx, before)
	head = before[:len(before)-len(word)]
	exact := false
	for _, c := range candidates {
		if len(c) >= len(word) && strings.EqualFold(c[:len(word)], word) {
			exact = exact || len(c) == len(word)
			completions = append(completions, inCase(c, word))
		}
	}
	slices.Sort(completions)
	completions = slices.Compact(completions)
	completions = completions[:min(len(completions), maxCompletions)]
	switch {
	case exact:
		rest := slices.DeleteFunc(completions, func(c string) bool { return len(c) == len(word) })
		return head, append([]string{word + " "}, rest...), tail, true
	case len(completions) == 0 || word == "" && !isCommand(before):
		return before, []string{" "}, tail, true
	case len(completions) == 1 && tail == "" && !strings.HasSuffix(completions[0], "(") && !strings.HasSuffix(completions[0], "/"):
		completions[0] += " "
	}
	return head, completions, tail, false
}

// byteIndex returns the index of the rune at position pos.
func byteIndex(line string, pos int) int {
	for i := range line {
		if pos == 0 {
			return i
		}
		pos--
	}
	return len(line)
}

// inCase returns a keyword in small letters if the word is typed so.
func inCase(candidate, word string) string {
	if candidate == strings.ToUpper(candidate) && word != "" && word == strings.ToLower(word) && slices.Contains(keywords(), candidate) {
		return strings.ToLower(candidate)
	}
	return candidate
}

// candidates returns the word before the cursor and all that could stand there.
func (t *typist) candidates(ctx context.Context, before string) (word string, all []string) {
	if t.collector.between() && isCommand(before) {
		return t.commandCandidates(ctx, strings.TrimLeft(before, " \t"))
	}
	if c := t.collector.scan; c.inside != 0 || open(before) {
		return "", nil
	}
	word = lastWord(before)
	t.schema.load(ctx)
	rest := before[:len(before)-len(word)]
	if table, ok := strings.CutSuffix(rest, "."); ok {
		return word, quoted(t.schema.columns(lastWord(table)))
	}
	switch previous := words(reverseLast(rest), 1); {
	case len(previous) == 1 && slices.Contains([]string{"FROM", "JOIN", "INTO", "UPDATE", "TABLE"}, previous[0]):
		return word, quoted(t.schema.tables)
	}
	all = append(keywords(), quoted(t.schema.tables)...)
	return word, append(all, quoted(t.schema.columns(""))...)
}

// open reports whether a line ends within a text, a name or a comment.
func open(line string) bool {
	for line != "" {
		t := nextToken(line)
		line = line[len(t.text):]
		if t.open || t.kind == comment && line == "" {
			return true
		}
	}
	return false
}

// lastWord returns the word at the end of s.
func lastWord(s string) string {
	i := len(s)
	for i > 0 && isWord(s[i-1]) {
		i--
	}
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

// reverseLast returns the last word of s that blanks follow.
func reverseLast(s string) string { return lastWord(strings.TrimRight(s, " \t")) }

// quoted returns names as SQL writes them.
func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = n
		if n == "" || wordLen(n) != len(n) || '0' <= n[0] && n[0] <= '9' || slices.Contains(keywords(), strings.ToUpper(n)) {
			all[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
		}
	}
	return all
}

// commandCandidates is candidates for a line that is a command.
func (t *typist) commandCandidates(ctx context.Context, line string) (word string, all []string) {
	verb, rest, behind := strings.Cut(line, " ")
	if !behind {
		for _, c := range commands() {
			all = append(all, c.name)
		}
		return verb, all
	}
	rest = strings.TrimLeft(rest, " ")
	switch verb {
	case ".mode":
		for _, m := range format.Modes() {
			all = append(all, string(m))
		}
	case ".headers", ".timer", ".pager":
		all = []string{"on", "off"}
	case ".tables", ".schema", ".indexes":
		t.schema.load(ctx)
		all = slices.Clone(t.schema.tables)
	case ".param":
		all = []string{"set", "unset", "list", "clear"}
		if unset, ok := strings.CutPrefix(rest, "unset "); ok {
			all, rest = nil, unset
			for _, arg := range t.parameters {
				all = append(all, arg.Name)
			}
		}
	case ".read", ".output", ".once":
		all = files(rest)
	}
	return rest, all
}

// files returns the names of files that begin so, a stroke behind directories.
func files(prefix string) (all []string) {
	dir, _ := filepath.Split(prefix)
	look := dir
	if look == "" {
		look = "."
	}
	f, err := os.Open(look)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(10_000) // what could be read is better than nothing
	for _, e := range entries {
		name := dir + e.Name()
		if e.IsDir() {
			name += "/"
		}
		if format.Visible(name) == name {
			all = append(all, name)
		}
	}
	return all
}
