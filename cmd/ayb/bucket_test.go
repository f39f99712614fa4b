package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/snapshot"
	"ayb/snapshot/snapshottest"
)

func TestBucketConfig_validate(t *testing.T) {
	keys := bucketConfig{Bucket: "b", AccessKeyID: "id", SecretAccessKey: "secret"}
	with := func(f func(*bucketConfig)) bucketConfig { c := keys; f(&c); return c }
	for name, c := range map[string]struct {
		config bucketConfig
		want   string // part of the sentence; empty: it is fine
	}{
		"keys":              {keys, ""},
		"a directory":       {bucketConfig{URL: "file:///var/backups"}, ""},
		"s3":                {bucketConfig{URL: "s3://bucket?region=eu-west-1", PathPrefix: "/a//b/"}, ""},
		"google":            {bucketConfig{URL: "gs://bucket"}, map[bool]string{false: "-tags google"}[linksGoogle]},
		"azure":             {bucketConfig{URL: "azblob://container"}, ""},
		"both":              {with(func(c *bucketConfig) { c.URL = "s3://b" }), "url says all"},
		"no secret":         {with(func(c *bucketConfig) { c.SecretAccessKey = "" }), "secret_access_key is missing"},
		"no bucket":         {with(func(c *bucketConfig) { c.Bucket = "" }), "bucket is missing"},
		"ftp":               {bucketConfig{URL: "ftp://bucket"}, "url must be"},
		"no scheme":         {bucketConfig{URL: "bucket"}, "url must be"},
		"memory":            {bucketConfig{URL: "mem://"}, "url must be"},
		"a relative path":   {bucketConfig{URL: "file://backups/ayb"}, "absolute path"},
		"a key in the url":  {bucketConfig{URL: "s3://bucket/some/prefix"}, "path_prefix is for the rest"},
		"no name":           {bucketConfig{URL: "azblob://"}, "must name a bucket"},
		"a prefix upwards":  {with(func(c *bucketConfig) { c.PathPrefix = "a/../b" }), "without . and .."},
		"a windows prefix":  {with(func(c *bucketConfig) { c.PathPrefix = `a\b` }), "path_prefix must be"},
		"a prefix of lines": {with(func(c *bucketConfig) { c.PathPrefix = "a\nb" }), "path_prefix must be"},
	} {
		err := c.config.validate()
		said := strings.Join(sentences(err), "; ")
		if c.want == "" && err != nil || !strings.Contains(said, c.want) || strings.Contains(said, "secret;") {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBucketConfig_prefix(t *testing.T) {
	for _, c := range []struct {
		config bucketConfig
		want   string
	}{
		{bucketConfig{}, ""}, {bucketConfig{PathPrefix: "/"}, ""}, {bucketConfig{PathPrefix: "snaps"}, "snaps/"},
		{bucketConfig{PathPrefix: "//a//b/"}, "a/b/"},
		{bucketConfig{Bucket: "b", ForcePathStyle: true}, "b/"},
		{bucketConfig{Bucket: "b", ForcePathStyle: true, PathPrefix: "/snaps"}, "b/snaps/"},
		{bucketConfig{Bucket: "b", PathPrefix: "snaps"}, "snaps/"},
	} {
		if got, err := c.config.prefix(); got != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c.config, got, err)
		}
	}
}

func TestBucketConfig_directory(t *testing.T) {
	for _, c := range []struct {
		config bucketConfig
		want   string
	}{
		{bucketConfig{URL: "file:///var/backups"}, "/var/backups"},
		{bucketConfig{URL: "file:///var/backups", PathPrefix: "/a//b/"}, "/var/backups/a/b"},
		{bucketConfig{URL: "s3://bucket"}, ""}, {bucketConfig{Bucket: "b", PathPrefix: "a"}, ""},
	} {
		if got := c.config.directory(); filepath.ToSlash(got) != c.want {
			t.Errorf("%+v: %q", c.config, got)
		}
	}
}

func TestOpenBucket_wants_its_directory_to_be_there(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	_, err := openBucket(t.Context(), bucketConfig{URL: "file://" + dir})
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), dir) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made")
	}
}

// On a real server of S3: what the existing ayb has stored is read, and metadata
// change without the object being sent again.
func TestOpenBucket_on_S3_reads_what_the_existing_ayb_has_stored(t *testing.T) {
	server := snapshottest.S3(t)
	server.Make(t, "ours")
	bucket, err := openBucket(t.Context(), bucketConfig{
		Bucket: "ours", PathPrefix: "snaps", AccessKeyID: server.AccessKeyID, SecretAccessKey: server.SecretAccessKey,
		EndpointURL: server.Endpoint, ForcePathStyle: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	faulty := snapshottest.NewFaulty(bucket)
	vault := snapshot.New(faulty.Bucket, snapshot.Options{SetMetadata: setBucketMetadata})

	path := filepath.Join(t.TempDir(), "image")
	content := bytes.Repeat([]byte("some content "), 100_000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := snapshot.Hash(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	place, noon := snapshot.Place{Entity: "alice", Database: "test.sqlite"}, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first, err := vault.Put(t.Context(), place, image, snapshot.Taking{Taken: noon})
	if err != nil {
		t.Fatal(err)
	}
	if object := filepath.Join("ours", "snaps", "alice", "test.sqlite", image.ID); !server.Has(t, "ours", object) {
		t.Errorf("there is no object %s", object)
	}
	faulty.Arm(0, snapshottest.Fails)
	again, err := vault.Put(t.Context(), place, image, snapshot.Taking{Kind: catalog.Manual, Note: "ma note: é/+ %", Taken: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if calls := strings.Join(faulty.Calls(), " "); calls != "attributes copy" {
		t.Errorf("metadata change by %s", calls)
	}
	got, err := vault.Stat(t.Context(), place, image.ID)
	if err != nil || got != again || got.Stored != first.Stored || got.Round != noon {
		t.Errorf("%+v, %v, want %+v", got, err, again)
	}
	var back bytes.Buffer
	if _, err := vault.Get(t.Context(), place, image.ID, &back); err != nil || !bytes.Equal(back.Bytes(), content) {
		t.Errorf("%d bytes, %v", back.Len(), err)
	}
}
