// Package store keeps ayb's metadata: entities, their addresses and members,
// databases, who may use them, API tokens, and the audit trail. It knows nothing
// of tenants' own tables and decides nothing about who may do what; the engine
// does.
//
// One schema serves two databases. SQLite, in a file beside the tenants' data,
// is the default and is meant for one process at a time. PostgreSQL is for those
// who run one already, or who want several nodes to share one catalogue. All
// differences between the two stand in the files sqlite.go, postgres.go and
// errors.go.
//
// # What holds in both
//
//   - Every change is one transaction, durable when the method returns. A change
//     of which nobody can say whether it was kept, because the connection broke
//     during its commit, is reported as [fault.OutcomeUnknown].
//   - Ids are text, times are microseconds since 1970 in UTC, and text sorts by
//     its bytes; so orders and comparisons are the same everywhere.
//   - Lists have a total order and are read page by page, by key rather than by
//     number, so that rows which come and go meanwhile cause neither gaps nor
//     repeats.
//   - Look-ups that every query needs (an entity or a database by its name, a
//     grant, a role, a token) are answered from a bounded cache, which every change made
//     through the same Store brings up to date before it returns. Changes made
//     through another Store are seen when the cached row has reached its age
//     limit; see [Options].
//
// # Errors
//
// All are [fault.Error]s, found by the drivers' codes. Besides those that a
// method names, each may answer [fault.Unavailable] if the database cannot be
// reached within ten seconds, and [fault.Internal] for a defect; each method
// that changes something may answer OutcomeUnknown, and Invalid for a text
// longer than its column. An error of the caller's own context passes through.
package store
