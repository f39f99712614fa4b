package catalog

import (
	"database/sql"
	"time"
)

// A Statement is SQL text, one statement or several, with the values of its
// parameters.
type Statement struct {
	SQL  string
	Args []Arg
}

// An Arg is the value of one parameter. A positional argument has no name; a
// named one binds :name, @name and $name alike and is written without the sign.
type Arg struct {
	Name  string
	Value Value
}

// Named returns a named argument for [NewStatement]. It panics if value is of a
// type that [ValueOf] refuses.
func Named(name string, value any) Arg {
	v, err := ValueOf(value)
	if err != nil {
		panic("catalog: " + err.Error())
	}
	return Arg{Name: name, Value: v}
}

// NewStatement returns a statement with arguments converted by [ValueOf];
// [Arg] and sql.NamedArg name their parameter, all others are positional.
// Errors: [fault.Invalid].
func NewStatement(text string, args ...any) (Statement, error) {
	st := Statement{SQL: text}
	if len(args) == 0 {
		return st, nil
	}
	st.Args = make([]Arg, len(args))
	for i, arg := range args {
		switch a := arg.(type) {
		case Arg:
			st.Args[i] = a
			continue
		case sql.NamedArg:
			st.Args[i].Name, arg = a.Name, a.Value
		}
		var err error
		if st.Args[i].Value, err = ValueOf(arg); err != nil {
			return Statement{}, err
		}
	}
	return st, nil
}

// A Column describes one column of a result.
type Column struct {
	Name string // as SQLite reports it; names may repeat
	Decl string // declared type of the table column behind it; empty for an expression
}

// A Row is a row that is being read. It and the slices it returns are valid
// until the call that was given the row returns, and for one goroutine only;
// take a Value to keep one. The index i runs from 0 to Len()-1; Row panics
// beyond.
type Row interface {
	Len() int
	Type(i int) ValueType
	Int64(i int) int64     // of an integer; 0 otherwise
	Float64(i int) float64 // of a real; 0 otherwise
	Bytes(i int) []byte    // of a text or a blob, not to be changed; nil otherwise
	Value(i int) Value     // a copy to keep
}

// A Summary says what a query did.
type Summary struct {
	Rows            int64         // rows answered
	Changes         int64         // rows inserted, updated or deleted, triggers not counted
	LastInsertRowID int64         // rowid of the last row inserted by this query; 0 if none
	Wrote           bool          // whether the text held a statement that may write
	Elapsed         time.Duration // from the start of execution to its end, waiting excluded
}

// A Result is the answer to a query, read to its end.
type Result struct {
	Columns []Column  // empty if the statement answers none; shared, not to be changed
	Rows    [][]Value // never nil if there are columns
	Summary
}

// Values returns a copy of a row to keep.
func Values(row Row) []Value {
	vals := make([]Value, row.Len())
	for i := range vals {
		vals[i] = row.Value(i)
	}
	return vals
}
