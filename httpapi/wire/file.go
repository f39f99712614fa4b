package wire

// The media types of whole databases: a SQLite file, and a text of SQL.
const (
	ContentTypeSQLite = "application/vnd.sqlite3"
	ContentTypeSQL    = "application/sql"
)

// ImportedDatabase answers an import of a whole database.
type ImportedDatabase struct {
	CreatedDatabase
	Undo string `json:"undo_snapshot_id,omitempty"` // of what was replaced; missing: nothing was
}

// ImportedTable answers an import into a table.
type ImportedTable struct {
	Rows int64 `json:"rows"`
}
