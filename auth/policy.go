package auth

import (
	"strings"

	"ayb/catalog"
	"ayb/fault"
)

// A Question asks whether a caller may do something. Fields that the action is
// not about are ignored.
type Question struct {
	Action Action
	Caller catalog.Principal

	// Database is what an action on a database is about; nil counts as one that
	// nobody may see. To ask about a database that does not exist, give one
	// that has the owner it would have and nothing else.
	Database *catalog.Database

	// Grant is what the caller has been granted on the database.
	Grant catalog.Access

	// Entity is whom an action on an account is about.
	Entity catalog.ID

	// Role is the caller's, in the organization that owns the database or is the
	// entity. NoRole if they are no organization.
	Role catalog.Role

	// Token is the short half of the token that RevokeToken is about.
	Token string
}

// A Verdict is the answer to a Question.
type Verdict uint8

// The verdicts. Refused is for a caller who may know that the thing exists;
// Hidden demands an answer that is the same whether it exists or not.
const (
	Refused Verdict = iota
	Hidden
	Allowed
)

// Allow answers a Question by the policy table. It is pure and allocates
// nothing.
//
// An action is allowed if the caller's relation to the thing is strong enough
// and, for a caller that came with a token, the token's scope lets it through;
// a scope never adds to what the entity may do.
func Allow(q Question) Verdict {
	rule := q.Action.rule()
	relation := q.relation(rule.target)
	if rule.target == aDatabase && (relation < sees || !q.inScope()) {
		return Hidden
	}
	if relation < rule.least || !q.scopeAllows(rule) {
		return Refused
	}
	return Allowed
}

// relation returns how the caller is related to what the question is about.
func (q Question) relation(target target) relation {
	switch caller := q.Caller; {
	case caller.System:
		return isTheHost
	case target == aDatabase:
		return q.toDatabase()
	case caller.Anonymous():
		return stranger
	case target == anAccount && caller.Entity == q.Entity:
		return owns
	case target == anAccount || target == aMembership:
		return toOrganization(q.Role)
	}
	return stranger
}

// toOrganization returns the relation of somebody of that role to the account of
// the organization.
func toOrganization(role catalog.Role) relation {
	switch role {
	case catalog.Member:
		return belongs
	case catalog.Admin:
		return administers
	case catalog.OwnerRole:
		return owns
	}
	return stranger
}

func (q Question) toDatabase() relation {
	db := q.Database
	switch {
	case db == nil:
		return stranger
	case q.Caller.Anonymous():
		return toPublic(db, db.AnonymousQueries)
	case q.Caller.Entity == db.Owner:
		return owns
	}
	// Each may raise what the others give, and none lowers it.
	return max(byRole(q.Role), byGrant(q.Grant), toPublic(db, true))
}

// byRole returns the relation of somebody of that role to a database of the
// organization. A member writes, and is no more to it than that.
func byRole(role catalog.Role) relation {
	if role == catalog.Member {
		return writes
	}
	return toOrganization(role)
}

func byGrant(grant catalog.Access) relation {
	switch grant {
	case catalog.ReadOnly:
		return reads
	case catalog.ReadWrite:
		return writes
	case catalog.Manager:
		return manages
	}
	return stranger
}

// toPublic returns the relation of everybody without a grant.
func toPublic(db *catalog.Database, mayQuery bool) relation {
	switch {
	case db.Public == catalog.PublicReadOnly && mayQuery:
		return reads
	case db.Public == catalog.PublicReadOnly || db.Public == catalog.PublicFork:
		return sees
	}
	return stranger
}

// inScope reports whether the token, if limited to a database, is limited to
// the one in question.
func (q Question) inScope() bool {
	limit := q.Caller.Scope.Database
	return limit.IsZero() || q.Database != nil && q.Database.ID == limit
}

// scopeAllows reports whether the token's scope lets the action through.
func (q Question) scopeAllows(rule rule) bool {
	scope := q.Caller.Scope
	if q.Action == RevokeToken && q.Token != "" && q.Token == q.Caller.Token {
		return true // whoever holds a token may always give it up
	}
	if rule.target != aDatabase && !rule.narrow && !scope.Database.IsZero() {
		return false
	}
	return scope.Access == catalog.NoAccess || scope.Access >= rule.scope
}

// Refusal returns the error for a caller whom [Allow] has answered Refused or
// Hidden. The subject is the name of what the question is about, as the caller
// typed it. The caller's Slug appears in the text.
//
// Kinds: [fault.Unauthenticated] for anonymous callers, [fault.ReadOnly] for a
// write by someone who may only read, [fault.Denied] for all others. A hidden
// thing gives an error that depends on the question alone, never on the thing.
func Refusal(q Question, subject string) error {
	rule := q.Action.rule()
	deed := strings.TrimSpace(rule.phrase + " " + subject)
	switch {
	case q.Action == Write && Allow(q.as(Query)) == Allowed:
		return fault.New(fault.ReadOnly, "Attempted to write to database while in read-only mode")
	case q.Caller.Anonymous() && q.Action == Details:
		return fault.New(fault.Unauthenticated, "Database %s is not accessible", subject)
	case q.Caller.Anonymous():
		return fault.New(fault.Unauthenticated, "Log in to %s", deed)
	case Allow(q) == Refused && Allow(q.unscoped()) == Allowed:
		return fault.New(fault.Denied, "Authenticated entity %s can't %s with this token", q.Caller.Slug, deed)
	}
	return fault.New(fault.Denied, "Authenticated entity %s can't %s", q.Caller.Slug, deed)
}

func (q Question) as(action Action) Question {
	q.Action = action
	return q
}

func (q Question) unscoped() Question {
	q.Caller.Scope = catalog.Scope{}
	return q
}
