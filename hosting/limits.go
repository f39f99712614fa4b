package hosting

import (
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/machine"
)

// CheckText refuses what is too large, or no text at all. The limits must have
// their defaults. Errors: TooLarge, Invalid.
func (l Limits) CheckText(st catalog.Statement) error {
	if len(st.SQL) > l.SQLBytes {
		return fault.New(fault.TooLarge, "The SQL is %d bytes long, and limits.sql_bytes allows %d", len(st.SQL), l.SQLBytes)
	}
	if len(st.Args) > l.Parameters {
		return fault.New(fault.TooLarge, "The query has %d parameters, and limits.parameters allows %d", len(st.Args), l.Parameters)
	}
	return validText(st.SQL)
}

// CheckSessions refuses one more session of a caller who has so many of those that
// are open on a database. Errors: Busy.
func (l Limits) CheckSessions(open, mine int) error {
	switch {
	case open >= l.Sessions:
		return fault.Refuse(fault.Sessions, "This database has limits.sessions (%d) sessions open; close one, or try again", l.Sessions)
	case mine >= share(l.Sessions):
		return fault.Refuse(fault.Sessions, "You have %d of the %d sessions open that this database may have (limits.sessions), and the rest is for others; close one, or try again", mine, l.Sessions)
	}
	return nil
}

// CheckQueue refuses one more text of a caller who has so many of those that wait to
// read a database, or to write to it. Of the places to wait one caller has a part.
// Errors: Busy.
func (l Limits) CheckQueue(writes bool, waiting, mine int) error {
	limit, bound, do := l.QueuedReads, "limits.queued_reads", "read"
	if writes {
		limit, bound, do = l.QueuedWrites, "limits.queued_writes", "write to"
	}
	switch {
	case waiting >= limit:
		return fault.Refuse(fault.QueueFull, "More than %s (%d) queries wait to %s this database; try again", bound, limit, do)
	case mine >= share(limit):
		return fault.Refuse(fault.QueueFull, "%d of your queries wait to %s this database, and the rest of %s (%d) is for others; try again when some are answered", mine, do, bound, limit)
	}
	return nil
}

// WithDefaults returns the limits with every zero field set to its default.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&l.QueryTime, 30 * time.Second},
		{&l.MaintenanceTime, 10 * time.Minute},
		{&l.StreamTime, time.Hour},
		{&l.QueueTime, 5 * time.Second},
		{&l.SessionIdle, 10 * time.Second},
		{&l.SessionTime, 5 * time.Minute},
		{&l.SessionWriteTime, 30 * time.Second},
	} {
		orDefault(d.field, d.fallback)
	}
	for _, d := range []struct {
		field    *int
		fallback int
	}{
		{&l.SQLBytes, 1 << 20},
		{&l.Parameters, 32_766},
		{&l.ValueBytes, 1 << 20},
		{&l.LikePatternBytes, 100},
		{&l.ExpressionDepth, 200},
		{&l.CompoundSelect, 100},
		{&l.Columns, 2_000},
		{&l.FunctionArgs, 127},
		{&l.TriggerDepth, 32},
		{&l.ProgramOps, 1_000_000},
		{&l.Readers, 8},
		{&l.QueuedReads, 256},
		{&l.QueuedWrites, 4_096},
		{&l.BatchWrites, 256},
		{&l.Statements, 64},
		{&l.Sessions, 64},
	} {
		orDefault(d.field, d.fallback)
	}
	for _, d := range []struct {
		field    *int64
		fallback int64
	}{
		{&l.ConnectionMemory, 64 << 20},
		{&l.OpenMemory, machine.Memory() / 4},
		{&l.ResultBytes, 100 << 20},
		{&l.TempBytes, 1 << 30},
		{&l.WALBytes, 1 << 30},
	} {
		orDefault(d.field, d.fallback)
	}
	return l
}

func orDefault[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}
