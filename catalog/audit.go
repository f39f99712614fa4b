package catalog

import "time"

// An AuditRecord says who did what to what, and how it ended. Queries that
// succeed are not recorded one by one; see [QueryCount].
type AuditRecord struct {
	ID       ID // also the order of records
	Time     time.Time
	Entity   ID     // who; zero for the system and for anonymous callers
	System   bool   // the host itself did it
	Token    string // short half of the token used, or empty
	Address  string // where from, or empty
	Action   string // what, by the name of its row in the policy table
	Database ID     // to which database, or zero
	Subject  string // what it was about, as named: entity, entity/database or token
	Outcome  string // ok, or the kind of fault
}

// A QueryCount says how many queries of one sort were made in one minute.
type QueryCount struct {
	Minute   time.Time // truncated to the minute
	Entity   ID        // zero for the system and for anonymous callers
	Token    string    // short half of the token used, or empty
	Database ID
	Count    int64
}
