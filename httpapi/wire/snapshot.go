package wire

import (
	"time"

	"ayb/catalog"
)

// Snapshots is the list of a database's snapshots.
type Snapshots struct {
	Snapshots []Snapshot `json:"snapshots"`
	Next      string     `json:"next,omitempty"`
}

// A Snapshot is an entry of that list. The existing ayb knows its first two
// fields.
type Snapshot struct {
	Modified string `json:"last_modified_at"` // RFC 3339
	ID       string `json:"snapshot_id"`
	Size     int64  `json:"size"`   // of the database file, in bytes; 0: not known
	Stored   int64  `json:"stored"` // what is in the bucket, in bytes
	Kind     string `json:"kind"`
	Note     string `json:"note"`
}

// NewSnapshot returns the shape of a snapshot.
func NewSnapshot(s catalog.Snapshot) Snapshot {
	return Snapshot{
		Modified: string(withFraction(nil, s.Taken.UTC(), "2006-01-02T15:04:05")) + "Z", ID: s.ID,
		Size: s.Size, Stored: s.Stored, Kind: s.Kind.String(), Note: s.Note,
	}
}

// Snapshot is the reverse of NewSnapshot. What an ayb does not say that knows only
// the first two fields is as in a snapshot of its rounds.
func (s Snapshot) Snapshot() (catalog.Snapshot, error) {
	taken, err := time.Parse(time.RFC3339, s.Modified)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	kind, err := catalog.ParseSnapshotKind(s.Kind)
	if s.Kind == "" {
		kind, err = catalog.Automatic, nil
	}
	return catalog.Snapshot{ID: s.ID, Taken: taken, Size: s.Size, Stored: s.Stored, Kind: kind, Note: s.Note}, err
}

// A NewSnapshotNote is the body of a request for a snapshot.
type NewSnapshotNote struct {
	Note string `json:"note"`
}
