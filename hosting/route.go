package hosting

import (
	"strings"
	"unicode/utf8"

	"ayb/fault"
)

// route looks at how a text begins. It cuts a leading PRAGMA foreign_keys=OFF and
// guesses whether what is left writes. A wrong guess costs time and nothing else:
// a text is run by what SQLite says about it.
func route(text string) (rest string, lead, writes bool) {
	word := firstWord(text)
	if word == "PRAGMA" {
		rest, lead = cutForeignKeysOff(text)
		return rest, lead, lead
	}
	switch word {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER", "REINDEX", "ANALYZE", "VACUUM", "SAVEPOINT":
		writes = true
	}
	return text, false, writes
}

// Writes guesses whether a text writes, from how it begins.
func Writes(text string) bool {
	_, _, writes := route(text)
	return writes
}

// cutForeignKeysOff takes a leading PRAGMA foreign_keys=OFF from a text of
// several statements that begins with a PRAGMA, as .dump writes it; the host sees
// to it, because it has to happen before the transaction of the text begins.
func cutForeignKeysOff(text string) (rest string, found bool) {
	end := statementEnd(text)
	rest = skipBlank(text[end:])
	if rest == "" {
		return text, false
	}
	lead := strings.TrimRight(skipBlank(text[:end]), "; \t\r\n\f")
	name, value, ok := strings.Cut(lead[len("PRAGMA"):], "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "foreign_keys") {
		return text, false
	}
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "off", "no", "false", "0":
		return rest, true
	}
	return text, false
}

// validText refuses bytes that are no text: SQLite would end the statement at a
// NUL and take bad UTF-8 for other characters than the user sees.
func validText(text string) error {
	if !utf8.ValidString(text) {
		return fault.New(fault.Invalid, "The SQL is not valid UTF-8; send binary values as parameters or as X'..' literals")
	}
	if strings.IndexByte(text, 0) >= 0 {
		return fault.New(fault.Invalid, "The SQL holds a NUL character; send it as a parameter or as a X'..' literal")
	}
	return nil
}
