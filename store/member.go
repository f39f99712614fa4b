package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

type memberRow struct {
	bun.BaseModel `bun:"table:member,alias:m"`

	OrganizationID   catalog.ID   `bun:",pk"`
	OrganizationSlug catalog.Slug `bun:",scanonly"`
	EntityID         catalog.ID   `bun:",pk"`
	EntitySlug       catalog.Slug `bun:",scanonly"`
	Role             catalog.Role
	Position         int64
	JoinedAt         int64
}

func (r memberRow) membership() catalog.Membership {
	return catalog.Membership{
		Organization: r.OrganizationID, OrganizationSlug: r.OrganizationSlug,
		Entity: r.EntityID, EntitySlug: r.EntitySlug,
		Role: r.Role, Joined: instant(r.JoinedAt),
	}
}

// memberKey is the pair under which a role is cached.
type memberKey struct{ organization, entity catalog.ID }

// Role returns the role of an entity in an organization, or NoRole. Whether
// either of them lives is not looked at. It is cached, and so is that there is
// none.
func (s *Store) Role(ctx context.Context, organization, entity catalog.ID) (catalog.Role, error) {
	key := memberKey{organization, entity}
	if role, ok := s.roles.get(key); ok {
		return role, nil
	}
	ticket := s.roles.ticket()
	role, err := s.CurrentRole(ctx, organization, entity)
	if err == nil {
		s.roles.put(ticket, key, role)
	}
	return role, err
}

// CurrentRole is [Store.Role] past the cache, for who is about to change it.
func (s *Store) CurrentRole(ctx context.Context, organization, entity catalog.ID) (role catalog.Role, err error) {
	err = s.read(ctx, nil, func(ctx context.Context) error {
		role, err = currentRole(ctx, s.db, organization, entity)
		return err
	})
	return role, err
}

func currentRole(ctx context.Context, db bun.IDB, organization, entity catalog.ID) (role catalog.Role, err error) {
	err = db.NewSelect().Model((*memberRow)(nil)).Column("role").
		Where("organization_id = ?", organization).Where("entity_id = ?", entity).Scan(ctx, &role)
	if errors.Is(err, sql.ErrNoRows) {
		return catalog.NoRole, nil
	}
	return role, err
}

// ChangeMember changes the role of an entity in an organization, provided that it
// is the first of the two; NoRole stands for somebody who is not a member. A
// member whose role changes keeps their place in the order and their time.
// Errors: NotFound if the organization or the entity does not live, Conflict if
// the role is another one, or if the organization would have no owner any more
// although it had one.
func (s *Store) ChangeMember(ctx context.Context, organization, entity catalog.ID, from, to catalog.Role) error {
	defer s.roles.dropKey(memberKey{organization, entity})
	own := answers{
		noRow:        entityMissing,
		badReference: entityMissing,
	}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		// Changes of one organization's members take turns: two owners must not
		// dismiss each other at once.
		if err := lockEntity(ctx, tx, organization); err != nil {
			return err
		}
		switch role, err := currentRole(ctx, tx, organization, entity); {
		case err != nil:
			return err
		case role != from:
			return fault.New(fault.Conflict, "The role has just been changed by somebody else; look again")
		}
		if from == catalog.OwnerRole && to != catalog.OwnerRole {
			if err := requireOtherOwner(ctx, tx, organization, entity); err != nil {
				return err
			}
		}
		return s.setRole(ctx, tx, organization, entity, to)
	})
}

// lockEntity keeps other transactions from changing a live entity until this one
// ends. It fails with sql.ErrNoRows if the entity does not live.
func lockEntity(ctx context.Context, tx bun.Tx, id catalog.ID) error {
	return changed(tx.NewUpdate().Model((*entityRow)(nil)).Set("kind = kind").
		Where("id = ?", id).Where("deleted_at IS NULL").Exec(ctx))
}

func requireOtherOwner(ctx context.Context, tx bun.Tx, organization, entity catalog.ID) error {
	others := tx.NewSelect().Model((*memberRow)(nil)).Join("JOIN entity AS e ON e.id = m.entity_id").
		Where("m.organization_id = ?", organization).Where("m.entity_id <> ?", entity).
		Where("m.role = ?", catalog.OwnerRole).Where("e.deleted_at IS NULL")
	return require(ctx, others, answer{fault.Conflict, "This is the last owner of the organization; appoint another one first"})
}

// setRole stores a role; NoRole ends the membership.
func (s *Store) setRole(ctx context.Context, tx bun.Tx, organization, entity catalog.ID, role catalog.Role) error {
	if role == catalog.NoRole {
		_, err := tx.NewDelete().Model((*memberRow)(nil)).
			Where("organization_id = ?", organization).Where("entity_id = ?", entity).Exec(ctx)
		return err
	}
	if err := requireLiveEntity(ctx, tx, entity); err != nil {
		return err
	}
	position, err := s.nextPosition(ctx, tx, "member")
	if err != nil {
		return err
	}
	row := memberRow{OrganizationID: organization, EntityID: entity, Role: role, Position: position, JoinedAt: micros(s.now())}
	_, err = tx.NewInsert().Model(&row).
		On("CONFLICT (organization_id, entity_id) DO UPDATE").Set("role = EXCLUDED.role").Exec(ctx)
	return err
}

// Members lists the live members of an organization, in the order in which they
// joined. Errors: Invalid (the cursor).
func (s *Store) Members(ctx context.Context, organization catalog.ID, page catalog.Page) (catalog.List[catalog.Membership], error) {
	var rows []memberRow
	after, err := parseCursor(page.After, "members", 1)
	if err != nil {
		return catalog.List[catalog.Membership]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectMembers(s.db, &rows).
			Where("m.organization_id = ?", organization).Where("e.deleted_at IS NULL").
			Order("m.position", "m.entity_id").Limit(oneMore(page))
		if after != nil {
			q.Where("(m.position, m.entity_id) > (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, memberRow.membership, func(r memberRow) cursor {
		return cursor{"members", r.Position, []string{r.EntityID.String()}}
	}), err
}

// Memberships lists the live organizations that an entity is a member of, in the
// order in which it joined them. Errors: Invalid (the cursor).
func (s *Store) Memberships(ctx context.Context, entity catalog.ID, page catalog.Page) (catalog.List[catalog.Membership], error) {
	var rows []memberRow
	after, err := parseCursor(page.After, "memberships", 1)
	if err != nil {
		return catalog.List[catalog.Membership]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectMembers(s.db, &rows).
			Where("m.entity_id = ?", entity).Where("o.deleted_at IS NULL").
			Order("m.position", "m.organization_id").Limit(oneMore(page))
		if after != nil {
			q.Where("(m.position, m.organization_id) > (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, memberRow.membership, func(r memberRow) cursor {
		return cursor{"memberships", r.Position, []string{r.OrganizationID.String()}}
	}), err
}

// selectMembers begins a query for members with the names on both sides.
func selectMembers(db bun.IDB, rows *[]memberRow) *bun.SelectQuery {
	return db.NewSelect().Model(rows).ColumnExpr("?TableColumns").
		ColumnExpr("o.slug AS organization_slug").ColumnExpr("e.slug AS entity_slug").
		Join("JOIN entity AS o ON o.id = m.organization_id").Join("JOIN entity AS e ON e.id = m.entity_id")
}
