// Package walls names the defences of ayb one by one, so that a test can take
// each of them down and show that an attack succeeds without it. An attack that
// fails just the same without its wall proves nothing about the wall.
//
// Configurations have a field of type [Down]. Its type is internal, so nobody
// outside this module can set it, and its zero value leaves every wall standing.
// Walls that are bounds of the configuration (limits.query_time) are not here:
// the test sets the bound out of reach.
package walls

import (
	"fmt"
	"slices"
)

// A Wall is one defence.
type Wall uint8

// The walls of package hosting.
const (
	Attach        Wall = iota // the guard refuses what it does not know, ATTACH and DETACH before all
	AttachLimit               // SQLite's own limit of attached databases is 0
	VacuumInto                // VACUUM INTO is refused
	Functions                 // the guard refuses functions
	Modules                   // the guard refuses modules of virtual tables
	Pragmas                   // the guard refuses pragmas that are the host's
	Shared                    // the guard keeps pragmas and temporary objects off shared connections
	Explain                   // the guard refuses EXPLAIN of a PRAGMA
	Refused                   // functions that are refused are replaced by refusals
	Replaced                  // slow built-in functions are replaced
	Defensive                 // SQLITE_DBCONFIG_DEFENSIVE
	TrustedSchema             // SQLITE_DBCONFIG_TRUSTED_SCHEMA is off
	Jail                      // the file system of a connection is its database's files; down, the scratch directory too
	NoFollow                  // the files of a database are not opened through links
	Recover                   // a panic in SQLite ends the query, not the program
	Retire                    // a connection that has grown is closed
	ReadOnly                  // a job of class Read runs on a connection that cannot write
	Transactions              // BEGIN, COMMIT and VACUUM cannot stand within a text
	Sentences                 // what goes wrong is told in sentences of ours, not in those of the system
	Rollback                  // what a text has left open is rolled back
	ForeignKeys               // PRAGMA foreign_keys=OFF ends with its text
	WholeText                 // a text that is not UTF-8, or holds a NUL, is refused
	LastRow                   // the last row id of another's text is forgotten
	LongReaders               // who keeps the log from beginning anew is ended

	// The walls of the engine.
	Policy       // the policy table
	Scope        // a token's scope caps what its entity may do
	Hiding       // what a caller may not see does not exist
	Tokens       // revoked, expired and idle tokens are refused
	Proof        // the long half of a token is compared
	Expiry       // a token lapses with the one it was made by
	Recheck      // a session, and an import that has arrived, look at their caller's rights again
	OwnTokens    // the metadata is asked for tokens of the caller only
	OneUse       // a token from an e-mail works once
	SecretEmails // whether an address is known is not told

	// The walls of the HTTP API.
	ExactPaths  // a path is matched as it was sent
	OneHeader   // a header that counts may be sent once
	CleanIDs    // an id that a client makes up is looked at
	CancelOwn   // a query is cancelled by its own caller only
	PublicLinks // links are looked up at public addresses only
	UnreadBody  // no answer waits for a body that nobody reads

	end
)

// names are the walls as the descriptions of attacks write them.
var names = [end]string{
	Attach: "attach", AttachLimit: "attach limit", VacuumInto: "vacuum into", Functions: "functions", Modules: "modules",
	Pragmas: "pragmas", Shared: "shared connections", Explain: "explain", Refused: "refused functions", Replaced: "replaced functions", Defensive: "defensive",
	TrustedSchema: "trusted schema", Jail: "jail", NoFollow: "no links", Recover: "recover", Retire: "retire", ReadOnly: "read only",
	Transactions: "transactions", Sentences: "sentences", Rollback: "rollback", ForeignKeys: "foreign keys", WholeText: "whole text",
	LastRow: "last row", LongReaders: "long readers",
	Policy: "policy", Scope: "scope", Hiding: "hiding", Tokens: "tokens", Proof: "proof", Expiry: "expiry", Recheck: "recheck",
	OwnTokens: "own tokens", OneUse: "one use", SecretEmails: "secret e-mails",
	ExactPaths: "exact paths", OneHeader: "one header", CleanIDs: "clean ids", CancelOwn: "cancel own", PublicLinks: "public links", UnreadBody: "unread body",
}

// String returns the name.
func (w Wall) String() string { return names[w] }

// All returns every wall.
func All() []Wall {
	all := make([]Wall, end)
	for i := range all {
		all[i] = Wall(i)
	}
	return all
}

// Parse returns the wall of a name.
func Parse(name string) (Wall, error) {
	if i := slices.Index(names[:], name); i >= 0 {
		return Wall(i), nil
	}
	return 0, fmt.Errorf("there is no wall %q", name)
}

// Down is a set of walls that are down. It is a value: to copy it is to share
// nothing.
type Down struct {
	set uint64

	// Scratch is the directory that attacks may reach when the jail is down, so
	// that none gets at the machine. Empty: none.
	Scratch string
}

// Without returns the set of these walls.
func Without(scratch string, walls ...Wall) Down {
	d := Down{Scratch: scratch}
	for _, w := range walls {
		d.set |= 1 << w
	}
	return d
}

// Has reports whether a wall is down.
func (d Down) Has(w Wall) bool { return d.set>>w&1 != 0 }
