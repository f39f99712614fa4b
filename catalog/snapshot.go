package catalog

import (
	"strings"
	"time"
	"unicode/utf8"

	"ayb/fault"
)

// MaxNoteBytes is how long the note of a snapshot may be. Stores of objects keep
// no more than 2 KB beside an object.
const MaxNoteBytes = 500

// SnapshotKind says why a snapshot was taken.
type SnapshotKind uint8

// The kinds of snapshot. Their numbers may be stored; never renumber.
const (
	// Automatic: by a round. Only the newest ones of these are kept.
	Automatic SnapshotKind = 0
	// Manual: because somebody asked for it. It stays until it is deleted.
	Manual SnapshotKind = 1
	// Replaced: by a restore, of what it was about to put away, so that it can
	// be undone. It stays for some days.
	Replaced SnapshotKind = 2
)

var snapshotKinds = words[SnapshotKind]{"automatic", "manual", "replaced"}

// String returns the wire word: automatic, manual or replaced.
func (k SnapshotKind) String() string { return snapshotKinds.word(k) }

// ParseSnapshotKind reads a wire word. Errors: [fault.Invalid].
func ParseSnapshotKind(s string) (SnapshotKind, error) { return snapshotKinds.parse(s) }

// A Snapshot is a copy of a database as it was at one moment. The same content
// has the same id, so there is one snapshot of it, however often it was taken.
type Snapshot struct {
	ID     string       // see ParseSnapshotID
	Taken  time.Time    // when it was taken last
	Size   int64        // of the database file, in bytes; 0: not known
	Stored int64        // what is stored of it, compressed, in bytes
	Kind   SnapshotKind // why it was taken last; once Manual, always Manual
	Note   string       // what whoever took it has to say of it; at most MaxNoteBytes

	// Round is when a round took it last; zero: none has.
	Round time.Time

	// Replaced is when a restore put it away last; zero: none has.
	Replaced time.Time
}

// ParseSnapshotID checks that s is the id of a snapshot: 64 hexadecimal digits in
// lower case, the BLAKE3 hash of the database file. Nothing else may become part
// of an object's name. Errors: [fault.Invalid].
func ParseSnapshotID(s string) (string, error) {
	if !IsSnapshotID(s) {
		return "", fault.New(fault.Invalid, "A snapshot is named by 64 hexadecimal digits, as list_snapshots shows them")
	}
	return s, nil
}

// IsSnapshotID reports whether s has the form of a snapshot's id.
func IsSnapshotID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// CheckNote checks the note of a snapshot. Errors: [fault.Invalid].
func CheckNote(note string) error {
	switch {
	case len(note) > MaxNoteBytes:
		return fault.New(fault.Invalid, "A note can't be longer than %d bytes, but this one is %d bytes", MaxNoteBytes, len(note))
	case !utf8.ValidString(note):
		return fault.New(fault.Invalid, "A note must be text in UTF-8")
	}
	return nil
}
