package ayb

// An Observer is told what an [Engine] does, for metrics and the like. Each
// field may be nil. The functions are called on the goroutine of the call they
// are about, at the same time from many, and must be quick.
type Observer struct {
	// Query is told of every query that was run, however it ended.
	Query func(QueryEvent)

	// Audit is told of every record as it is made, before it is stored.
	Audit func(AuditRecord)
}

// A QueryEvent is one query that has been run.
type QueryEvent struct {
	Principal Principal
	Database  Database
	Summary   Summary
	Err       error // nil if it succeeded
}
