package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

// usedPrecision is how exactly the last use of a token is kept.
const usedPrecision = time.Hour

type tokenRow struct {
	bun.BaseModel `bun:"table:api_token,alias:t"`

	Short      string `bun:",pk"`
	EntityID   catalog.ID
	Hash       string
	DatabaseID catalog.ID `bun:",nullzero"`
	Access     catalog.Access
	AppName    string
	Position   int64
	CreatedAt  int64
	ExpiresAt  int64 `bun:",nullzero"`
	RevokedAt  int64 `bun:",nullzero"`
	UsedAt     int64 `bun:",nullzero"`
}

func (r tokenRow) token() catalog.Token {
	return catalog.Token{
		Short: r.Short, Entity: r.EntityID,
		Scope:   catalog.Scope{Database: r.DatabaseID, Access: r.Access},
		AppName: r.AppName,
		Created: instant(r.CreatedAt), Expires: instant(r.ExpiresAt),
		Revoked: instant(r.RevokedAt), Used: instant(r.UsedAt),
	}
}

// storedToken is a token as it is cached, under its short half.
type storedToken struct {
	catalog.Token
	hash string
}

// CreateToken adds a token. hash stands for its secret half: 64 hexadecimal
// digits. Errors: Exists if the short half is taken, NotFound if the entity, or
// the database of its scope, is unknown, Conflict if the entity has as many as
// [Options.Tokens] allows.
func (s *Store) CreateToken(ctx context.Context, t catalog.Token, hash string) error {
	if err := storable(t.AppName); err != nil {
		return err
	}
	own := answers{
		duplicate:    {fault.Exists, "API token already exists"},
		badReference: {fault.NotFound, "The entity, or the database that the token is limited to, does not exist"},
	}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		switch more, err := s.tooManyTokens(ctx, tx, t.Entity); {
		case err != nil:
			return err
		case more > 0:
			return fault.New(fault.Conflict, "The account has %d API tokens that are valid, and can't have more (limits.tokens); revoke those that nobody needs", s.bound.most+more-1)
		}
		return s.insertToken(ctx, tx, t, hash)
	})
}

// A tokenBound says how many valid tokens an entity may have; 0: any number.
type tokenBound struct {
	most int64
	idle time.Duration // without use, after which one is not valid; not positive: none
}

// tooManyTokens returns how many tokens of an entity would have to go before it may
// have another one, and keeps others from adding any until the transaction ends.
func (s *Store) tooManyTokens(ctx context.Context, tx bun.Tx, entity catalog.ID) (int64, error) {
	if s.bound.most <= 0 {
		return 0, nil
	}
	_, err := tx.NewUpdate().Model((*entityRow)(nil)).Set("kind = kind").Where("id = ?", entity).Exec(ctx)
	if err != nil {
		return 0, err
	}
	n, err := s.selectValid(tx, entity).Count(ctx)
	return max(n-s.bound.most+1, 0), err
}

// makeTokenRoom revokes the tokens of an entity that were not used for longest, as
// far as it needs room for another one.
func (s *Store) makeTokenRoom(ctx context.Context, tx bun.Tx, entity catalog.ID) error {
	more, err := s.tooManyTokens(ctx, tx, entity)
	if err != nil || more == 0 {
		return err
	}
	oldest := s.selectValid(tx, entity).Column("short").OrderExpr("COALESCE(t.used_at, t.created_at), t.position").Limit(more)
	_, err = tx.NewUpdate().Model((*tokenRow)(nil)).Set("revoked_at = ?", micros(s.now())).Where("short IN (?)", oldest).Exec(ctx)
	return err
}

// selectValid begins a query for the valid tokens of an entity.
func (s *Store) selectValid(db bun.IDB, entity catalog.ID) *bun.SelectQuery {
	now := s.now()
	q := db.NewSelect().Model((*tokenRow)(nil)).Where("t.entity_id = ?", entity).Where("t.revoked_at IS NULL").
		Where("t.expires_at IS NULL OR t.expires_at > ?", micros(now))
	if s.bound.idle > 0 {
		since := micros(now.Add(-s.bound.idle))
		q.Where("t.created_at > ? OR t.used_at > ?", since, since)
	}
	return q
}

func (s *Store) insertToken(ctx context.Context, tx bun.Tx, t catalog.Token, hash string) error {
	position, err := s.nextPosition(ctx, tx, "api_token")
	if err != nil {
		return err
	}
	row := tokenRow{
		Short: t.Short, EntityID: t.Entity, Hash: hash,
		DatabaseID: t.Scope.Database, Access: t.Scope.Access, AppName: t.AppName, Position: position,
		CreatedAt: micros(t.Created), ExpiresAt: micros(t.Expires),
		RevokedAt: micros(t.Revoked), UsedAt: micros(t.Used),
	}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

// Token returns a token and the hash of its secret half by its short half. A
// token that is revoked or has expired is returned like any other: the caller
// decides. It is cached. Errors: NotFound.
func (s *Store) Token(ctx context.Context, short string) (t catalog.Token, hash string, err error) {
	if known, ok := s.tokens.get(short); ok {
		return known.Token, known.hash, nil
	}
	ticket := s.tokens.ticket()
	var row tokenRow
	err = s.read(ctx, answers{noRow: tokenMissing}, func(ctx context.Context) error {
		return s.db.NewSelect().Model(&row).Where("t.short = ?", short).Scan(ctx)
	})
	if err != nil {
		return catalog.Token{}, "", err
	}
	t = row.token()
	s.tokens.put(ticket, t.Short, storedToken{t, row.Hash})
	return t, row.Hash, nil
}

// Tokens lists the tokens of an entity that are neither revoked nor, at the
// instant now, expired, newest first. Errors: Invalid (the cursor).
func (s *Store) Tokens(ctx context.Context, entity catalog.ID, now time.Time, page catalog.Page) (catalog.List[catalog.Token], error) {
	var rows []tokenRow
	after, err := parseCursor(page.After, "tokens", 1)
	if err != nil {
		return catalog.List[catalog.Token]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).Where("t.entity_id = ?", entity).Where("t.revoked_at IS NULL").
			Where("t.expires_at IS NULL OR t.expires_at > ?", micros(now)).
			Order("t.position DESC", "t.short DESC").Limit(oneMore(page))
		if after != nil {
			q.Where("(t.position, t.short) < (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, tokenRow.token, func(r tokenRow) cursor {
		return cursor{"tokens", r.Position, []string{r.Short}}
	}), err
}

// RevokeToken revokes a token of an entity: when it returns, this Store answers
// with the revoked token, and others do so within their [Options.CacheTTL].
// Errors: NotFound if the token is unknown, another entity's, or revoked already.
func (s *Store) RevokeToken(ctx context.Context, entity catalog.ID, short string, at time.Time) error {
	defer s.tokens.dropKey(short)
	return s.write(ctx, answers{noRow: tokenMissing}, func(ctx context.Context, tx bun.Tx) error {
		return changed(tx.NewUpdate().Model((*tokenRow)(nil)).Set("revoked_at = ?", micros(at)).
			Where("short = ?", short).Where("entity_id = ?", entity).Where("revoked_at IS NULL").Exec(ctx))
	})
}

// TouchToken records that a token was used. It does nothing if the use on record
// is less than an hour older, so that it may be called with every request; a
// token that is gone is no error.
func (s *Store) TouchToken(ctx context.Context, short string, at time.Time) error {
	if known, ok := s.tokens.get(short); ok && at.Sub(known.Used) < usedPrecision {
		return nil
	}
	defer s.tokens.dropKey(short)
	return s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*tokenRow)(nil)).Set("used_at = ?", micros(at)).
			Where("short = ?", short).
			Where("used_at IS NULL OR used_at <= ?", micros(at.Add(-usedPrecision))).Exec(ctx)
		return err
	})
}
