package main

import (
	"context"
	"iter"
	"strings"

	"ayb/catalog"
	"ayb/fault"
	"ayb/operator"
)

// snapshotsCommand is "ayb snapshots": what whoever runs a server does with the
// snapshots of all databases.
type snapshotsCommand struct {
	Drill drillCommand `cmd:"" help:"Restore the newest snapshot of each database to a scratch place, and check all of it."`
}

// drillCommand is "ayb snapshots drill".
type drillCommand struct {
	configFlag
	formatOption
	Name string `arg:"" optional:"" name:"name" help:"An entity, or a database as entity/database; without, all databases."`
}

// Help says what it costs.
func (drillCommand) Help() string {
	return `A snapshot that can't be restored is none. A drill downloads the newest one of
each database, one after the other, checks its hash and every page, and throws it
away; the databases themselves are not touched. What is proven is shown by ayb
client database_details. The exit status is 1 if any could not be restored.

For the user who runs the server, on the same machine and with the same
configuration.

Examples:
  ayb snapshots drill
  ayb snapshots drill alice/big.sqlite`
}

// Run drills, and fails if any database is not proven to be restorable.
func (cmd drillCommand) Run(c *connection) error {
	columns := []listColumn{{title: "Database"}, {title: "Snapshot", null: "none"}, {title: "Taken", null: ""}, {title: "Result"}}
	return cmd.administer(c, func(ctx context.Context, door *operator.Client) error {
		drills, err := cmd.drills(ctx, door)
		if err != nil {
			return err
		}
		failed, all := 0, 0
		row := func(d operator.Drill) listRow {
			all++
			name := text(string(d.Entity) + "/" + string(d.Database))
			switch {
			case !d.HasSnapshot():
				return listRow{name, catalog.NullValue(), catalog.NullValue(), text("no snapshot yet")}
			case d.Failure != "":
				failed++
				return listRow{name, text(d.Snapshot), text(withFraction(d.Taken, "2006-01-02T15:04:05", "+00:00")), text("FAILED: " + d.Failure)}
			}
			return listRow{name, text(d.Snapshot), text(withFraction(d.Taken, "2006-01-02T15:04:05", "+00:00")), text("restorable")}
		}
		if err := list(c, cmd.Format, columns, drills, row, "No databases"); err != nil {
			return err
		}
		if failed > 0 {
			return fault.New(fault.Unavailable, "%d of %d databases can't be restored from their newest snapshot; the server's log says why. Take new snapshots of them with ayb client create_snapshot, and look after the bucket", failed, all)
		}
		return nil
	})
}

// drills returns the drills that are asked for.
func (cmd drillCommand) drills(ctx context.Context, door *operator.Client) (iter.Seq2[operator.Drill, error], error) {
	if !strings.Contains(cmd.Name, "/") {
		if cmd.Name != "" {
			if _, err := catalog.ParseEntitySlug(cmd.Name); err != nil {
				return nil, err
			}
		}
		return door.Drills(ctx, cmd.Name), nil
	}
	ref, err := catalog.ParseRef(cmd.Name)
	if err != nil {
		return nil, err
	}
	return func(yield func(operator.Drill, error) bool) { yield(door.Drill(ctx, ref)) }, nil
}
