// Package inflection stands in for the package of this path, from which bun takes
// the plural of a type's name for the name of its table. Our tables are all named
// where their types are. The other package compiles 50 regular expressions when a
// program starts, used or not: a millisecond and half a megabyte, which each worker
// process pays again.
package inflection

// Plural returns the name with an "s".
func Plural(name string) string { return name + "s" }
