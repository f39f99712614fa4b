package ayb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/durable"
	"ayb/snapshot"
	"ayb/store"
)

// After the databases of a round a copy of the metadata goes to the bucket, if they
// have changed. It comes after, so that each place that it names has what it says;
// what is stored there later is found by looking.

// countsAge is how old the copy in the bucket may be if nothing has changed but
// counts: of queries, and when tokens were used last.
const countsAge = 24 * time.Hour

// A MetadataCopy is a copy of a server's metadata in the bucket, from which Recover
// begins.
type MetadataCopy struct {
	Name    string    // of the file in the bucket
	Lineage string    // the same for all copies of one server's metadata
	Taken   time.Time // when it was taken

	signature string // by the key of e-mail tokens
	hash      string
}

const (
	metadataPrefix = "metadata"
	metadataTime   = "20060102T150405.000Z" // sorts, and has no sign that a bucket could mind
	unsigned       = "unsigned"
)

// name returns the name of the file: all that is needed to find it, and to know
// whether it is whole and this server's, also if the metadata of the object are lost.
func (m MetadataCopy) name() string {
	return strings.Join([]string{metadataPrefix, m.Lineage, m.Taken.UTC().Format(metadataTime), m.signature, m.hash}, "-")
}

// signed is the text that is signed. Whoever can write to the bucket could otherwise
// make accounts for the server that is recovered from it.
func (m MetadataCopy) signed() string {
	m.signature = ""
	return m.name()
}

// isSigned reports whether one of the keys has signed the copy. Without keys, it must
// not be signed.
func (m MetadataCopy) isSigned(keys *auth.EmailKeys) bool {
	if keys == nil {
		return m.signature == unsigned
	}
	return keys.Signed(m.signed(), m.signature)
}

// parseMetadataCopy is the reverse of name. It reports false for whatever else is
// in the bucket.
func parseMetadataCopy(name string) (m MetadataCopy, ok bool) {
	parts := strings.Split(name, "-")
	if len(parts) != 5 {
		return m, false
	}
	taken, err := time.Parse(metadataTime, parts[2])
	m = MetadataCopy{Name: name, Lineage: parts[1], Taken: taken, signature: parts[3], hash: parts[4]}
	return m, err == nil && m.name() == name && m.Lineage != "" && catalog.IsSnapshotID(m.hash)
}

// metadataCopies lists the copies of metadata in the bucket, the newest first.
func metadataCopies(ctx context.Context, vault *snapshot.Vault) (list []MetadataCopy, err error) {
	files, err := vault.Files(ctx)
	for _, f := range files {
		if m, ok := parseMetadataCopy(f.Name); ok {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b MetadataCopy) int { return cmp.Or(b.Taken.Compare(a.Taken), cmp.Compare(a.Name, b.Name)) })
	return list, err
}

// uploadedState is what the last copy in the bucket has. It is kept in a file of
// the data path, so that a server that is started again asks the bucket nothing. If
// it is lost there is one copy more.
type uploadedState struct {
	Bucket  string    `json:"bucket"`
	Lineage string    `json:"lineage"`
	Changes int64     `json:"changes"`
	Counts  int64     `json:"counts"`
	Taken   time.Time `json:"taken"`
}

// covers reports whether a state of the metadata needs no other copy.
func (u uploadedState) covers(s store.State, bucket string, now time.Time) bool {
	same := u.Bucket == bucket && u.Lineage == s.Lineage && u.Changes == s.Changes
	return same && (u.Counts == s.Counts || now.Sub(u.Taken).Abs() < countsAge)
}

func (e *Engine) uploadedPath() string { return filepath.Join(e.cfg.DataPath, "metadata.uploaded") }

// readUploaded returns what the last copy in the bucket has; zero if that is not
// known.
func (e *Engine) readUploaded() (u uploadedState) {
	text, err := os.ReadFile(e.uploadedPath())
	if err != nil || json.Unmarshal(text, &u) != nil {
		return uploadedState{}
	}
	return u
}

func (e *Engine) writeUploaded(u uploadedState) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return replaceFile(e.uploadedPath(), text)
}

// halfFile is what the name of a file ends in until all of it is there.
const halfFile = ".new"

// replaceFile gives a file another content, whole or not at all.
func replaceFile(path string, text []byte) error {
	if err := ignoreMissing(os.Remove(path + halfFile)); err != nil {
		return err
	}
	if err := durable.WriteFile(path+halfFile, text); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+halfFile, path), durable.SyncDir(filepath.Dir(path)))
}

// bucketID tells the bucket from others.
func (c SnapshotConfig) bucketID() string {
	sum := sha256.Sum256([]byte(c.Name))
	return hex.EncodeToString(sum[:])
}

// A metadataKeeper remembers what of the metadata is in the bucket. Rounds alone use
// it, one at a time.
type metadataKeeper struct {
	isKnown  bool
	uploaded uploadedState
	warned   bool // of the copies of another server
}

// roundOfMetadata uploads a copy of the metadata if they have changed since the last
// one. If not, it costs one query.
func (e *Engine) roundOfMetadata(ctx context.Context) {
	if !e.store.CanCopy() {
		return
	}
	k := &e.metadata
	if !k.isKnown {
		k.isKnown, k.uploaded = true, e.readUploaded()
	}
	state, err := e.store.State(ctx)
	if err == nil && k.uploaded.covers(state, e.cfg.Snapshots.bucketID(), e.now()) {
		return
	}
	if err == nil {
		err = e.uploadMetadata(ctx)
	}
	e.snapshots.metadata(err)
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, fmt.Sprintf("Unable to copy the metadata to the bucket; the next round tries again: %v", err))
		e.noteFull(ctx, err)
	}
}

// uploadMetadata copies the metadata, makes sure that the copy is sound, puts it into
// the bucket, and removes copies of which there are too many.
func (e *Engine) uploadMetadata(ctx context.Context) error {
	list, err := metadataCopies(ctx, e.vault) // if the bucket does not answer, nothing is copied
	if err != nil {
		return err
	}
	if err := e.journal.flush(ctx); err != nil {
		e.log.WarnContext(ctx, "the copy of the metadata does not have all of the audit trail", "error", err)
	}
	path := filepath.Join(e.cfg.DataPath, "metadata.copy")
	if err := e.removeCopy(path); err != nil {
		return err
	}
	defer e.removeCopy(path)
	give, err := e.disk.claim(e.metadataSize())
	if err != nil {
		return err
	}
	defer give()
	if err := e.store.Copy(ctx, path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The copy of the metadata can't be read")
	}
	defer f.Close()
	file, err := snapshot.Hash(ctx, f) // first: what is uploaded is what is checked then
	if err != nil {
		return err
	}
	state, err := store.Inspect(ctx, path)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(slices.Clone(list), func(m MetadataCopy) bool { return m.Lineage != state.Lineage })
	e.warnOfOthers(ctx, list, state.Lineage)
	m := MetadataCopy{Lineage: state.Lineage, Taken: e.now().Truncate(time.Millisecond), hash: file.ID}
	if len(own) > 0 && !m.Taken.After(own[0].Taken) {
		m.Taken = own[0].Taken.Add(time.Millisecond) // the clock was put back
	}
	m.signature = unsigned
	if e.emailKeys != nil {
		m.signature = e.emailKeys.Sign(m.signed())
	}
	e.log.InfoContext(ctx, "Uploading the metadata.", "bytes", file.Size)
	if err := e.vault.PutFile(ctx, m.name(), file, m.Taken); err != nil {
		return err
	}
	e.metadata.uploaded = uploadedState{e.cfg.Snapshots.bucketID(), state.Lineage, state.Changes, state.Counts, m.Taken}
	if err := e.writeUploaded(e.metadata.uploaded); err != nil {
		e.log.WarnContext(ctx, "the metadata will be uploaded once more after the next start", "error", err)
	}
	return e.pruneMetadata(ctx, own)
}

// metadataSize returns how large the file of the metadata is, about.
func (e *Engine) metadataSize() int64 {
	path, err := store.Path(e.cfg.MetadataURL)
	if err != nil {
		return 0
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// removeCopy removes a temporary copy, and what SQLite may have put beside it.
func (e *Engine) removeCopy(path string) error {
	var errs []error
	for _, ending := range []string{"", "-journal"} {
		errs = append(errs, ignoreMissing(os.Remove(path+ending)))
	}
	if err := errors.Join(errs...); err != nil {
		return fault.Wrap(fault.Unavailable, err, "A former copy of the metadata can't be removed")
	}
	return nil
}

// warnOfOthers tells once of copies that are another server's: it may be the one that
// this one is to take the place of.
func (e *Engine) warnOfOthers(ctx context.Context, list []MetadataCopy, lineage string) {
	i := slices.IndexFunc(list, func(m MetadataCopy) bool { return m.Lineage != lineage })
	if e.metadata.warned || i < 0 {
		return
	}
	e.metadata.warned = true
	e.log.WarnContext(ctx, "The bucket has the metadata of another server as well, which are left alone. If this server is to take its place, stop it, move its data path away, and run ayb recover", "last", list[i].Taken)
}

// pruneMetadata deletes the copies that are too many, besides the newest, which is
// not among those of own.
func (e *Engine) pruneMetadata(ctx context.Context, own []MetadataCopy) error {
	keep := e.cfg.Snapshots.KeepMetadata - 1
	for _, m := range own[min(keep, len(own)):] {
		if err := e.vault.DeleteFile(ctx, m.Name); err != nil && !errors.Is(err, snapshot.ErrNoFile) {
			return err
		}
	}
	return nil
}

// proveKey notes in the metadata which key e-mail tokens are sealed with. That is a
// change: so after a new key there is a copy that it has signed, and with metadata in
// PostgreSQL a recovery with another key is noticed.
func (e *Engine) proveKey(ctx context.Context) error {
	if e.emailKeys == nil {
		return nil
	}
	state, err := e.store.State(ctx)
	if err != nil || e.emailKeys.Proves(state.KeyProof) {
		return err
	}
	proof, err := e.emailKeys.Prove(e.now())
	if err != nil {
		return err
	}
	return e.store.SetKeyProof(ctx, proof)
}

// RecoveringName is the file in Config.DataPath that is there while a recovery has not
// ended, so that no engine can be opened there.
const RecoveringName = "recovering"

// refuseUnrecovered fails if a recovery of the data path has begun and not ended: a
// server would take databases that are not back yet for lost.
func refuseUnrecovered(dataPath string) error {
	_, err := os.Lstat(filepath.Join(dataPath, RecoveringName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "The data path can't be looked into")
	}
	return fault.New(fault.Unavailable, "A recovery of this data path has not ended; run ayb recover again, with the same configuration: it goes on where it was. Or empty the data path, to begin anew")
}
