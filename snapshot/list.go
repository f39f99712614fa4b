package snapshot

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"ayb/catalog"
	"ayb/fault"
)

const (
	// MaxListed is how many snapshots of one database are listed at the most.
	MaxListed = 100_000

	// asked is how many objects are asked for their metadata at once.
	asked = 16

	// listed is how many keys a bucket is asked for at once. Services give what
	// they see fit. The driver of directories loses entries between its pages if
	// names like a and a-b stand side by side, and their order, so it must need only
	// one.
	listed = 1 << 20
)

// All returns all snapshots of a database, newest first. Objects that are not
// named like a snapshot are passed over. It costs a request for each snapshot,
// since services list no metadata. Errors: [fault.Invalid] (the place),
// [fault.TooLarge] (more than MaxListed), and those of the bucket.
func (v *Vault) All(ctx context.Context, place Place) ([]catalog.Snapshot, error) {
	if err := place.check(); err != nil {
		return nil, err
	}
	var ids []string
	for object, err := range v.objects(ctx, place.prefix()) {
		if err != nil {
			return nil, err
		}
		at, id, ok := parseKey(object.Key)
		switch {
		case !ok || at != place:
			continue
		case len(ids) == MaxListed:
			return nil, fault.New(fault.TooLarge, "%s has more than %d snapshots; delete some of them in the bucket", place, MaxListed)
		}
		ids = append(ids, id)
	}
	list, err := v.statAll(ctx, place, ids)
	slices.SortFunc(list, newestFirst)
	return list, err
}

// statAll asks for the metadata of snapshots, many at once. What has gone since
// they were listed, or is damaged, is left out.
func (v *Vault) statAll(ctx context.Context, place Place, ids []string) ([]catalog.Snapshot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]catalog.Snapshot, len(ids))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(asked, len(ids)) {
		wg.Go(func() {
			for i := range next {
				a, err := v.attributes(ctx, place.prefix()+ids[i])
				switch err = v.bucketError(ctx, err, ErrNoSnapshot); {
				case err == nil:
					found[i] = decode(ids[i], a)
				case errors.Is(err, ErrDamaged):
					v.opt.Logger.WarnContext(ctx, "a snapshot is left out, since what the bucket says about it can't be read", "place", place, "id", ids[i], "error", err)
				case !isGone(err):
					cancel(err)
				}
			}
		})
	}
	for i := range ids {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return slices.DeleteFunc(found, func(s catalog.Snapshot) bool { return s.ID == "" }), nil
}

// List returns a page of All, and of more: what the caller has of this database
// besides. What the bucket has as well is what it is there. Errors: as All, and
// [fault.Invalid] (the page).
func (v *Vault) List(ctx context.Context, place Place, page catalog.Page, more ...catalog.Snapshot) (catalog.List[catalog.Snapshot], error) {
	all, err := v.All(ctx, place)
	if err != nil {
		return catalog.List[catalog.Snapshot]{}, err
	}
	return Paginate(all, page, more...)
}

// Paginate returns a page of snapshots that are newest first, and of more that are
// not among them. Errors: [fault.Invalid] (the page).
func Paginate(all []catalog.Snapshot, page catalog.Page, more ...catalog.Snapshot) (catalog.List[catalog.Snapshot], error) {
	for _, s := range more {
		if !slices.ContainsFunc(all, func(stored catalog.Snapshot) bool { return stored.ID == s.ID }) {
			all = append(all, s)
		}
	}
	if len(more) > 0 {
		slices.SortFunc(all, newestFirst)
	}
	if page.After != "" {
		taken, id, ok := strings.Cut(page.After, "_")
		t, good := parseTime(taken)
		if !ok || !good || !catalog.IsSnapshotID(id) {
			return catalog.List[catalog.Snapshot]{}, fault.New(fault.Invalid, "This is not where a page of snapshots ends; give what the page before came with")
		}
		after := catalog.Snapshot{ID: id, Taken: t}
		all = slices.DeleteFunc(all, func(s catalog.Snapshot) bool { return newestFirst(s, after) <= 0 })
	}
	if limit := page.Limit(); len(all) > limit {
		last := all[limit-1]
		return catalog.List[catalog.Snapshot]{Items: all[:limit], Next: formatTime(last.Taken) + "_" + last.ID}, nil
	}
	return catalog.List[catalog.Snapshot]{Items: all}, nil
}

// Delete deletes a snapshot. Errors: [fault.Invalid] (the place or the id),
// [ErrNoSnapshot], and those of the bucket.
func (v *Vault) Delete(ctx context.Context, place Place, id string) error {
	key, err := place.key(id)
	if err != nil {
		return err
	}
	return v.delete(ctx, key, ErrNoSnapshot)
}

func (v *Vault) delete(ctx context.Context, key string, absent error) error {
	ctx, cancel := v.request(ctx)
	defer cancel()
	if err := v.bucket.Delete(ctx, key); err != nil {
		return v.bucketError(ctx, err, absent)
	}
	v.opt.Logger.DebugContext(ctx, "object deleted", "key", key)
	return nil
}

// A Find is what Walk has found of one database.
type Find struct {
	Place  Place
	IDs    []string  // of its snapshots, in no order
	Stored int64     // of all of them, in bytes
	Newest time.Time // when one of them was last stored
}

// Walk goes through every database that has snapshots in the bucket, known to
// somebody or not. A failure ends it. Objects that are no snapshots are passed
// over. It asks for no metadata: a thousand snapshots cost one request.
func (v *Vault) Walk(ctx context.Context) iter.Seq2[Find, error] {
	return func(yield func(Find, error) bool) {
		var find Find
		for object, err := range v.objects(ctx, "") {
			if err != nil {
				yield(Find{}, err)
				return
			}
			place, id, ok := parseKey(object.Key)
			if !ok {
				continue
			}
			if place != find.Place {
				if len(find.IDs) > 0 && !yield(find, nil) {
					return
				}
				find = Find{Place: place}
			}
			find.IDs = append(find.IDs, id)
			find.Stored += object.Size
			find.Newest = later(find.Newest, object.ModTime)
		}
		if len(find.IDs) > 0 {
			yield(find, nil)
		}
	}
}

// objects goes through the objects whose keys begin with prefix. The last thing
// it gives may be a fault.
func (v *Vault) objects(ctx context.Context, prefix string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		for token := blob.FirstPageToken; len(token) > 0; {
			page, next, err := v.page(ctx, prefix, token)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, object := range page {
				if !yield(object, nil) {
					return
				}
			}
			token = next
		}
	}
}

// listings is how often a directory is listed again from which something goes
// meanwhile, as uploads do when they get their name: its driver gives up then.
const listings = 100

// page asks for one page of objects.
func (v *Vault) page(ctx context.Context, prefix string, token []byte) (page []*blob.ListObject, next []byte, err error) {
	if err := v.mounted(); err != nil {
		return nil, nil, err
	}
	if err := v.readable(prefix); err != nil {
		return nil, nil, v.bucketError(ctx, err, nil)
	}
	ctx, cancel := v.request(ctx)
	defer cancel()
	for range listings {
		page, next, err = v.bucket.ListPage(ctx, token, listed, &blob.ListOptions{Prefix: prefix})
		if !v.isOnDisk || gcerrors.Code(err) != gcerrors.NotFound || v.mounted() != nil {
			break
		}
	}
	if v.isOnDisk {
		slices.SortFunc(page, func(a, b *blob.ListObject) int { return strings.Compare(a.Key, b.Key) })
	}
	return page, next, v.bucketError(ctx, err, nil)
}
