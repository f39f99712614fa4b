package catalog

import (
	"errors"
	"strings"
	"testing"

	"ayb/fault"
)

func TestParseSnapshotID_takes_nothing_that_could_be_a_path(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	if id, err := ParseSnapshotID(good); id != good || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	for _, bad := range []string{
		"", good[1:], good + "0", strings.ToUpper(good), good[2:] + "..", "../" + good[3:], good[:31] + "/" + good[32:],
		good[1:] + "g", good[1:] + "\n", good[1:] + "\x00", good[2:] + "é", strings.Repeat("g", 64),
		good[:32] + "x" + good[33:],
	} {
		if id, err := ParseSnapshotID(bad); id != "" || !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %q, %v", bad, id, err)
		}
	}
}

func TestSnapshotKind_words(t *testing.T) {
	for kind, word := range map[SnapshotKind]string{Automatic: "automatic", Manual: "manual", Replaced: "replaced"} {
		if back, err := ParseSnapshotKind(word); kind.String() != word || back != kind || err != nil {
			t.Errorf("%v: %v, %v", kind, back, err)
		}
	}
	if _, err := ParseSnapshotKind("Manual"); !errors.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestCheckNote(t *testing.T) {
	for note, want := range map[string]bool{
		"": true, "before the migration, № 3": true, strings.Repeat("x", MaxNoteBytes): true,
		strings.Repeat("x", MaxNoteBytes+1): false, "\xff": false,
	} {
		if err := CheckNote(note); (err == nil) != want || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", note, err)
		}
	}
}
