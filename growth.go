package ayb

import (
	"context"
	"sync"

	"ayb/fault"
	"ayb/hosting"
)

// A growth is what images that are under way will add to their owners' databases.
// Images count for no quota, and many can be made at the same time.
type growth struct {
	mu sync.Mutex
	of map[ID]int64 // by owner, in bytes
}

func (g *growth) add(owner ID, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[ID]int64{}
	}
	if g.of[owner] += bytes; g.of[owner] == 0 {
		delete(g.of, owner)
	}
}

func (g *growth) sum(owner ID) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of[owner]
}

// A room is where an image is to go.
type room struct {
	quota   hosting.Quota
	present int64 // bytes of what it replaces
}

// claim sets room aside for a database of so many bytes, which the image is to
// become, until unclaim. It may be called again when more is known. Errors: [ErrTooLarge].
func (img *image) claim(ctx context.Context, room room, size int64) error {
	e, owner := img.e, img.file.Owner
	unlock, err := e.claiming.lock(ctx, owner)
	if err != nil {
		return err
	}
	defer unlock()
	more, quota := max(0, size-room.present), room.quota
	switch {
	case more <= img.claimed: // who has more already keeps it, too
	case quota.DatabaseBytes > 0 && size > quota.DatabaseBytes:
		return fault.New(fault.TooLarge, "It would make a database of %d bytes, which may have no more than %d; ask whoever runs this server for more room", size, quota.DatabaseBytes)
	case quota.OwnerBytes > 0:
		// First what is claimed: what becomes a database meanwhile counts twice, not never.
		others := e.growth.sum(owner) - img.claimed
		used, err := e.ownerSize(ctx, owner)
		if err != nil {
			return err
		}
		if used+others+more > quota.OwnerBytes {
			return fault.New(fault.TooLarge, "It would make a database of %d bytes, for which its owner's databases, and what is being restored or imported, leave no room; delete something, or ask whoever runs this server for more. A deleted database counts until it is removed for good", size)
		}
	}
	e.growth.add(owner, more-img.claimed)
	img.claimed = more
	return nil
}

// unclaim gives the room back: the image counts as what it has become, or is gone.
func (img *image) unclaim() {
	img.e.growth.add(img.file.Owner, -img.claimed)
	img.claimed = 0
}
