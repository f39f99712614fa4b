package shell

import (
	"context"
	"reflect"
	"testing"

	"ayb/catalog"
	"ayb/internal/format"
)

// answering is a database that answers everything with the same rows.
type answering [][]string

func (a answering) Run(_ context.Context, _ catalog.Statement, sink Sink) (sum catalog.Summary, err error) {
	for _, row := range a {
		if err := sink.Row(format.Strings(row)); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func TestSchema_offers_no_name_that_commands_a_terminal(t *testing.T) {
	s := schema{db: answering{{"a\x1b]0;title\x07", "x"}, {"b\nDROP TABLE c", "y"}, {"place", "name"}, {"place", "p\x1b[31m"}, {"place", "größe"}, {"x\u202ey", "z"}}}
	s.load(t.Context())
	if want := []string{"place"}; !reflect.DeepEqual(s.tables, want) {
		t.Errorf("tables %q, want %q", s.tables, want)
	}
	if got, want := s.columns(""), []string{"größe", "name"}; !reflect.DeepEqual(got, want) {
		t.Errorf("columns %q, want %q", got, want)
	}
}
