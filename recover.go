package ayb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/internal/durable"
	"ayb/snapshot"
	"ayb/store"
)

// RecoverOptions are the optional settings of Recover.
type RecoverOptions struct {
	// From is the copy of the metadata to begin with: the Name of a MetadataCopy, or
	// the Lineage of several. Empty: the newest sound one; if the bucket has those of
	// more than one server, it has to be said.
	From string

	// Adopt are places in the bucket that the metadata do not know, entity/database or
	// entity/database~2, of each of which a database is made. It belongs to the
	// entity, which has to exist, nobody else may see it, and it has the name of the
	// place; if that is taken, another one. After a =, it is said which:
	// entity/database~2=entity/other.
	Adopt []string

	// AdoptUnknown adopts all places that the metadata do not know.
	AdoptUnknown bool

	// Skip are databases, entity/database, that are left without their files because
	// their snapshots can't be fetched.
	Skip []string

	// NewKey lets the key of e-mail tokens be another one than before.
	NewKey bool

	// DryRun finds out what would be done, by what is in the metadata and the lists
	// of the bucket, and changes nothing.
	DryRun bool

	// Began is called once, when it is known what there is, before the first database
	// is brought back. It may be nil.
	Began func(RecoveryPlan)

	// Told is called for each database, one at a time, as soon as its outcome is
	// known. It may be nil.
	Told func(RecoveredDatabase)
}

// A RecoveryPlan is what a recovery begins with.
type RecoveryPlan struct {
	Metadata  MetadataCopy   // no Name: the metadata are there already
	Damaged   []MetadataCopy // newer ones that can't be used
	Entities  int64          // that live
	Databases int64          // that live
	Resumed   bool           // an earlier call has been interrupted
}

// A Recovery is what became of it.
type Recovery struct {
	Back    int // databases that are back, adopted ones included
	Lost    int // databases that are not, or not as they were in their newest snapshot
	Pending int // databases whose snapshots could not be fetched now; call Recover again

	// Unknown are the places in the bucket that the metadata do not know.
	Unknown []UnknownPlace
}

// An UnknownPlace has snapshots in the bucket that belong to no database of the
// metadata: one that was made after they were copied, or another server's.
type UnknownPlace struct {
	Place     string // entity/database, as Adopt takes it
	Snapshots int
	Stored    int64     // bytes in the bucket
	Newest    time.Time // when one of them was stored last
}

// Recover brings a server back that has lost its data path: from the configuration
// that it had, and its bucket. The metadata come from their newest copy in the
// bucket, unless they are in PostgreSQL, where they have to be already; each database
// from its newest snapshot that is whole and sound. What a recovery says of each
// database it hands to opt.Told.
//
// The data path has to be empty, but for the file fernet.key, and a SQLite file for
// the metadata elsewhere has to be missing. A recovery that was interrupted, however,
// goes on when it is called again, and no engine can be opened before it has ended.
// On a data path that is in use already, Recover adopts what opt says, and nothing
// else.
//
// Errors: [ErrInvalid] (the configuration, or the key of e-mail tokens is not the one
// that the server had), [ErrConflict] (the data path or the metadata database is not
// empty, or in use; the bucket has the metadata of several servers; a newer ayb has
// written them), [ErrNotFound] (the bucket has no metadata; Unknown is set all the
// same), [ErrUnavailable]. What a single database says is no error.
func Recover(ctx context.Context, cfg Config, opt *RecoverOptions) (_ Recovery, err error) {
	r := &recovery{opt: RecoverOptions{}}
	if opt != nil {
		r.opt = *opt
	}
	if err := cfg.Validate(); err != nil {
		return r.result, err
	}
	if cfg.Snapshots.Bucket == nil {
		return r.result, fault.New(fault.Invalid, "A recovery takes the bucket that the server had; configure [snapshots]")
	}
	if err := r.parse(); err != nil {
		return r.result, err
	}
	r.e = newEngine(cfg)
	r.e.life, r.e.stop = context.WithCancel(ctx)
	r.e.vault = newVault(r.e.cfg)
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.begin(); err != nil {
		return r.result, err
	}
	if err := r.openMetadata(ctx); err != nil {
		if errors.Is(err, fault.NotFound) {
			err = errors.Join(err, r.findUnknown(ctx))
		}
		return r.result, err
	}
	err = r.run(ctx)
	return r.result, err
}

// A recovery is one call of Recover.
type recovery struct {
	e        *Engine
	opt      RecoverOptions
	adopt    []adoption
	plan     RecoveryPlan
	result   Recovery
	scratch  string         // a directory to remove, of a dry run
	notes    *recoveryNotes // nil unless databases are to be brought back
	proven   bool           // the key of e-mail tokens is the one that there was
	isFilled bool           // the data path is in use already: nothing but adopting
	known    map[string]ID  // the databases of the places that the metadata know
}

// close lets go of everything.
func (r *recovery) close() error {
	var errs []error
	if r.notes != nil {
		errs = append(errs, r.notes.close())
	}
	errs = append(errs, r.e.shut())
	if r.scratch != "" {
		errs = append(errs, os.RemoveAll(r.scratch))
	}
	return errors.Join(errs...)
}

// begin takes the data path and finds out what is in it.
func (r *recovery) begin() (err error) {
	e := r.e
	_, err = os.Lstat(e.cfg.DataPath)
	switch {
	case err == nil, r.opt.DryRun && errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrNotExist):
		err = durable.MkdirAll(e.cfg.DataPath)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Unavailable, err, "The data path can't be made, or not be looked into")
	}
	lock := filepath.Join(e.cfg.DataPath, "lock")
	if _, unused := os.Lstat(lock); unused == nil || !r.opt.DryRun {
		if e.lock, err = lockFile(lock); err != nil {
			return err
		}
	}
	notes, err := readRecoveryNotes(e.recoveringPath())
	if err != nil {
		return err
	}
	if r.plan.Resumed = notes != nil; r.plan.Resumed {
		r.notes = notes
		return nil
	}
	found, err := r.findRemains()
	if err != nil || found == "" {
		return err
	}
	if len(r.adopt) == 0 && !r.opt.AdoptUnknown {
		return fault.New(fault.Conflict, "There is something already: %s. A recovery overwrites nothing; move it away, or name another data path. With --adopt, databases are added to what there is", found)
	}
	r.isFilled, r.proven = true, true
	return nil
}

// mayRemain are the entries of a data path that is as good as empty.
var mayRemain = []string{"lock", emailKeyName, OwnersDir, RecoveringName, RecoveringName + ".new", "lost+found"}

// findRemains returns what of an earlier life there is, of the data path and of a
// SQLite file elsewhere; empty if there is nothing.
func (r *recovery) findRemains() (string, error) {
	unreadable := func(err error) error { return fault.Wrap(fault.Unavailable, err, "The data path can't be looked into") }
	entries, err := os.ReadDir(r.e.cfg.DataPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", unreadable(err)
	}
	path, err := store.Path(r.e.cfg.MetadataURL)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(fetchedPath(path)) && !slices.Contains(mayRemain, entry.Name()) {
			return filepath.Join(r.e.cfg.DataPath, entry.Name()), nil
		}
	}
	switch owners, err := os.ReadDir(r.e.cfg.owners()); {
	case len(owners) > 0:
		return r.e.cfg.owners(), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", unreadable(err)
	}
	if path == "" {
		return "", nil
	}
	for _, ending := range []string{"", "-wal", "-journal"} { // a log of another file would be applied to this one
		switch info, err := os.Lstat(path + ending); {
		case err == nil && info.Size() > 0:
			return path + ending, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fault.Wrap(fault.Unavailable, err, "The metadata database can't be looked at")
		}
	}
	return "", nil
}

// openMetadata opens the metadata, which it fetches first if they are not there.
func (r *recovery) openMetadata(ctx context.Context) error {
	path, err := store.Path(r.e.cfg.MetadataURL)
	if err != nil {
		return err
	}
	file, err := os.Stat(path)
	if isMissing := err != nil || file.Size() == 0; path != "" && isMissing && !r.isFilled {
		if err := r.fetchMetadata(ctx, path); err != nil {
			return err
		}
	} else if err := r.examineMetadata(ctx); err != nil {
		return err
	}
	if r.e.store, err = openStore(ctx, r.e.cfg); err != nil {
		return err
	}
	if !r.proven {
		state, err := r.e.store.State(ctx)
		if err == nil {
			err = r.proveKey(state)
		}
		if err != nil {
			return err
		}
	}
	if r.plan.Entities, r.plan.Databases, err = r.e.store.Totals(ctx); err != nil {
		return err
	}
	if r.notes == nil && !r.isFilled && !r.opt.DryRun { // of PostgreSQL
		if r.notes, err = r.startNotes(); err != nil {
			return err
		}
	}
	if r.opt.Began != nil {
		r.opt.Began(r.plan)
	}
	return nil
}

// examineMetadata makes sure that there are metadata where they have to be already.
func (r *recovery) examineMetadata(ctx context.Context) error {
	have, want, err := store.Schema(ctx, r.e.cfg.MetadataURL)
	switch {
	case err != nil:
		return err
	case have == 0 && r.isFilled:
		return fault.New(fault.Conflict, "There is something in the data path, but no metadata to add databases to; move it away, and recover without --adopt first")
	case have == 0:
		return fault.New(fault.NotFound, "The metadata database is empty. Metadata in PostgreSQL are not in the bucket; bring them back from your own backup of them first, with pg_restore or psql, and run this again")
	case have < want && r.opt.DryRun:
		return fault.New(fault.Conflict, "The metadata were written by an older ayb and would be brought up to date, so there is no dry run; run this without, or with the ayb that has written them")
	}
	return nil
}

// fetchMetadata fetches the newest copy of the metadata that can be used to where
// they belong. Before it is there, the recovery is noted.
func (r *recovery) fetchMetadata(ctx context.Context, path string) error {
	list, err := metadataCopies(ctx, r.e.vault)
	if err == nil {
		list, err = r.chooseMetadata(list)
	}
	if err == nil {
		list, err = r.signedMetadata(list)
	}
	if err == nil {
		err = ofOneServer(list)
	}
	if err != nil {
		return err
	}
	fetched := fetchedPath(path)
	if r.opt.DryRun {
		if r.scratch, err = os.MkdirTemp("", "ayb-recover-"); err == nil {
			fetched = filepath.Join(r.scratch, "metadata")
			r.e.cfg.MetadataURL = "sqlite://" + fetched
		}
	} else if err = durable.MkdirAll(filepath.Dir(path)); err == nil {
		err = ignoreMissing(os.Remove(fetched))
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "There is no place for a copy of the metadata")
	}
	if err := r.fetchSound(ctx, list, fetched); err != nil || r.opt.DryRun {
		return err
	}
	if r.notes != nil {
		err = r.notes.close() // they were begun with other metadata
	}
	if err == nil {
		r.notes, err = r.startNotes()
	}
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(fetched, path), durable.SyncDir(filepath.Dir(path))); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The metadata can't be put in their place")
	}
	return nil
}

// fetchedPath is where the metadata are until they are known to be sound.
func fetchedPath(path string) string { return path + "." + RecoveringName }

// chooseMetadata returns the copies that are meant, the newest first.
func (r *recovery) chooseMetadata(list []MetadataCopy) ([]MetadataCopy, error) {
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "The bucket has no copy of the metadata, from which accounts could be brought back. Check bucket and path_prefix of [snapshots]. If it never had one, start a server, have the accounts registered, stop it, and run ayb recover --adopt_unknown")
	}
	if r.opt.From != "" {
		list = slices.DeleteFunc(list, func(m MetadataCopy) bool { return m.Name != r.opt.From && m.Lineage != r.opt.From })
		if len(list) == 0 {
			return nil, fault.New(fault.Invalid, "The bucket has no metadata called %s; leave out --from, and those that it has are named", r.opt.From)
		}
	}
	return list, nil
}

// ofOneServer makes sure that nobody has to choose.
func ofOneServer(list []MetadataCopy) error {
	var servers []string
	for i, m := range list {
		if slices.IndexFunc(list, func(o MetadataCopy) bool { return o.Lineage == m.Lineage }) == i {
			servers = append(servers, m.Lineage+" (until "+m.Taken.Format(time.RFC3339)+")")
		}
	}
	if len(servers) > 1 {
		return fault.New(fault.Conflict, "The bucket has the metadata of %d servers: %s. Say with --from which of them is to come back; a server that was started by mistake after the disaster is the one with the newest", len(servers), strings.Join(servers, ", "))
	}
	return nil
}

// signedMetadata leaves those copies that the server has signed.
func (r *recovery) signedMetadata(list []MetadataCopy) ([]MetadataCopy, error) {
	r.proven = true
	if r.opt.NewKey {
		return list, nil
	}
	keys, err := r.emailKeys()
	if err != nil {
		return nil, err
	}
	good := slices.DeleteFunc(slices.Clone(list), func(m MetadataCopy) bool { return !m.isSigned(keys) })
	if len(good) == 0 {
		return nil, wrongKey(keys)
	}
	for _, m := range list {
		if !slices.Contains(good, m) {
			r.e.log.Error("a copy of the metadata in the bucket is not signed with the key of this server, and is not used", "copy", m.Name)
		}
	}
	return good, nil
}

// fetchSound fetches the first of the copies that can be used.
func (r *recovery) fetchSound(ctx context.Context, list []MetadataCopy, path string) (err error) {
	for _, m := range list {
		if _, err = r.e.vault.FetchFile(ctx, m.Name, path); err == nil {
			if _, err = store.Inspect(ctx, path); err == nil {
				r.plan.Metadata = m
				return nil
			}
			err = errors.Join(err, os.Remove(path))
		}
		if !isDamaged(err) && !errors.Is(err, fault.Invalid) {
			return err
		}
		r.plan.Damaged = append(r.plan.Damaged, m)
		r.e.log.Error("a copy of the metadata can't be used; taking the one before", "copy", m.Name, "error", err)
	}
	return fault.Wrap(fault.Unavailable, err, "All %d copies of the metadata in the bucket are damaged. If the bucket keeps versions, bring older ones back", len(list))
}

// isDamaged reports whether an object of the bucket is not what it was.
func isDamaged(err error) bool {
	for _, damage := range []error{snapshot.ErrDamaged, snapshot.ErrTruncated, snapshot.ErrTooLarge, snapshot.ErrNoSnapshot, snapshot.ErrNoFile} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}

// proveKey makes sure that the key of e-mail tokens is the one that the server had, by
// what is in the metadata. Those in the bucket are signed.
func (r *recovery) proveKey(state store.State) error {
	r.proven = true
	if state.KeyProof == "" || r.opt.NewKey {
		return nil
	}
	keys, err := r.emailKeys()
	if err != nil {
		return err
	}
	if keys != nil && keys.Proves(state.KeyProof) {
		return nil
	}
	return wrongKey(keys)
}

func wrongKey(keys *auth.EmailKeys) error {
	what := "The key of e-mail tokens is another one than the server had"
	if keys == nil {
		what = "The key of e-mail tokens that the server had is missing"
	}
	return fault.New(fault.Invalid, "%s. Put authentication.fernet_key of the former configuration in place, or the file %s of the former data path into the data path. If it is lost, --new_key goes on without: links in e-mails that were sent stop working then, and it can't be told whether it was the server that has written the metadata in the bucket", what, emailKeyName)
}

// emailKeys returns the keys that there are; nil if there are none. It makes none.
func (r *recovery) emailKeys() (*auth.EmailKeys, error) {
	if len(r.e.cfg.EmailKeys) > 0 {
		return auth.ParseEmailKeys(r.e.cfg.EmailKeys...)
	}
	text, err := os.ReadFile(filepath.Join(r.e.cfg.DataPath, emailKeyName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return parseEmailKeyFile(text, err)
}

// run brings the databases back, adopts what is to be adopted, and ends the
// recovery.
func (r *recovery) run(ctx context.Context) (err error) {
	e := r.e
	if !r.opt.DryRun {
		if e.runner, err = openRunner(e.cfg); err != nil {
			return err
		}
		if err := e.sweepImages(ctx); err != nil {
			return err
		}
	}
	if err := r.databases(ctx); err != nil {
		return err
	}
	if err := r.replaced(ctx); err != nil {
		return err
	}
	if err := r.findUnknown(ctx); err != nil {
		return err
	}
	if err := r.adoptAll(ctx); err != nil || r.opt.DryRun {
		return err
	}
	r.record(ctx)
	if r.notes == nil || r.result.Pending > 0 {
		return nil
	}
	return r.notes.end()
}

// record leaves a record of the recovery in the audit trail.
func (r *recovery) record(ctx context.Context) {
	e := r.e
	record := AuditRecord{ID: e.ids.next(), Time: e.now(), System: true, Action: "recover", Subject: r.plan.Metadata.Name, Outcome: "ok"}
	if err := e.store.AppendAudit(ctx, []AuditRecord{record}, nil); err != nil {
		e.log.Warn("the audit trail has no record of the recovery", "error", err)
	}
}
