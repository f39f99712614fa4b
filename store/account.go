package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

// The kinds and the states of authentication methods. Their numbers are stored;
// never renumber.
const (
	emailMethod    = 0
	verifiedMethod = 0
)

// maxEmails bounds the addresses of one entity that are looked at.
const maxEmails = 100

type methodRow struct {
	bun.BaseModel `bun:"table:authentication_method,alias:m"`

	Kind      int64  `bun:",pk"`
	Address   string `bun:",pk"`
	EntityID  catalog.ID
	Status    int64
	CreatedAt int64
}

type usedTokenRow struct {
	bun.BaseModel `bun:"table:used_token,alias:u"`

	Hash      string `bun:",pk"`
	KeepUntil int64
}

// An Account is an entity with the verified e-mail addresses that prove who may
// act as it, the first verified first.
type Account struct {
	catalog.Entity
	Emails []string
}

// Account returns the entity of that name, in any case, whether it lives or is
// deleted and not yet purged. It is not cached. Errors: NotFound.
func (s *Store) Account(ctx context.Context, slug catalog.Slug) (a Account, err error) {
	err = s.read(ctx, answers{noRow: entityMissing}, func(ctx context.Context) error {
		a, err = account(ctx, s.db, slug)
		return err
	})
	return a, err
}

func account(ctx context.Context, db bun.IDB, slug catalog.Slug) (Account, error) {
	var row entityRow
	if err := db.NewSelect().Model(&row).Where("e.slug = ?", slug.Fold()).Scan(ctx); err != nil {
		return Account{}, err
	}
	a := Account{Entity: row.entity()}
	err := db.NewSelect().Model((*methodRow)(nil)).Column("address").
		Where("m.entity_id = ?", row.ID).Where("m.kind = ?", emailMethod).Where("m.status = ?", verifiedMethod).
		Order("m.created_at", "m.address").Limit(maxEmails).Scan(ctx, &a.Emails)
	return a, err
}

// EmailHolder returns the entity that an e-mail address belongs to, whether it
// lives or is deleted and not yet purged. It is not cached. Errors: NotFound if
// the address belongs to nobody.
func (s *Store) EmailHolder(ctx context.Context, address string) (catalog.Entity, error) {
	var row entityRow
	unknown := answers{noRow: {fault.NotFound, "The e-mail address belongs to no account"}}
	err := s.read(ctx, unknown, func(ctx context.Context) error {
		return s.db.NewSelect().Model(&row).Join("JOIN authentication_method AS m ON m.entity_id = e.id").
			Where("m.kind = ?", emailMethod).Where("m.address = ?", address).Scan(ctx)
	})
	if err != nil {
		return catalog.Entity{}, err
	}
	return row.entity(), nil
}

// A Confirmation is what somebody gets for showing an e-mail token.
type Confirmation struct {
	// UsedToken is the hash of the e-mail token: 64 hexadecimal digits. It is
	// remembered until KeepUntil, so that the token works once.
	UsedToken string
	KeepUntil time.Time

	// Entity is the account that the token is for, as it is made if there is none
	// of that name.
	Entity catalog.Entity

	// Email is the address that the token was sent to, in lower case.
	Email string

	// Token is the API token to add, for whichever entity it turns out to be, and
	// TokenHash stands for its secret half.
	Token     catalog.Token
	TokenHash string
}

// Confirm does, all or nothing, what an e-mail token is good for: it marks the
// token as used; makes the entity if there is none of that name, with the address
// as verified; and adds the API token, for which those that were not used for
// longest are revoked if there are too many. It returns the entity. Of several calls
// with one e-mail token, also of different Stores, one succeeds.
//
// Errors: Unauthenticated if the e-mail token was used before; Exists if the
// entity is there and the address is not one of its own, if it is deleted and
// not yet purged, or if the address belongs to another entity.
func (s *Store) Confirm(ctx context.Context, c Confirmation) (ent catalog.Entity, err error) {
	err = s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		used := usedTokenRow{Hash: c.UsedToken, KeepUntil: micros(c.KeepUntil)}
		fresh, err := insertNew(ctx, tx, &used)
		switch {
		case err != nil:
			return err
		case !fresh:
			return fault.New(fault.Unauthenticated, "Invalid or expired token")
		}
		if ent, err = confirmEntity(ctx, tx, c); err != nil {
			return err
		}
		c.Token.Entity = ent.ID
		if err := s.makeTokenRoom(ctx, tx, ent.ID); err != nil {
			return err
		}
		return s.insertToken(ctx, tx, c.Token, c.TokenHash)
	})
	if err != nil {
		return catalog.Entity{}, err
	}
	if s.bound.most > 0 { // and some of its tokens may have been revoked
		s.tokens.drop(ent.ID)
	}
	return ent, nil
}

// confirmEntity returns the entity that a confirmation is for, and makes it if
// there is none.
func confirmEntity(ctx context.Context, tx bun.Tx, c Confirmation) (catalog.Entity, error) {
	row := entityToRow(c.Entity)
	fresh, err := insertNew(ctx, tx, &row)
	if err != nil {
		return catalog.Entity{}, err
	}
	if !fresh {
		return existingEntity(ctx, tx, c)
	}
	method := methodRow{Kind: emailMethod, Address: c.Email, EntityID: row.ID, Status: verifiedMethod, CreatedAt: row.CreatedAt}
	switch fresh, err := insertNew(ctx, tx, &method); {
	case err != nil:
		return catalog.Entity{}, err
	case !fresh:
		return catalog.Entity{}, fault.New(fault.Exists, "The e-mail address belongs to another account already; log in to that one")
	}
	return row.entity(), nil
}

// existingEntity returns the entity of that name if the confirmed address is one
// of its own. An entity without any address was not registered by e-mail, and is
// nobody's to take.
func existingEntity(ctx context.Context, tx bun.Tx, c Confirmation) (catalog.Entity, error) {
	a, err := account(ctx, tx, c.Entity.Slug)
	if err != nil {
		return catalog.Entity{}, err
	}
	if !a.HasEmail(c.Email) {
		return catalog.Entity{}, fault.New(fault.Exists, "%s has already been registered", a.Slug)
	}
	return a.Entity, nil
}

// HasEmail reports whether the account lives and the address is one of its own.
func (a Account) HasEmail(address string) bool {
	return a.Deleted.IsZero() && slices.Contains(a.Emails, address)
}

// insertNew adds a row unless one of the same unique name is there, and reports
// whether it did. If another transaction is about to add one, it waits for that.
func insertNew(ctx context.Context, tx bun.Tx, row any) (bool, error) {
	result, err := tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Exec(ctx)
	err = changed(result, err)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// ForgetUsedTokens removes the used e-mail tokens that need not be remembered at
// the instant now any more, and returns how many.
func (s *Store) ForgetUsedTokens(ctx context.Context, now time.Time) (removed int64, err error) {
	return s.removeAll(ctx, fmt.Sprintf(
		"DELETE FROM used_token WHERE hash IN (SELECT hash FROM used_token WHERE keep_until < %d LIMIT %d)", micros(now), deleteRows))
}
