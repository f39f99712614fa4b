package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"

	"ayb/fault"
)

// defaultRegion is what a bucket on S3 without a region is taken to be in.
const defaultRegion = "us-east-1"

// bucketConfig says where snapshots are kept: a URL, or the keys of a bucket on S3.
type bucketConfig struct {
	URL        string
	PathPrefix string

	Bucket, AccessKeyID, SecretAccessKey, EndpointURL, Region string
	ForcePathStyle                                            bool
}

// isSet reports whether there is a bucket at all.
func (c bucketConfig) isSet() bool { return c.URL != "" || c.Bucket != "" }

// validate returns what is wrong with the settings taken together; nil if
// nothing is. Errors: Invalid, joined.
func (c bucketConfig) validate() error {
	var errs []error
	invalid := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	keys := c.Bucket != "" || c.AccessKeyID != "" || c.SecretAccessKey != "" || c.EndpointURL != "" || c.Region != "" || c.ForcePathStyle
	switch {
	case c.URL != "" && keys:
		invalid("url says all of where the bucket is; remove bucket, access_key_id, secret_access_key, endpoint_url, region and force_path_style, or url")
	case c.URL != "":
		if _, err := c.parseURL(); err != nil {
			errs = append(errs, err)
		}
	default:
		for _, key := range []struct{ name, value, what string }{
			{"bucket", c.Bucket, "the name of the bucket"},
			{"access_key_id", c.AccessKeyID, "the access key for the bucket"},
			{"secret_access_key", c.SecretAccessKey, "the secret of the access key"},
		} {
			if key.value == "" {
				invalid("%s is missing: %s", key.name, key.what)
			}
		}
	}
	if _, err := c.prefix(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// googleScheme is of the driver that is linked only on request: see openGoogle.
const googleScheme = "gs"

// schemes are the kinds of bucket.
var schemes = []string{s3blob.Scheme, googleScheme, azureblob.Scheme, fileblob.Scheme}

func (c bucketConfig) parseURL() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil, !slices.Contains(schemes, u.Scheme):
		return nil, fault.New(fault.Invalid, "url must be s3://BUCKET, gs://BUCKET, azblob://CONTAINER or file:///DIRECTORY")
	case u.Scheme == googleScheme && !linksGoogle:
		return nil, fault.New(fault.Invalid, "this build of ayb has no driver for gs://; give bucket, access_key_id and secret_access_key (an HMAC key) with endpoint_url = \"https://storage.googleapis.com\" instead, or build ayb with -tags google")
	case u.Scheme == fileblob.Scheme && (u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != ""):
		return nil, fault.New(fault.Invalid, "url of a directory must be file:// and its absolute path, like file:///var/backups/ayb")
	case u.Scheme != fileblob.Scheme && (u.Host == "" || strings.Trim(u.Path, "/") != ""):
		return nil, fault.New(fault.Invalid, "url must name a bucket and nothing below it, like s3://BUCKET; path_prefix is for the rest")
	}
	return u, nil
}

// prefix returns what the keys begin with: empty, or a path that ends in a slash.
//
// With force_path_style, the existing ayb has the name of the bucket in front of
// its prefix, within the bucket that has that name; so its snapshots stay
// readable.
func (c bucketConfig) prefix() (string, error) {
	parts := strings.FieldsFunc(c.PathPrefix, func(r rune) bool { return r == '/' })
	for _, part := range parts {
		if part == "." || part == ".." || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
			return "", fault.New(fault.Invalid, "path_prefix must be a path like backups/ayb, without . and ..")
		}
	}
	if c.URL == "" && c.ForcePathStyle {
		parts = append([]string{c.Bucket}, parts...)
	}
	if len(parts) == 0 {
		return "", nil
	}
	return strings.Join(parts, "/") + "/", nil
}

// directory returns the path of a bucket that is a directory, its prefix included;
// empty: it is none. The configuration is valid.
func (c bucketConfig) directory() string {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != fileblob.Scheme {
		return ""
	}
	prefix, _ := c.prefix()
	return filepath.Join(filepath.FromSlash(u.Path), filepath.FromSlash(prefix))
}

// openBucket opens the bucket, which does not mean that it is there: snapshot's
// Vault.Check finds that out. Errors: as validate; Unavailable.
func openBucket(ctx context.Context, c bucketConfig) (*blob.Bucket, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	bucket, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if prefix, _ := c.prefix(); prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	return bucket, nil
}

func (c bucketConfig) open(ctx context.Context) (*blob.Bucket, error) {
	if c.URL == "" {
		return c.openS3(ctx)
	}
	u, err := c.parseURL()
	if err != nil {
		return nil, err
	}
	if u.Scheme == fileblob.Scheme {
		return openDirectory(u.Path)
	}
	bucket, err := blob.OpenBucket(ctx, c.URL)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The bucket of snapshots.url can't be opened; check the URL and what the service's own variables and files say of credentials")
	}
	return bucket, nil
}

// openS3 opens a bucket on S3 with the credentials of the configuration, and
// with none that the machine may have besides.
func (c bucketConfig) openS3(ctx context.Context) (*blob.Bucket, error) {
	region, options := c.Region, s3blob.Options{}
	if region == "" {
		region = defaultRegion
	}
	cfg := aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")}
	if c.EndpointURL != "" {
		// What is only compatible with S3 does not always know its newer checksums.
		cfg.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		cfg.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		options.RequestChecksumCalculation = cfg.RequestChecksumCalculation
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = c.ForcePathStyle
		if c.EndpointURL != "" {
			o.BaseEndpoint = aws.String(c.EndpointURL)
		}
	})
	bucket, err := s3blob.OpenBucket(ctx, client, c.Bucket, &options)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The bucket of [snapshots] can't be opened")
	}
	return bucket, nil
}

// openDirectory opens a directory as a bucket. It must be there: one that was
// made where a disk is not mounted would fill another disk.
func openDirectory(path string) (*blob.Bucket, error) {
	// Temporary files stand beside the objects, since they can't be renamed from
	// one file system to another.
	bucket, err := fileblob.OpenBucket(filepath.FromSlash(path), &fileblob.Options{DirFileMode: 0o700, NoTempDir: true})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(fault.Unavailable, err, "The directory for snapshots, %s, does not exist; make it, or mount its disk", path)
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The directory for snapshots, %s, can't be used", path)
	}
	return bucket, nil
}

// setBucketMetadata is for snapshot.Options: it knows how each driver's request to
// copy an object is given other metadata.
func setBucketMetadata(as func(any) bool, metadata map[string]string) bool {
	var onS3 *s3.CopyObjectInput
	if as(&onS3) {
		onS3.MetadataDirective = s3types.MetadataDirectiveReplace
		onS3.Metadata, onS3.ContentType = metadata, aws.String("application/zstd")
		return true
	}
	var onAzure *azblob.StartCopyFromURLOptions
	if as(&onAzure) {
		onAzure.Metadata = make(map[string]*string, len(metadata))
		for name, value := range metadata {
			onAzure.Metadata[name] = &value
		}
		return true
	}
	return setGoogleMetadata(as, metadata)
}
