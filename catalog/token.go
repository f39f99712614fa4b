package catalog

import "time"

// A Token is what an API token stands for. The secret itself is never kept; see
// package auth.
type Token struct {
	Short   string // public half of the token, unique; safe to show and to log
	Entity  ID     // whom it speaks for
	Scope   Scope
	AppName string // the application it was made for; empty if the entity made it
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not revoked
	Used    time.Time // last use, to the hour; zero: never used
}

// A Scope caps everything a token may do, whatever its entity may do. The zero
// Scope caps nothing.
type Scope struct {
	// Database limits the token to one database: every other database, and
	// everything that concerns the account, is refused. Zero: no such limit.
	Database ID

	// Access is the most the token may do with a database: ReadOnly, ReadWrite,
	// or Manager. Zero (NoAccess) sets no limit. A token with a limit of
	// ReadOnly or ReadWrite may query and look, and change nothing else.
	Access Access
}

// IsZero reports whether the scope caps nothing.
func (s Scope) IsZero() bool { return s == Scope{} }
