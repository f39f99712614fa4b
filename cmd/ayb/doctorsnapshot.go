package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"ayb/fault"
	"ayb/snapshot"
)

// examineSnapshots asks the bucket whether it is there, and stores and removes a
// small file: only that shows whether the server may write.
func (c *config) examineSnapshots(ctx context.Context) (list []finding) {
	const subject = "snapshots"
	if !c.Snapshots.isSet() {
		return []finding{found(warning, subject, "not configured, so that data is lost with this machine; set [snapshots], or back up %s by other means while the server is stopped", c.DataPath)}
	}
	if err := c.Snapshots.try(ctx); err != nil {
		return []finding{found(broken, subject, "%s", plain(err))}
	}
	if len(c.engine().EmailKeys) == 0 {
		list = append(list, found(warning, subject, "the key of e-mail tokens is in %s alone, and ayb recover asks for it; set authentication.fernet_key to what is in there, and keep the configuration elsewhere too", filepath.Join(c.DataPath, "fernet.key")))
	}
	if !c.Snapshots.Automation.isSet {
		return append(list, found(warning, subject, "the bucket works, but there are no rounds, so that snapshots are taken only if somebody asks, and none of the metadata; set [snapshots.automation]"))
	}
	return append(list, found(fine, subject, "the bucket works; rounds every %s", formatDuration(c.Snapshots.Automation.Interval)))
}

// try stores a file in the bucket and removes it.
func (c *snapshotConfig) try(ctx context.Context) error {
	const name = "doctor"
	bucket, err := openBucket(ctx, c.bucketConfig)
	if err != nil {
		return err
	}
	defer bucket.Close()
	vault := snapshot.New(bucket, snapshot.Options{Directory: c.directory(), Patience: checkTime})
	if err := vault.Check(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ayb-doctor-")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "No temporary file can be made")
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "No temporary file can be made")
	}
	defer f.Close()
	if _, err := f.WriteString("ayb doctor was here\n"); err != nil {
		return fault.Wrap(fault.Unavailable, err, "No temporary file can be written")
	}
	file, err := snapshot.Hash(ctx, f)
	if err != nil {
		return err
	}
	if err := vault.PutFile(ctx, name, file, time.Now()); err != nil {
		return err
	}
	return vault.DeleteFile(ctx, name)
}
