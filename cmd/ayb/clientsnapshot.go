package main

import (
	"errors"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// listSnapshotsCommand is "ayb client list_snapshots".
type listSnapshotsCommand struct {
	databaseArgument
	formatOption
}

// Run lists the snapshots of a database, newest first.
func (cmd listSnapshotsCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Name"}, {title: "Last modified"}, {title: "Size"}, {title: "Kind"}, {title: "Note"}}
	row := func(s catalog.Snapshot) listRow {
		size := catalog.NullValue() // of a snapshot that an older ayb has taken
		if s.Size > 0 {
			size = catalog.IntegerValue(s.Size)
			if cmd.Format.ForPeople() {
				size = text(readable(s.Size))
			}
		}
		return listRow{text(s.ID), text(withFraction(s.Taken, "2006-01-02T15:04:05", "+00:00")), size, text(s.Kind.String()), text(s.Note)}
	}
	return list(c, cmd.Format, columns, api.AllSnapshots(c.ctx, cmd.ref()), row, "No snapshots for "+cmd.ref())
}

// createSnapshotCommand is "ayb client create_snapshot".
type createSnapshotCommand struct {
	databaseArgument
	Note string `name:"note" placeholder:"TEXT" help:"What there is to say of it, as list_snapshots shows it."`
}

// Run takes a snapshot.
func (cmd createSnapshotCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	s, err := api.CreateSnapshot(c.ctx, cmd.ref(), cmd.Note)
	if err != nil {
		return err
	}
	c.say("Created snapshot %s of %s", s.ID, cmd.ref())
	return nil
}

// deleteSnapshotCommand is "ayb client delete_snapshot".
type deleteSnapshotCommand struct {
	databaseArgument
	Snapshot string `arg:"" name:"snapshot_id" help:"Which one, as list_snapshots shows it."`
	yesOption
}

// Run removes a snapshot.
func (cmd deleteSnapshotCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	if err := cmd.ask(c, "Delete snapshot "+cmd.Snapshot+" of "+cmd.ref()); err != nil {
		return err
	}
	if err := cmd.orMissing(c, cmd.Snapshot, api.DeleteSnapshot(c.ctx, cmd.ref(), cmd.Snapshot)); err != nil {
		return err
	}
	c.say("Deleted snapshot %s of %s", cmd.Snapshot, cmd.ref())
	return nil
}

// orMissing words the error that there is no such snapshot, and says where those
// are that there are.
func (d databaseArgument) orMissing(c *connection, snapshot string, err error) error {
	if answer, ok := errors.AsType[*client.ResponseError](err); ok && answer.Type == wire.SnapshotDoesNotExistError {
		c.advise(fault.NotFound, "list the snapshots that there are with: ayb client list_snapshots "+d.ref())
		return fault.Wrap(fault.NotFound, err, "Snapshot %s does not exist for %s", snapshot, d.Database)
	}
	return err
}

// withFraction formats a time with as many digits behind the second as it takes:
// none, 3, 6 or 9.
func withFraction(t time.Time, layout, zone string) string {
	switch ns := t.Nanosecond(); {
	case ns == 0:
	case ns%1_000_000 == 0:
		layout += ".000"
	case ns%1000 == 0:
		layout += ".000000"
	default:
		layout += ".000000000"
	}
	return t.UTC().Format(layout) + zone
}
