package behavior_test

import (
	"context"
	"io"

	"ayb"
	"ayb/aybtest/behavior"
)

// engine is the API of an engine in this process, for whoever has a secret. Each
// call looks the secret up, as a server does.
type engine struct {
	eng    *ayb.Engine
	secret string
}

func (e engine) caller(ctx context.Context) (ayb.Principal, error) {
	if e.secret == "" {
		return ayb.Anonymous, nil
	}
	return e.eng.Authenticate(ctx, e.secret)
}

// do makes a call that returns nothing.
func (e engine) do(ctx context.Context, call func(ayb.Principal) error) error {
	p, err := e.caller(ctx)
	if err != nil {
		return err
	}
	return call(p)
}

// get makes a call that returns something.
func get[T any](ctx context.Context, e engine, call func(ayb.Principal) (T, error)) (T, error) {
	p, err := e.caller(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return call(p)
}

func (e engine) Register(ctx context.Context, r ayb.Registration) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.Register(ctx, p, r) })
}

func (e engine) LogIn(ctx context.Context, entity string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.LogIn(ctx, p, entity) })
}

func (e engine) Entity(ctx context.Context, slug string) (ayb.Entity, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Entity, error) { return e.eng.Entity(ctx, p, slug) })
}

func (e engine) UpdateProfile(ctx context.Context, slug string, update ayb.ProfileUpdate) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.UpdateProfile(ctx, p, slug, update) })
}

func (e engine) RenameEntity(ctx context.Context, slug, newSlug string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.RenameEntity(ctx, p, slug, newSlug) })
}

func (e engine) DeleteEntity(ctx context.Context, slug string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.DeleteEntity(ctx, p, slug) })
}

func (e engine) Members(ctx context.Context, organization string, page ayb.Page) (ayb.List[ayb.Membership], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Membership], error) {
		return e.eng.Members(ctx, p, organization, page)
	})
}

func (e engine) SetMember(ctx context.Context, organization, entity string, role ayb.Role) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.SetMember(ctx, p, organization, entity, role) })
}

func (e engine) RemoveMember(ctx context.Context, organization, entity string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.RemoveMember(ctx, p, organization, entity) })
}

func (e engine) Memberships(ctx context.Context, page ayb.Page) (ayb.List[ayb.Membership], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Membership], error) { return e.eng.Memberships(ctx, p, page) })
}

func (e engine) CreateDatabase(ctx context.Context, ref string, opt *ayb.DatabaseOptions) (ayb.Database, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Database, error) { return e.eng.CreateDatabase(ctx, p, ref, opt) })
}

func (e engine) Database(ctx context.Context, ref string) (ayb.DatabaseDetails, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.DatabaseDetails, error) { return e.eng.Database(ctx, p, ref) })
}

func (e engine) Databases(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.Database], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Database], error) { return e.eng.Databases(ctx, p, entity, page) })
}

func (e engine) SetPublic(ctx context.Context, ref string, level ayb.PublicLevel) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.SetPublic(ctx, p, ref, level) })
}

func (e engine) SetAnonymousQueries(ctx context.Context, ref string, allowed bool) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.SetAnonymousQueries(ctx, p, ref, allowed) })
}

func (e engine) RenameDatabase(ctx context.Context, ref, newSlug string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.RenameDatabase(ctx, p, ref, newSlug) })
}

func (e engine) TransferDatabase(ctx context.Context, ref, toEntity string) (ayb.Offer, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Offer, error) { return e.eng.TransferDatabase(ctx, p, ref, toEntity) })
}

func (e engine) Offers(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.Offer], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Offer], error) { return e.eng.Offers(ctx, p, entity, page) })
}

func (e engine) AcceptOffer(ctx context.Context, entity, ref, slug string) (ayb.Database, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Database, error) { return e.eng.AcceptOffer(ctx, p, entity, ref, slug) })
}

func (e engine) DeclineOffer(ctx context.Context, entity, ref string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.DeclineOffer(ctx, p, entity, ref) })
}

func (e engine) WithdrawOffer(ctx context.Context, ref string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.WithdrawOffer(ctx, p, ref) })
}

func (e engine) DeleteDatabase(ctx context.Context, ref string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.DeleteDatabase(ctx, p, ref) })
}

func (e engine) UndeleteDatabase(ctx context.Context, ref string) (ayb.Database, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Database, error) { return e.eng.UndeleteDatabase(ctx, p, ref) })
}

func (e engine) Share(ctx context.Context, ref, entity string, access ayb.Access) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.Share(ctx, p, ref, entity, access) })
}

func (e engine) Grants(ctx context.Context, ref string, page ayb.Page) (ayb.List[ayb.Grant], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Grant], error) { return e.eng.Grants(ctx, p, ref, page) })
}

func (e engine) Shared(ctx context.Context, page ayb.Page) (ayb.List[ayb.Share], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Share], error) { return e.eng.Shared(ctx, p, page) })
}

func (e engine) Tokens(ctx context.Context, page ayb.Page) (ayb.List[ayb.TokenDetails], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.TokenDetails], error) { return e.eng.Tokens(ctx, p, page) })
}

func (e engine) WhoAmI(ctx context.Context) (ayb.Identity, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Identity, error) { return e.eng.WhoAmI(ctx, p) })
}

func (e engine) RevokeToken(ctx context.Context, short string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.RevokeToken(ctx, p, short) })
}

func (e engine) Query(ctx context.Context, ref, sql string, args ...any) (*ayb.Result, error) {
	return get(ctx, e, func(p ayb.Principal) (*ayb.Result, error) { return e.eng.Query(ctx, p, ref, sql, args...) })
}

func (e engine) Stream(ctx context.Context, ref string, st ayb.Statement, sink ayb.Sink) (ayb.Summary, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Summary, error) { return e.eng.Stream(ctx, p, ref, st, sink) })
}

func (e engine) Confirm(ctx context.Context, token string) (ayb.Slug, string, error) {
	ent, secret, _, err := e.eng.Confirm(ctx, ayb.Anonymous, token)
	return ent.Slug, secret, err
}

func (e engine) CreateToken(ctx context.Context, entity string, opt *ayb.TokenOptions) (string, ayb.Token, error) {
	p, err := e.caller(ctx)
	if err != nil {
		return "", ayb.Token{}, err
	}
	return e.eng.CreateToken(ctx, p, entity, opt)
}

func (e engine) DeletedDatabases(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.DeletedDatabase], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.DeletedDatabase], error) {
		return e.eng.DeletedDatabases(ctx, p, entity, page)
	})
}

func (e engine) Export(ctx context.Context, ref string, format ayb.ExportFormat, w io.Writer) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.Export(ctx, p, ref, format, w) })
}

func (e engine) Import(ctx context.Context, ref string, r io.Reader, opt *ayb.ImportOptions) (behavior.Filled, error) {
	imported, err := get(ctx, e, func(p ayb.Principal) (ayb.Imported, error) { return e.eng.Import(ctx, p, ref, r, opt) })
	return behavior.Filled{Database: imported.Database.Ref(), Undo: imported.Undo}, err
}

func (e engine) ImportTable(ctx context.Context, ref string, r io.Reader, into ayb.TableImport) (int64, error) {
	return get(ctx, e, func(p ayb.Principal) (int64, error) { return e.eng.ImportTable(ctx, p, ref, r, into) })
}

func (e engine) Snapshots(ctx context.Context, ref string, page ayb.Page) (ayb.List[ayb.Snapshot], error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.List[ayb.Snapshot], error) { return e.eng.Snapshots(ctx, p, ref, page) })
}

func (e engine) CreateSnapshot(ctx context.Context, ref, note string) (ayb.Snapshot, error) {
	return get(ctx, e, func(p ayb.Principal) (ayb.Snapshot, error) { return e.eng.CreateSnapshot(ctx, p, ref, note) })
}

func (e engine) DeleteSnapshot(ctx context.Context, ref, id string) error {
	return e.do(ctx, func(p ayb.Principal) error { return e.eng.DeleteSnapshot(ctx, p, ref, id) })
}

func (e engine) RestoreSnapshot(ctx context.Context, ref, id string, opt *ayb.RestoreOptions) (behavior.Filled, error) {
	restored, err := get(ctx, e, func(p ayb.Principal) (ayb.Restored, error) { return e.eng.RestoreSnapshot(ctx, p, ref, id, opt) })
	return behavior.Filled{Database: restored.Database.Ref(), Undo: restored.Undo}, err
}
