package ayb

import (
	"cmp"
	"context"
	"time"

	"gocloud.dev/blob"

	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot"
	"ayb/store"
)

// SnapshotConfig says where snapshots go and how they are taken.
type SnapshotConfig struct {
	// Bucket is where snapshots are kept. It stays the caller's, who closes it
	// after the engine; blob.PrefixedBucket makes one that keeps everything under a
	// prefix. Nil: no snapshots are taken. What changes meanwhile is remembered,
	// and in the first round after there is a bucket.
	Bucket *blob.Bucket

	// Name tells the bucket from others, for example by its URL. When another name
	// is given than the last time, everything counts as changed, since nothing of it
	// is in the new bucket. It is stored as a hash. May be empty if it is always the
	// same bucket.
	Name string

	// Directory is snapshot.Options.Directory: the path of the bucket, if it is a
	// directory.
	Directory string

	// SetMetadata is snapshot.Options.SetMetadata: what the bucket's driver needs
	// to change the metadata of an object without sending it again. May be nil.
	SetMetadata func(as func(any) bool, metadata map[string]string) bool

	// Method is how a database is copied: CopyVacuum, the default, or CopyPages.
	Method hosting.CopyMethod

	// Interval is the time between two rounds, in each of which every database that
	// has changed gets a snapshot. 0: no rounds, only CreateSnapshot.
	Interval time.Duration

	// MaxSnapshots is how many snapshots of rounds are kept of a database, the
	// newest; 0: all.
	MaxSnapshots int

	// KeepReplaced is how long the state is kept that a restore or an import has
	// replaced, also if no snapshots are taken. 0: 7 days.
	KeepReplaced time.Duration

	// KeepMetadata is how many copies of the metadata are kept in the bucket, the
	// newest. 0: 5.
	KeepMetadata int

	// Parallel is how many snapshots a round takes at once, and how many are taken
	// at once because somebody asks. Each has a copy of its database on disk. 0: 2.
	Parallel int

	// BytesPerSecond bounds what all transfers to and from the bucket have together,
	// compressed. 0: no bound.
	BytesPerSecond int64
}

// minInterval keeps rounds from following each other without a pause.
const minInterval = time.Second

// problems returns everything that is wrong with the configuration.
func (c SnapshotConfig) problems() (problems []error) {
	problem := func(text string) { problems = append(problems, fault.New(fault.Invalid, "%s", text)) }
	switch {
	case c.Interval < 0:
		problem("Config.Snapshots.Interval is negative")
	case c.Interval > 0 && c.Interval < minInterval:
		problem("Config.Snapshots.Interval must be at least a second")
	}
	if c.MaxSnapshots < 0 {
		problem("Config.Snapshots.MaxSnapshots is negative")
	}
	if c.KeepReplaced < 0 {
		problem("Config.Snapshots.KeepReplaced is negative")
	}
	if c.KeepMetadata < 0 {
		problem("Config.Snapshots.KeepMetadata is negative")
	}
	if c.Parallel < 0 {
		problem("Config.Snapshots.Parallel is negative")
	}
	if c.BytesPerSecond < 0 {
		problem("Config.Snapshots.BytesPerSecond is negative")
	}
	if c.Method > hosting.CopyPages {
		problem("Config.Snapshots.Method is none of the methods that there are")
	}
	return problems
}

// withDefaults returns the configuration with every unset field set.
func (c SnapshotConfig) withDefaults() SnapshotConfig {
	c.KeepReplaced = cmp.Or(c.KeepReplaced, 7*24*time.Hour)
	c.KeepMetadata = cmp.Or(c.KeepMetadata, 5)
	c.Parallel = cmp.Or(c.Parallel, 2)
	return c
}

// policy says which snapshots are pruned.
func (c SnapshotConfig) policy() snapshot.Policy {
	return snapshot.Policy{Max: c.MaxSnapshots, KeepReplaced: c.KeepReplaced}
}

// openVault returns the vault in the bucket; nil if there is none.
func openVault(ctx context.Context, cfg Config, metadata *store.Store) (*snapshot.Vault, error) {
	if cfg.Snapshots.Bucket == nil {
		return nil, nil
	}
	isNew, err := metadata.UseBucket(ctx, cfg.Snapshots.bucketID())
	if err != nil {
		return nil, err
	}
	if isNew {
		cfg.Logger.InfoContext(ctx, "snapshots go to a bucket that was not used before; the next round takes one of every database")
	}
	return newVault(cfg), nil
}

func newVault(cfg Config) *snapshot.Vault {
	return snapshot.New(cfg.Snapshots.Bucket, snapshot.Options{
		BytesPerSecond: cfg.Snapshots.BytesPerSecond, Directory: cfg.Snapshots.Directory, SetMetadata: cfg.Snapshots.SetMetadata, Logger: cfg.Logger, Now: cfg.Now,
	})
}
