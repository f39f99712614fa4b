package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"ayb/fault"
	"ayb/internal/durable"
)

// What can be wrong with a snapshot or a bucket, for errors.Is. Each comes as the
// cause of a fault.
var (
	// ErrNoSnapshot: there is no such snapshot (NotFound).
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrNoFile: there is no such file that is no snapshot (NotFound).
	ErrNoFile = errors.New("no such file in the bucket")
	// ErrDamaged: the object is not what its name says (Unavailable).
	ErrDamaged = errors.New("damaged object")
	// ErrTruncated: the object, or what came of it, ends too early (Unavailable).
	ErrTruncated = errors.New("truncated object")
	// ErrTooLarge: the object holds more than it may (TooLarge).
	ErrTooLarge = errors.New("object holds too much")
	// ErrChanged: the image is not what it was when it was hashed (Conflict).
	ErrChanged = errors.New("image has changed")
	// ErrNoBucket: there is no such bucket, or no longer (Unavailable).
	ErrNoBucket = errors.New("no such bucket")
	// ErrRefused: the bucket refuses the credentials, or what they ask for
	// (Unavailable).
	ErrRefused = errors.New("refused by the bucket")
	// ErrUnreachable: the bucket does not answer, or not with what was asked for
	// (Unavailable).
	ErrUnreachable = errors.New("bucket can't be used")
	// ErrDiskFull: there is no room on the disk of this machine, or on that of a
	// bucket that is a directory (Unavailable).
	ErrDiskFull = durable.ErrFull
)

// errImpatient is the cause of a context that ends because a bucket has kept us
// waiting.
var errImpatient = errors.New("no answer in time")

// sentences are what users read. Each of them must know what to do next, and it
// is rarely them who can do it.
var sentences = map[error]struct {
	kind fault.Kind
	text string
}{
	ErrNoSnapshot:  {fault.NotFound, "There is no such snapshot; list_snapshots shows those that there are"},
	ErrNoFile:      {fault.NotFound, "There is no such file in the bucket"},
	ErrDamaged:     {fault.Unavailable, "The stored snapshot is damaged and was not used; choose another one, and tell whoever runs the server"},
	ErrTruncated:   {fault.Unavailable, "The stored snapshot ends too early and was not used; try again, then choose another one, and tell whoever runs the server"},
	ErrTooLarge:    {fault.TooLarge, "The stored snapshot holds more than it may and was not used; choose another one, and tell whoever runs the server"},
	ErrChanged:     {fault.Conflict, "The copy of the database has changed while it was stored, and was not kept; try again"},
	ErrNoBucket:    {fault.Unavailable, "The bucket for snapshots does not exist; whoever runs the server must create it, or correct its name in [snapshots]"},
	ErrRefused:     {fault.Unavailable, "The bucket for snapshots refuses the server; whoever runs the server must check the credentials in [snapshots] and what they may do"},
	ErrUnreachable: {fault.Unavailable, "The bucket for snapshots can't be used now; try again later"},
	ErrDiskFull:    {fault.Unavailable, "The disk of the bucket for snapshots is full; whoever runs the server must make room"},
}

// failure returns the fault of a sentinel, with a cause for the log. cause may
// be nil.
func failure(sentinel, cause error) error {
	s := sentences[sentinel]
	if cause == nil {
		return fault.Wrap(s.kind, sentinel, "%s", s.text)
	}
	return fault.Wrap(s.kind, &why{sentinel, cause}, "%s", s.text)
}

// why joins a sentinel and the error that it was recognized by.
type why struct{ sentinel, cause error }

// query is the part of an address that may hold a signature, and credentials are
// the part that may hold a password.
var query, credentials = regexp.MustCompile(`(https?://[^\s"?]*)\?[^\s"]*`), regexp.MustCompile(`(https?://)[^\s"/@]*@`)

// Error returns both as text for the log, without what must be in no log: the
// errors of drivers quote addresses, and addresses can be signed.
func (w *why) Error() string {
	text := query.ReplaceAllString(w.cause.Error(), "$1?...")
	return w.sentinel.Error() + ": " + credentials.ReplaceAllString(text, "$1")
}

// Unwrap returns both.
func (w *why) Unwrap() []error { return []error{w.sentinel, w.cause} }

// The codes by which services say what is wrong. S3's come as words, which the
// drivers' own table of codes does not all know.
var (
	refusals = []string{
		"AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken", "Forbidden",
		"InvalidAccessKeyId", "InvalidSecurity", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
		"XAdminUserNotFound", // versitygw's InvalidAccessKeyId
	}
	missings = []string{"NoSuchBucket", "InvalidBucketName", "PermanentRedirect"}
)

// bucketError makes a fault of what a bucket's driver has answered. absent is the
// sentinel for "not found", or nil if only the bucket itself can be missing. An
// end of the caller's own context passes through.
func (v *Vault) bucketError(ctx context.Context, err, absent error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errImpatient):
		return failure(ErrUnreachable, cause)
	case cause != nil:
		return ctx.Err()
	}
	var code string
	var service interface{ ErrorCode() string } // as every error of AWS has it
	if errors.As(err, &service) {
		code = service.ErrorCode()
	}
	switch kind := gcerrors.Code(err); {
	case slices.Contains(missings, code):
		return failure(ErrNoBucket, err)
	case slices.Contains(refusals, code), kind == gcerrors.PermissionDenied, errors.Is(err, fs.ErrPermission):
		return failure(ErrRefused, err)
	case durable.IsFull(err):
		return failure(ErrDiskFull, err)
	case kind == gcerrors.NotFound && absent != nil:
		return v.absence(ctx, absent, err)
	case kind == gcerrors.NotFound:
		return failure(ErrNoBucket, err)
	}
	return failure(ErrUnreachable, err)
}

// absence tells an object that is missing from a bucket that is missing, which
// looks the same to a question about the object.
func (v *Vault) absence(ctx context.Context, absent, err error) error {
	if e := v.Check(ctx); e != nil {
		return e
	}
	return failure(absent, err)
}

// Check asks the bucket whether it is there and lets us in: nil if so. Whether we
// may also write into it shows when we do.
func (v *Vault) Check(ctx context.Context) error {
	if err := v.mounted(); err != nil {
		return err
	}
	if _, err := readDir(v.opt.Directory); err != nil {
		return v.bucketError(ctx, err, nil)
	}
	ctx, cancel := v.request(ctx)
	defer cancel()
	_, _, err := v.bucket.ListPage(ctx, blob.FirstPageToken, 1, nil)
	return v.bucketError(ctx, err, nil)
}

// mounted finds out whether the directory of a bucket on disk is there. Drivers
// list one that is not as empty, and make it anew when they are to write: a disk
// that is not mounted would look like one that has lost everything.
func (v *Vault) mounted() error {
	var info os.FileInfo
	if v.isOnDisk && !v.bucket.As(&info) {
		return failure(ErrNoBucket, nil)
	}
	return nil
}

// localError makes a fault of a failure of this machine's own disk.
func localError(err error, doing string) error {
	return durable.Fault(err, "The server could not "+doing+"; please tell whoever runs it")
}

// isGone reports whether an object is not there although it was listed.
func isGone(err error) bool { return errors.Is(err, ErrNoSnapshot) || errors.Is(err, ErrNoFile) }

// isForeign reports whether an object that was listed is not ours, or not there
// any more.
func isForeign(err error) bool {
	return isGone(err) || errors.Is(err, ErrDamaged) || errors.Is(err, fault.Invalid)
}
