package main

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot"
)

// A snapshotConfig is what an operator says of snapshots.
type snapshotConfig struct {
	bucketConfig
	Method         string
	KeepReplaced   time.Duration
	KeepMetadata   int64
	Parallel       int64
	BytesPerSecond int64
	Automation     struct {
		Interval     time.Duration
		MaxSnapshots int64
		isSet        bool // there are rounds at all
	}
}

// The methods of copying a SQLite database, as the existing ayb names them.
const (
	methodVacuum = "Vacuum"
	methodBackup = "Backup"
)

// newSnapshotConfig returns the configuration of someone who has said nothing.
func newSnapshotConfig() (c snapshotConfig) {
	c.Method, c.KeepReplaced, c.KeepMetadata, c.Parallel = methodVacuum, 7*day, 5, 2
	c.Automation.Interval, c.Automation.MaxSnapshots = 10*time.Minute, 3
	return c
}

func (c *snapshotConfig) settings() []*setting {
	b, a := &c.bucketConfig, &c.Automation
	none := func(s *setting) *setting { s.unset = "none"; return s }
	entry := func(name string, v value, about string) *setting {
		return &setting{name: "snapshots." + name, value: v, about: about}
	}
	prefix := none(entry("path_prefix", textValue{&b.PathPrefix, nil}, "What the keys in the bucket begin with."))
	prefix.also = []string{"snapshots.bucket_prefix"}
	region := entry("region", textValue{&b.Region, nil}, "The region of the bucket.")
	region.unset = defaultRegion
	interval := entry("automation.interval", durationValue{&a.Interval, time.Second}, "Between two rounds, in each of which every database that has changed gets a snapshot.")
	interval.unset = "none, and no rounds"
	kept := entry("automation.max_snapshots", numberValue{&a.MaxSnapshots, 0, math.MaxUint16}, "How many snapshots of rounds are kept of a database; 0 is all. Needed for rounds.")
	kept.unset = "none"
	speed := entry("bytes_per_second", sizeValue{&c.BytesPerSecond, 0, 0}, "What all transfers to and from the bucket may have together.")
	speed.unset = "0, no bound"
	return []*setting{
		none(entry("url", textValue{&b.URL, nil}, "The bucket: s3://BUCKET, azblob://CONTAINER or file:///DIRECTORY; gs://BUCKET if ayb was built with -tags google.")),
		none(entry("bucket", textValue{&b.Bucket, nil}, "The S3 bucket, if there is no url.")),
		prefix,
		none(entry("access_key_id", textValue{&b.AccessKeyID, nil}, "The access key for it.")),
		none(entry("secret_access_key", textValue{&b.SecretAccessKey, nil}, "The secret of the access key.")),
		none(entry("endpoint_url", textValue{&b.EndpointURL, optional(webURL)}, "The address of a service that is compatible with S3.")),
		region,
		entry("force_path_style", boolValue{&b.ForcePathStyle}, "Whether the bucket's name stands in the path."),
		entry("sqlite_method", textValue{&c.Method, oneOf(methodVacuum, methodBackup)}, `How SQLite databases are copied: "Vacuum" writes a compact file, "Backup" copies the pages as they are, which is faster.`),
		entry("keep_replaced", durationValue{&c.KeepReplaced, time.Minute}, "How long what a restore or an import has replaced is kept."),
		entry("keep_metadata", numberValue{&c.KeepMetadata, 1, 1000}, "How many copies of the metadata are kept in the bucket, the newest."),
		entry("parallel", numberValue{&c.Parallel, 1, 64}, "Snapshots that a round takes at once; each has a copy of its database on disk."),
		speed,
		interval,
		kept,
	}
}

// check adds the problems that lie between the settings. A url or a bucket that is
// set to nothing, and nothing else, takes no snapshots.
func (c *snapshotConfig) check(s *settingTable) {
	var from string
	for _, setting := range c.settings() {
		if from == "" {
			from = s.from(setting.name)
		}
	}
	if from == "" {
		return
	}
	interval, kept := s.from("snapshots.automation.interval"), s.from("snapshots.automation.max_snapshots")
	switch {
	case interval != "" && kept == "" && !s.tried("snapshots.automation.max_snapshots"):
		s.problem(interval, "snapshots.automation.max_snapshots is missing: how many snapshots of rounds are kept of a database; 0 is all")
	case kept != "" && interval == "" && !s.tried("snapshots.automation.interval"):
		s.problem(kept, `snapshots.automation.interval is missing: the time between two rounds, like "10m"`)
	}
	c.Automation.isSet = interval != "" && kept != ""
	mentioned := s.fromAny("snapshots.url", "snapshots.bucket") != "" || s.tried("snapshots.url") || s.tried("snapshots.bucket")
	if !mentioned {
		s.problem(from, "snapshots.url is missing: where snapshots are kept, like s3://BUCKET or file:///DIRECTORY; or snapshots.bucket with its keys")
		return
	}
	if c.bucketConfig == (bucketConfig{}) {
		return
	}
	for _, sentence := range sentences(c.validate()) {
		s.problem(from, "snapshots.%s", sentence)
	}
}

// engine returns the configuration of the engine, without the bucket.
func (c *snapshotConfig) engine() ayb.SnapshotConfig {
	prefix, _ := c.prefix() // checked when it was read
	cfg := ayb.SnapshotConfig{
		Name:        strings.Join([]string{c.URL, c.EndpointURL, c.Bucket, prefix}, " "),
		Directory:   c.directory(),
		SetMetadata: setBucketMetadata, KeepReplaced: c.KeepReplaced, KeepMetadata: int(c.KeepMetadata), Parallel: int(c.Parallel),
		BytesPerSecond: c.BytesPerSecond,
	}
	if c.Method == methodBackup {
		cfg.Method = hosting.CopyPages
	}
	if c.Automation.isSet {
		cfg.Interval, cfg.MaxSnapshots = c.Automation.Interval, int(c.Automation.MaxSnapshots)
	}
	return cfg
}

// openBucket opens the bucket, if there is one, and asks in the background whether it can
// be used, so that who watches the server start need not wait for the first round
// to find out. closeBucket waits for that and closes the bucket.
func (c *snapshotConfig) openBucket(ctx context.Context, logger *slog.Logger) (bucket *blob.Bucket, closeBucket func(), err error) {
	if !c.isSet() {
		return nil, func() {}, nil
	}
	if bucket, err = openBucket(ctx, c.bucketConfig); err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if err := snapshot.New(bucket, snapshot.Options{Directory: c.directory()}).Check(ctx); err != nil && ctx.Err() == nil {
			logger.Warn("snapshots can't be taken as it is: "+fault.Message(err), "error", err)
		}
	}()
	return bucket, func() { stop(); <-asked; bucket.Close() }, nil
}
