package wire

// The media types of whole databases: a SQLite file, and a text of SQL.
const (
	ContentTypeSQLite = "application/vnd.sqlite3"
	ContentTypeSQL    = "application/sql"
)

// ImportedTable answers an import into a table.
type ImportedTable struct {
	Rows int64 `json:"rows"`
}
