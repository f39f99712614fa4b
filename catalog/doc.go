// Package catalog holds the words of ayb: the nouns that every room speaks of,
// and nothing else. It imports the standard library and package fault only, so
// that a client can share the words without linking an engine or a database
// driver. Package ayb re-exports them under the same names.
//
// # Glossary
//
//   - An [Entity] is a user or an organization: someone who owns databases.
//   - A [Database] belongs to one entity and is named entity/database.
//   - A [Slug] is the name of an entity, or of a database within its entity.
//   - A grant gives another entity an [Access] level on one database; the
//     [PublicLevel] says what everybody else may do with it.
//   - A [Token] proves who is calling; its [Scope] caps what the call may do.
//   - A [Principal] is who a call is made for: the system, an entity (perhaps
//     through a token), or nobody in particular.
//   - A [Snapshot] is a copy of a database as it was, named by its content.
//   - A [Value] is one of SQLite's five kinds of value; a [Row] is a row as it
//     is being read, a [Result] one that has been read.
//
// All types are plain values; none is safe for concurrent modification, all are
// safe for concurrent reading.
package catalog
