package main

import (
	"iter"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/internal/format"
)

// A formatOption is how a list is printed.
type formatOption struct {
	Format format.Mode `name:"format" enum:"table,csv,json,jsonl" default:"table" help:"How to print it."`
}

// A listColumn is a column of a list.
type listColumn struct {
	title string
	null  string // what people read where there is nothing
}

// key returns what programs know a column by.
func (l listColumn) key() string { return strings.ReplaceAll(strings.ToLower(l.title), " ", "_") }

// A listRow has a value for each column: a text or NULL.
type listRow = format.Values

// list prints a list, or says that it is empty. What arrived before a failure is
// printed as far as it can be.
func list[T any](c *connection, mode format.Mode, columns []listColumn, items iter.Seq2[T, error], row func(T) listRow, none string) error {
	var w format.Writer
	for item, err := range items {
		if err != nil {
			return err
		}
		if w == nil {
			if w, err = c.listWriter(mode, columns); err != nil {
				return err
			}
		}
		if err := w.Row(peopled(mode, columns, row(item))); err != nil {
			return err
		}
	}
	switch {
	case w != nil:
		return w.End()
	case mode.ForPeople():
		c.say("%s", none)
		return nil
	}
	w, err := c.listWriter(mode, columns)
	if err != nil {
		return err
	}
	return w.End()
}

func (c *connection) listWriter(mode format.Mode, columns []listColumn) (format.Writer, error) {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.title
		if !mode.ForPeople() {
			names[i] = column.key()
		}
	}
	w := format.New(mode, c.out, format.Options{Terminal: isTerminal(c.out)})
	return w, w.Columns(format.Names(names...))
}

// peopled returns a row in which people find a word where there is nothing.
func peopled(mode format.Mode, columns []listColumn, row listRow) listRow {
	if mode.ForPeople() {
		for i, value := range row {
			if value.Type() == catalog.Null {
				row[i] = catalog.TextValue(columns[i].null)
			}
		}
	}
	return row
}

// text returns a text for a list; NULL for an empty one.
func text(s string) catalog.Value {
	if s == "" {
		return catalog.NullValue()
	}
	return catalog.TextValue(s)
}

// moment returns a time for a list, as the API writes those of tokens; NULL for
// the zero time.
func moment(t time.Time) catalog.Value {
	if t.IsZero() {
		return catalog.NullValue()
	}
	return catalog.TextValue(withFraction(t, "2006-01-02 15:04:05", ""))
}
