// Package snapshot keeps copies of databases in a bucket: on S3 and what speaks
// like it, on Google Cloud Storage, on Azure, in a directory, or in memory. It
// moves bytes and knows nothing of SQLite: who makes an image of a database and
// checks it, and when, is the caller's business.
//
// # Layout
//
// An image is stored compressed by zstd under {entity}/{database}/{id}, where the
// id is the BLAKE3 hash of the image in hexadecimal digits. So a content is stored
// once, and whoever reads it back knows whether it is what was stored. Why and
// when a snapshot was taken, and its note, stand in the metadata of the object:
// the bucket alone is enough to know everything about what is in it. Objects
// without metadata, as the existing ayb writes them, are automatic snapshots of
// the time when they were stored.
//
// Files that are no image lie under _ayb/, which no entity can be called.
//
// # What holds
//
// An object is visible whole or not at all. An image that has changed since it
// was hashed is not stored; an object that is not what its id says is not handed
// out. Memory does not grow with the size of an image.
package snapshot

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"

	"ayb/catalog"
	"ayb/fault"
)

// Options are the bounds of a vault, and what it can't know by itself. The zero
// Options work.
type Options struct {
	// BytesPerSecond bounds what all uploads and downloads transfer together,
	// compressed; 0: no bound.
	BytesPerSecond int64

	// Patience is how long a bucket may take for one request, and how long a
	// transfer may stand still; 0: DefaultPatience.
	Patience time.Duration

	// MaxImage is how large an image may be that is read back and whose size is
	// not known from its metadata, in bytes; 0: DefaultMaxImage.
	MaxImage int64

	// Reread has each object read back and hashed after it was stored. Without,
	// its size is compared, and its checksum if the bucket gives one.
	Reread bool

	// Directory is the path of the directory that the bucket is, its prefix included;
	// empty: it is none. The driver of directories passes over what it can't read, so
	// that without this path a database whose directory can't be read has no snapshots.
	Directory string

	// SetMetadata puts metadata into the request of a bucket's driver to copy an
	// object onto itself, which as gives access to (gocloud.dev/concepts/as), and
	// reports whether it knows how. Without, metadata are changed by storing the
	// object again.
	SetMetadata func(as func(any) bool, metadata map[string]string) bool

	Logger *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // the clock that paces transfers; nil: time.Now
}

// The defaults of Options.
const (
	DefaultPatience = 2 * time.Minute
	DefaultMaxImage = 1 << 40
)

// A Vault keeps snapshots in a bucket. It is safe for concurrent use. The bucket
// remains the caller's, who closes it when nobody uses the vault any more.
type Vault struct {
	bucket   *blob.Bucket
	opt      Options
	pace     *pace
	isOnDisk bool // the bucket is a directory of this machine, or of a network
}

// New returns a vault in a bucket. To keep everything under a prefix, give it a
// blob.PrefixedBucket.
func New(bucket *blob.Bucket, opt Options) *Vault {
	opt.Patience = cmp.Or(opt.Patience, DefaultPatience)
	opt.MaxImage = cmp.Or(opt.MaxImage, DefaultMaxImage)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	var info os.FileInfo
	return &Vault{bucket: bucket, opt: opt, pace: newPace(opt.BytesPerSecond, opt.Now), isOnDisk: bucket.As(&info)}
}

// A Place is where the snapshots of one database are in the bucket: under the
// names that its owner and it had when the first one was stored. Renaming either
// moves nothing.
type Place struct {
	Entity   catalog.Slug
	Database string // a slug, or the slug and ~ and a number; see Again
}

// PlaceOf returns the place of a database that is called ref.
func PlaceOf(ref catalog.Ref) Place { return Place{ref.Entity, string(ref.Database)} }

// Again returns the nth place of its name, for a database whose name another one
// had before it, whose snapshots are still there: {database}~2 and so on. The
// first is the place itself.
func (p Place) Again(n int) Place {
	if n > 1 {
		p.Database += "~" + strconv.Itoa(n)
	}
	return p
}

// ParsePlace reads the form that String writes. Errors: [fault.Invalid].
func ParsePlace(text string) (Place, error) {
	entity, database, _ := strings.Cut(text, "/")
	p := Place{catalog.Slug(entity), database}
	return p, p.check()
}

// Ref returns the name of the database that a place is for, without the number.
func (p Place) Ref() catalog.Ref {
	database, _, _ := strings.Cut(p.Database, "~")
	return catalog.Ref{Entity: p.Entity, Database: catalog.Slug(database)}
}

// String returns entity/database.
func (p Place) String() string { return string(p.Entity) + "/" + p.Database }

// check refuses what could lead elsewhere than to a database.
func (p Place) check() error {
	if entity, err := catalog.ParseEntitySlug(string(p.Entity)); err != nil || entity != p.Entity {
		return fault.Wrap(fault.Invalid, err, "The snapshots of %q have no place: this is not the name of an entity", p.Entity)
	}
	slug, number, again := strings.Cut(p.Database, "~")
	if _, err := catalog.ParseDatabaseSlug(slug); err != nil {
		return err
	}
	if n, err := strconv.Atoi(number); again && (err != nil || n < 2 || strconv.Itoa(n) != number) {
		return fault.New(fault.Invalid, "The snapshots of %q have no place: what follows the ~ must be a number from 2 on", p.Database)
	}
	return nil
}

// prefix returns what the keys of all snapshots of the place begin with. A name
// that ends in two periods gets a ~ behind it, since drivers rewrite "../".
func (p Place) prefix() string {
	return segment(string(p.Entity)) + "/" + segment(p.Database) + "/"
}

func segment(name string) string {
	if strings.HasSuffix(name, "..") {
		return name + "~"
	}
	return name
}

// unsegment is the reverse of segment.
func unsegment(part string) string {
	if strings.HasSuffix(part, "..~") {
		return part[:len(part)-1]
	}
	return part
}

// key returns the key of a snapshot. It fails for whatever is no place or no id.
func (p Place) key(id string) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	if _, err := catalog.ParseSnapshotID(id); err != nil {
		return "", err
	}
	return p.prefix() + id, nil
}

// parseKey is the reverse of key. It reports false for whatever else is in the
// bucket.
func parseKey(key string) (p Place, id string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return Place{}, "", false
	}
	p = Place{Entity: catalog.Slug(unsegment(parts[0])), Database: unsegment(parts[1])}
	again, err := p.key(parts[2])
	return p, parts[2], err == nil && again == key
}

// request returns a context for one request to the bucket.
func (v *Vault) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, v.opt.Patience, errImpatient)
}
