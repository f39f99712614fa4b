package snapshottest

import (
	"testing"

	"gocloud.dev/blob"

	"ayb/snapshot"
)

func TestMemory(t *testing.T) { Run(t, Memory, snapshot.Options{}) }

func TestMemory_reread(t *testing.T) { Run(t, Memory, snapshot.Options{Reread: true}) }

func TestDirectory(t *testing.T) { Run(t, Directory, snapshot.Options{}) }

func TestS3(t *testing.T) {
	server := S3(t)
	Run(t, server.Bucket, snapshot.Options{})
}

func TestDirectory_below_a_prefix(t *testing.T) {
	Run(t, func(t testing.TB) *Bucket {
		b := Directory(t)
		return &Bucket{blob.PrefixedBucket(b.Bucket, "deep/down/"), b.Leaks}
	}, snapshot.Options{})
}
