package main

import (
	"errors"
	"time"

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
	columns := []listColumn{{title: "Name"}, {title: "Last modified"}}
	row := func(s client.Snapshot) listRow {
		return listRow{text(s.ID), text(withFraction(s.Modified, "2006-01-02T15:04:05", "+00:00"))}
	}
	return list(c, cmd.Format, columns, api.AllSnapshots(c.ctx, cmd.ref()), row, "No snapshots for "+cmd.ref())
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

// restoreSnapshotCommand is "ayb client restore_snapshot".
type restoreSnapshotCommand struct {
	databaseArgument
	Snapshot string `arg:"" name:"snapshot_id" help:"Which one, as list_snapshots shows it."`
}

// Run puts a database back to what it was.
func (cmd restoreSnapshotCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	err = api.RestoreSnapshot(c.ctx, cmd.ref(), cmd.Snapshot)
	if answer, ok := errors.AsType[*client.ResponseError](err); ok && answer.Type == wire.SnapshotDoesNotExistError {
		c.advise(fault.NotFound, "list the snapshots that there are with: ayb client list_snapshots "+cmd.ref())
		return fault.Wrap(fault.NotFound, err, "Snapshot %s does not exist for %s", cmd.Snapshot, cmd.Database)
	}
	if err != nil {
		return err
	}
	c.say("Restored %s to snapshot %s", cmd.Database, cmd.Snapshot)
	return nil
}
