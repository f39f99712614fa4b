package store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"

	"ayb/catalog"
	"ayb/fault"
)

// A cursor is the sort key of the last row of a page: where the next page goes
// on. Every list sorts by a number (0 if it has none) and then by texts.
type cursor struct {
	list   string // which list it is of
	number int64
	texts  []string
}

// maxCursorBytes bounds what is decoded; the longest true cursor is far below.
const maxCursorBytes = 512

var cursorEncoding = base64.RawURLEncoding.Strict()

// String returns the opaque form, which begins with a checksum. Texts are ids,
// slugs and short tokens, none of which can hold the separator.
func (c cursor) String() string {
	body := strings.Join(append([]string{c.list, strconv.FormatInt(c.number, 10)}, c.texts...), "/")
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	return cursorEncoding.EncodeToString(append(sum, body...))
}

// parseCursor reads the opaque form of a cursor of the named list with so many
// texts. Nil stands for the beginning. Errors: Invalid.
func parseCursor(opaque, list string, texts int) (*cursor, error) {
	if opaque == "" {
		return nil, nil
	}
	if len(opaque) <= maxCursorBytes {
		if raw, err := cursorEncoding.DecodeString(opaque); err == nil {
			if c := decodeCursor(raw); c != nil && c.list == list && len(c.texts) == texts {
				return c, nil
			}
		}
	}
	return nil, fault.New(fault.Invalid, "The page cursor is damaged or belongs to another list; start again from the first page")
}

func decodeCursor(raw []byte) *cursor {
	if len(raw) < 4 || binary.BigEndian.Uint32(raw) != crc32.ChecksumIEEE(raw[4:]) {
		return nil
	}
	if strings.ContainsFunc(string(raw[4:]), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil // a forgery: the checksum is no secret
	}
	parts := strings.Split(string(raw[4:]), "/")
	if len(parts) < 2 {
		return nil
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return nil
	}
	return &cursor{list: parts[0], number: number, texts: parts[2:]}
}

// oneMore is how many rows to ask for so that paginate can tell whether the list
// goes on.
func oneMore(page catalog.Page) int64 { return int64(page.Limit()) + 1 }

// paginate makes a page of rows. If there is one more than the page holds, the
// list goes on after the last row of the page.
func paginate[R, T any](rows []R, page catalog.Page, item func(R) T, key func(R) cursor) catalog.List[T] {
	list := catalog.List[T]{Items: make([]T, 0, len(rows))}
	if limit := page.Limit(); len(rows) > limit {
		rows = rows[:limit]
		list.Next = key(rows[limit-1]).String()
	}
	for _, row := range rows {
		list.Items = append(list.Items, item(row))
	}
	return list
}
