package snapshot

import (
	"encoding/base64"
	"strconv"
	"time"

	"gocloud.dev/blob"

	"ayb/catalog"
)

// The metadata of an object. Names are one word in lower case, since some services
// allow no more; values are plain ASCII, since some escape the rest, each in its
// own way.
const (
	metaKind     = "kind"     // a wire word
	metaTaken    = "taken"    // a time
	metaRound    = "round"    // a time, or missing
	metaReplaced = "replaced" // a time, or missing
	metaSize     = "size"     // bytes, before compression
	metaNote     = "note"     // in base64, or missing
	metaHash     = "hash"     // of the content; files only, whose key does not say it
)

// encode returns the metadata of a snapshot's object.
func encode(s catalog.Snapshot) map[string]string {
	m := map[string]string{metaKind: s.Kind.String(), metaTaken: formatTime(s.Taken), metaSize: strconv.FormatInt(s.Size, 10)}
	if !s.Round.IsZero() {
		m[metaRound] = formatTime(s.Round)
	}
	if !s.Replaced.IsZero() {
		m[metaReplaced] = formatTime(s.Replaced)
	}
	if s.Note != "" {
		m[metaNote] = base64.RawURLEncoding.EncodeToString([]byte(s.Note))
	}
	return m
}

// decode returns the snapshot with an id whose object has the attributes a. What
// is missing or can't be read is as if a round had stored the object when it was
// stored: that is what objects of the existing ayb are, and an object whose
// metadata somebody has lost is not lost itself.
func decode(id string, a *blob.Attributes) catalog.Snapshot {
	s := catalog.Snapshot{ID: id, Taken: a.ModTime, Stored: a.Size}
	kind, err := catalog.ParseSnapshotKind(a.Metadata[metaKind])
	taken, ok := parseTime(a.Metadata[metaTaken])
	if err != nil || !ok {
		s.Round = s.Taken
		return s
	}
	s.Kind, s.Taken = kind, taken
	s.Round, _ = parseTime(a.Metadata[metaRound])
	s.Replaced, _ = parseTime(a.Metadata[metaReplaced])
	if size, err := strconv.ParseInt(a.Metadata[metaSize], 10, 64); err == nil && size > 0 {
		s.Size = size
	}
	if note, err := base64.RawURLEncoding.DecodeString(a.Metadata[metaNote]); err == nil && catalog.CheckNote(string(note)) == nil {
		s.Note = string(note)
	}
	return s
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	return t, err == nil
}
