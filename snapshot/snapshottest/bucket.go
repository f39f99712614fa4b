// Package snapshottest has the suite that every kind of bucket must pass for
// package snapshot, the buckets to pass it with, and a bucket that fails.
package snapshottest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
)

// A Bucket is an empty bucket, lent out for the length of a test.
type Bucket struct {
	*blob.Bucket

	// Leaks returns what failures have left in the bucket besides its objects.
	Leaks func(t testing.TB) []string
}

// Memory lends out a bucket in memory.
func Memory(t testing.TB) *Bucket {
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { b.Close() })
	return &Bucket{b, func(testing.TB) []string { return nil }}
}

// Directory lends out a bucket in a directory.
func Directory(t testing.TB) *Bucket {
	t.Helper()
	dir := t.TempDir()
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{DirFileMode: 0o700, NoTempDir: true})
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return &Bucket{b, func(t testing.TB) []string { return filesLeft(t, dir) }}
}

// filesLeft returns the files below dir that are no objects: temporary ones, and
// metadata without an object.
func filesLeft(t testing.TB, dir string) (left []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		object, isMetadata := strings.CutSuffix(path, ".attrs")
		if _, e := os.Stat(object); isMetadata && e != nil || strings.HasSuffix(path, ".tmp") {
			left = append(left, path)
		}
		return err
	}))
	return left
}

// A Server is a server of S3 on this machine, and credentials for it.
type Server struct {
	Endpoint, AccessKeyID, SecretAccessKey string

	dir string
}

// S3 starts a server of S3: versitygw, which AYB_VERSITYGW names the program of, as
// make test sets it with scripts/versitygw. Without, it skips the test, or fails
// it if AYB_TEST_REQUIRE is set.
func S3(t testing.TB) *Server {
	t.Helper()
	program := os.Getenv("AYB_VERSITYGW")
	if program == "" {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatal("AYB_TEST_REQUIRE is set and AYB_VERSITYGW is not: run the tests with AYB_VERSITYGW=$(scripts/versitygw)")
		}
		t.Skip("no S3 server to test with; make test starts one, and so does AYB_VERSITYGW=$(scripts/versitygw) go test ./snapshot/...")
	}
	s := &Server{AccessKeyID: "ayb", SecretAccessKey: "not-a-secret", dir: t.TempDir()}
	for range 8 { // a port may be taken by the time that the server wants it
		if s.start(t, program) {
			return s
		}
	}
	t.Fatal("versitygw does not start")
	return nil
}

// start starts the server on a free port and waits until it answers.
func (s *Server) start(t testing.TB, program string) bool {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	listener.Close()
	var output bytes.Buffer
	cmd := exec.Command(program, "--port", address, "--quiet", "posix", s.dir)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKeyID, "ROOT_SECRET_KEY=" + s.SecretAccessKey, "HOME=" + t.TempDir()}
	cmd.Stdout, cmd.Stderr = &output, &output
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stop := sync.OnceFunc(func() { cmd.Process.Kill(); <-ended })
	t.Cleanup(stop)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if answer, err := http.Get("http://" + address); err == nil {
			answer.Body.Close()
			s.Endpoint = "http://" + address
			return true
		}
		select {
		case <-ended:
			t.Logf("versitygw: %s", output.String())
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	stop()
	return false
}

// Make makes a bucket.
func (s *Server) Make(t testing.TB, name string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(s.dir, name), 0o700))
}

// Remove removes a bucket with all that is in it, behind the server's back.
func (s *Server) Remove(t testing.TB, name string) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(s.dir, name)))
}

// Has reports whether a bucket has an object.
func (s *Server) Has(t testing.TB, bucket, key string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(s.dir, bucket, filepath.FromSlash(key)))
	return err == nil
}

// Client returns a client with some credentials.
func (s *Server) Client(id, secret string) *s3.Client {
	return s3.NewFromConfig(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""), BaseEndpoint: aws.String(s.Endpoint),
	}, func(o *s3.Options) { o.UsePathStyle = true; o.RetryMaxAttempts = 2 })
}

// Bucket makes a bucket and lends it out.
func (s *Server) Bucket(t testing.TB) *Bucket {
	t.Helper()
	name := "bucket-" + strings.ToLower(rand.Text())
	s.Make(t, name)
	client := s.Client(s.AccessKeyID, s.SecretAccessKey)
	b, err := s3blob.OpenBucket(t.Context(), client, name, nil)
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return &Bucket{b, func(t testing.TB) (left []string) {
		t.Helper()
		uploads, err := client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &name})
		must(t, err)
		for _, upload := range uploads.Uploads {
			left = append(left, aws.ToString(upload.Key))
		}
		return left
	}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
