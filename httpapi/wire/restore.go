package wire

import "ayb/catalog"

// A Restore is the body of a restore in JSON. The classic body is the id alone.
type Restore struct {
	ID string `json:"snapshot_id"`
	To string `json:"to"` // entity/database to make of the snapshot; empty: the database itself is put back
}

// A Restored answers a restore that was asked for in JSON, or as a stream. The
// classic answer is an empty object.
type Restored struct {
	Entity   catalog.Slug `json:"entity,omitempty"`
	Database catalog.Slug `json:"database,omitempty"`
	Undo     string       `json:"undo_snapshot_id,omitempty"` // missing: there is nothing to go back to
}

// A RestoreProgress is a line of a restore that is answered as a stream: how far
// it is or, on the last line, how it ended.
type RestoreProgress struct {
	Done     int64     `json:"done"`
	Total    int64     `json:"total"` // 0: not known
	Restored *Restored `json:"restored,omitempty"`
	Error    *Error    `json:"error,omitempty"`
}
