package auth

import "ayb/catalog"

// An Action is one thing that a caller may ask of the engine. The zero Action is
// none, and refused to everybody.
type Action uint8

// The actions on one database that exists.
const (
	Details Action = 1 + iota
	Query
	Write
	Export
	Import
	ListGrants
	ListSnapshots
	CreateSnapshot
	RestoreSnapshot
	DeleteSnapshot
	Share
	SetPublic
	SetAnonymousQueries
	RenameDatabase
	TransferDatabase
	WithdrawOffer
	DeleteDatabase
	SetDatabaseQuota
	DrillSnapshots

	// The actions on an account. Bringing back a deleted database is one of
	// them: as long as it is deleted, nobody but its owner has to do with it.
	UndeleteDatabase
	ListDeleted
	CreateDatabase
	ListOffers
	AcceptOffer
	DeclineOffer
	ListDatabases
	ListShared
	ViewProfile
	UpdateProfile
	RenameEntity
	DeleteEntity
	CreateToken
	ListTokens
	RevokeToken
	ViewUsage
	SetQuota
	WhoAmI

	// The actions on the members of an organization. ChangeMember is about those
	// who are, and become, no more than members; ChangeOfficer about the others.
	// LeaveOrganization ends the caller's own membership.
	ListMembers
	ListMemberships
	ChangeMember
	ChangeOfficer
	LeaveOrganization

	// The actions on the host as a whole. The first three are how accounts come
	// about; what proves that they are rightful is not the caller but the e-mail.
	Register
	LogIn
	Confirm
	CreateEntity
	UndeleteEntity
	ListEntities
	ListUsage
	ReadAudit
	Purge

	endOfActions // keep last
)

// A Trail says what the audit trail keeps of an action.
type Trail uint8

// The kinds of trail. Refusals are recorded under each of them.
const (
	Recorded Trail = iota // each call, with its outcome
	Counted               // how many per minute
	Refusals              // nothing else: looking is too common and changes nothing
)

// target says what an action is about, and so how a caller is related to it.
type target uint8

const (
	aDatabase target = iota
	anAccount
	aMembership // the caller's own
	theHost
)

// relation is how a caller is related to what an action is about, in rising
// order: each may do whatever those before it may.
type relation uint8

const (
	stranger    relation = iota
	sees                 // the database is public, at the least as forkable
	reads                // by the public level or a grant
	writes               // by a grant, or as a member of the organization that owns it
	manages              // by a grant
	belongs              // to the organization, as a member
	administers          // the organization, or its database, as an admin
	owns                 // the database, or is the account, or owns the organization
	isTheHost            // catalog.Principal.System
	noRelation           // stronger than all
)

// A rule is one row of the policy table.
type rule struct {
	name   string   // in the audit trail; also what exists in this table
	target target   // what it is about
	least  relation // the weakest that may do it

	// scope is the lowest limit of a token that still lets it through.
	// catalog.Owner stands for "only a token without a limit".
	scope catalog.Access

	// narrow lets a token through that is limited to a database although the
	// action is not about that database.
	narrow bool

	trail  Trail
	phrase string // as in "can't query database E/D"
}

// rules is the policy: who may do what. An action without a row is refused.
var rules = [endOfActions]rule{
	Details: {name: "details", target: aDatabase, least: sees, scope: catalog.ReadOnly, trail: Refusals, phrase: "access database"},
	Query:   {name: "query", target: aDatabase, least: reads, scope: catalog.ReadOnly, trail: Counted, phrase: "query database"},
	Write:   {name: "write", target: aDatabase, least: writes, scope: catalog.ReadWrite, trail: Counted, phrase: "query database"},
	// A copy of everything shows no more than queries do.
	Export: {name: "export", target: aDatabase, least: reads, scope: catalog.ReadOnly, phrase: "export database"},
	// To fill a database takes as much as to restore a snapshot of it.
	Import:     {name: "import", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "import into database"},
	ListGrants: {name: "list_grants", target: aDatabase, least: manages, scope: catalog.Manager, trail: Refusals, phrase: "list permissions for database"},
	// A snapshot is what is left when somebody has written over the data, so more is
	// needed to delete one than to write.
	ListSnapshots:       {name: "list_snapshots", target: aDatabase, least: manages, scope: catalog.Manager, trail: Refusals, phrase: "manage snapshots on database"},
	CreateSnapshot:      {name: "create_snapshot", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "manage snapshots on database"},
	RestoreSnapshot:     {name: "restore_snapshot", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "manage snapshots on database"},
	DeleteSnapshot:      {name: "delete_snapshot", target: aDatabase, least: owns, scope: catalog.Owner, phrase: "delete snapshots of database"},
	Share:               {name: "share", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "set permissions for database"},
	SetPublic:           {name: "set_public", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "update database"},
	SetAnonymousQueries: {name: "set_anonymous_queries", target: aDatabase, least: manages, scope: catalog.Manager, phrase: "update database"},
	RenameDatabase:      {name: "rename_database", target: aDatabase, least: administers, scope: catalog.Owner, phrase: "rename database"},
	TransferDatabase:    {name: "transfer_database", target: aDatabase, least: owns, scope: catalog.Owner, phrase: "transfer database"},
	WithdrawOffer:       {name: "withdraw_offer", target: aDatabase, least: owns, scope: catalog.Owner, phrase: "withdraw the offer of database"},
	DeleteDatabase:      {name: "delete_database", target: aDatabase, least: owns, scope: catalog.Owner, phrase: "delete database"},
	SetDatabaseQuota:    {name: "set_database_quota", target: aDatabase, least: isTheHost, scope: catalog.Owner, phrase: "set the quota of database"},
	DrillSnapshots:      {name: "drill_snapshots", target: aDatabase, least: isTheHost, scope: catalog.Owner, phrase: "drill the snapshots of database"},

	UndeleteDatabase: {name: "undelete_database", target: anAccount, least: owns, scope: catalog.Owner, phrase: "undelete database"},
	ListDeleted:      {name: "list_deleted", target: anAccount, least: owns, scope: catalog.Owner, trail: Refusals, phrase: "list the deleted databases of entity"},
	CreateDatabase:   {name: "create_database", target: anAccount, least: administers, scope: catalog.Owner, phrase: "create a database for entity"},
	// Who accepts a database for an entity might as well have created it there.
	ListOffers:    {name: "list_offers", target: anAccount, least: administers, scope: catalog.Owner, trail: Refusals, phrase: "list the offers to and of entity"},
	AcceptOffer:   {name: "accept_offer", target: anAccount, least: administers, scope: catalog.Owner, phrase: "accept databases for entity"},
	DeclineOffer:  {name: "decline_offer", target: anAccount, least: administers, scope: catalog.Owner, phrase: "decline databases for entity"},
	ListDatabases: {name: "list_databases", target: anAccount, least: stranger, scope: catalog.ReadOnly, narrow: true, trail: Refusals, phrase: "list the databases of entity"},
	ListShared:    {name: "list_shared", target: anAccount, least: owns, scope: catalog.ReadOnly, trail: Refusals, phrase: "list shared databases"},
	ViewProfile:   {name: "view_profile", target: anAccount, least: stranger, scope: catalog.ReadOnly, narrow: true, trail: Refusals, phrase: "view the profile of entity"},
	UpdateProfile: {name: "update_profile", target: anAccount, least: owns, scope: catalog.Owner, phrase: "update the profile of entity"},
	RenameEntity:  {name: "rename_entity", target: anAccount, least: owns, scope: catalog.Owner, phrase: "rename entity"},
	DeleteEntity:  {name: "delete_entity", target: anAccount, least: owns, scope: catalog.Owner, phrase: "delete entity"},
	CreateToken:   {name: "create_token", target: anAccount, least: owns, scope: catalog.Owner, phrase: "create a token for entity"},
	ListTokens:    {name: "list_tokens", target: anAccount, least: owns, scope: catalog.Owner, trail: Refusals, phrase: "list API tokens"},
	RevokeToken:   {name: "revoke_token", target: anAccount, least: owns, scope: catalog.Owner, phrase: "revoke API token"},
	ViewUsage:     {name: "view_usage", target: anAccount, least: administers, scope: catalog.Owner, trail: Refusals, phrase: "view the usage of entity"},
	SetQuota:      {name: "set_quota", target: anAccount, least: isTheHost, scope: catalog.Owner, phrase: "set the quota of entity"},
	// Whoever holds a token may know what it is, however limited it is.
	WhoAmI: {name: "who_am_i", target: anAccount, least: owns, scope: catalog.ReadOnly, narrow: true, trail: Refusals, phrase: "ask who you are"},

	ListMembers:       {name: "list_members", target: anAccount, least: belongs, scope: catalog.ReadOnly, trail: Refusals, phrase: "list the members of organization"},
	ListMemberships:   {name: "list_memberships", target: anAccount, least: owns, scope: catalog.ReadOnly, trail: Refusals, phrase: "list memberships"},
	ChangeMember:      {name: "change_member", target: anAccount, least: administers, scope: catalog.Owner, phrase: "change the members of organization"},
	ChangeOfficer:     {name: "change_officer", target: anAccount, least: owns, scope: catalog.Owner, phrase: "change the admins and owners of organization"},
	LeaveOrganization: {name: "leave_organization", target: aMembership, least: belongs, scope: catalog.Owner, phrase: "leave organization"},

	Register:       {name: "register", target: theHost, least: stranger, scope: catalog.ReadOnly, narrow: true, phrase: "register"},
	LogIn:          {name: "log_in", target: theHost, least: stranger, scope: catalog.ReadOnly, narrow: true, phrase: "log in"},
	Confirm:        {name: "confirm", target: theHost, least: stranger, scope: catalog.ReadOnly, narrow: true, phrase: "confirm"},
	CreateEntity:   {name: "create_entity", target: theHost, least: isTheHost, scope: catalog.Owner, phrase: "create entity"},
	UndeleteEntity: {name: "undelete_entity", target: theHost, least: isTheHost, scope: catalog.Owner, phrase: "undelete entity"},
	ListEntities:   {name: "list_entities", target: theHost, least: isTheHost, scope: catalog.Owner, trail: Refusals, phrase: "list entities"},
	ListUsage:      {name: "list_usage", target: theHost, least: isTheHost, scope: catalog.Owner, trail: Refusals, phrase: "list the usage of entities"},
	ReadAudit:      {name: "read_audit", target: theHost, least: isTheHost, scope: catalog.Owner, trail: Refusals, phrase: "read the audit trail"},
	Purge:          {name: "purge", target: theHost, least: isTheHost, scope: catalog.Owner, phrase: "purge what was deleted"},
}

// Actions returns every action, in the order of the table.
func Actions() []Action {
	all := make([]Action, 0, len(rules))
	for a := Action(1); a < endOfActions; a++ {
		all = append(all, a)
	}
	return all
}

// rule returns the row of an action; that of an unknown one lets nobody through.
func (a Action) rule() rule {
	if a >= endOfActions || rules[a].name == "" {
		return rule{target: theHost, least: noRelation, scope: catalog.Owner}
	}
	return rules[a]
}

// String returns the name of the action in the audit trail, for example
// create_database; empty if the action is unknown.
func (a Action) String() string { return a.rule().name }

// Trail returns what the audit trail keeps of the action.
func (a Action) Trail() Trail { return a.rule().trail }
