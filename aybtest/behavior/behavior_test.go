package behavior_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"ayb"
	"ayb/aybtest/behavior"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/hosting/sandbox"
	"ayb/hosting/worker"
	"ayb/httpapi"
)

// TestMain makes the test program a worker when it was started as one.
func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

func TestEngine(t *testing.T) { behavior.Run(t, direct, nil) }

// TestEngine_in_worker_processes holds an engine to the same behavior whose SQL runs
// in processes of its own, behind all walls that stand on this machine.
func TestEngine_in_worker_processes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := sandbox.Probe(t.Context(), self, sandbox.Policy{}) // once, not for each engine
	if err != nil {
		t.Fatal(err)
	}
	behavior.Run(t, direct, func(t testing.TB, cfg *ayb.Config) {
		runner, err := worker.New(worker.Config{
			Dir:     filepath.Join(cfg.DataPath, ayb.OwnersDir),
			Limits:  cfg.Limits.Limits,
			Sandbox: sandbox.Policy{Layers: report.Entered()},
		})
		switch {
		case errors.Is(err, fault.Unsupported):
			t.Skip(err)
		case err != nil:
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := runner.Close(); err != nil {
				t.Errorf("closing the runner: %v", err)
			}
		})
		cfg.Runner = runner
	})
}

// direct calls an engine's own methods.
func direct(_ testing.TB, eng *ayb.Engine) func(string) behavior.API {
	return func(secret string) behavior.API { return engine{eng, secret} }
}

func TestClient(t *testing.T) {
	behavior.Run(t, func(t testing.TB, eng *ayb.Engine) func(string) behavior.API {
		opt := httpapi.Options{MaxResultBytes: behavior.Limits().ResultBytes}
		server := httptest.NewServer(httpapi.New(eng, &opt))
		t.Cleanup(server.Close)
		c, err := client.New(client.Config{URL: server.URL, Retries: -1, MaxResultBytes: behavior.Limits().ResultBytes})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return func(secret string) behavior.API { return remote{c.WithToken(secret)} }
	}, nil)
}

// remote is the API over HTTP. What the client's own words say is put into those
// of the engine.
type remote struct{ *client.Client }

func (r remote) Register(ctx context.Context, reg ayb.Registration) error {
	return r.Client.Register(ctx, reg.Entity, reg.Email, reg.Kind)
}

func (r remote) Confirm(ctx context.Context, token string) (ayb.Slug, string, error) {
	c, err := r.Client.Confirm(ctx, token)
	return c.Entity, c.Token, err
}

func (r remote) Entity(ctx context.Context, slug string) (ayb.Entity, error) {
	e, err := r.Client.Entity(ctx, slug)
	return e.Entity, err
}

func (r remote) UpdateProfile(ctx context.Context, slug string, update ayb.ProfileUpdate) error {
	return r.Client.UpdateProfile(ctx, slug, client.ProfileUpdate(update))
}

func (r remote) CreateDatabase(ctx context.Context, ref string, opt *ayb.DatabaseOptions) (ayb.Database, error) {
	return r.Client.CreateDatabase(ctx, ref, (*client.DatabaseOptions)(opt))
}

func (r remote) Database(ctx context.Context, ref string) (ayb.DatabaseDetails, error) {
	d, err := r.Client.Database(ctx, ref)
	return ayb.DatabaseDetails(d), err
}

func (r remote) SetPublic(ctx context.Context, ref string, level ayb.PublicLevel) error {
	return r.UpdateDatabase(ctx, ref, client.DatabaseUpdate{Public: &level})
}

func (r remote) SetAnonymousQueries(ctx context.Context, ref string, allowed bool) error {
	return r.UpdateDatabase(ctx, ref, client.DatabaseUpdate{AnonymousQueries: &allowed})
}

func (r remote) CreateToken(ctx context.Context, entity string, opt *ayb.TokenOptions) (string, ayb.Token, error) {
	secret, details, err := r.Client.CreateToken(ctx, entity, (*client.TokenOptions)(opt))
	return secret, details.Token, err
}

func (r remote) Tokens(ctx context.Context, page ayb.Page) (list ayb.List[ayb.TokenDetails], err error) {
	tokens, err := r.Client.Tokens(ctx, page)
	list.Next = tokens.Next
	for _, details := range tokens.Items {
		item, err := tokenDetails(details)
		if err != nil {
			return list, err
		}
		list.Items = append(list.Items, item)
	}
	return list, err
}

func (r remote) WhoAmI(ctx context.Context) (ayb.Identity, error) {
	me, err := r.Client.WhoAmI(ctx)
	if err != nil {
		return ayb.Identity{}, err
	}
	token, err := tokenDetails(me.Token)
	return ayb.Identity{Slug: me.Slug, Kind: me.Kind, Token: token}, err
}

func tokenDetails(details client.TokenDetails) (item ayb.TokenDetails, err error) {
	item.Token = details.Token
	if details.Database != "" {
		item.Database, err = catalog.ParseRef(details.Database)
	}
	return item, err
}

func (r remote) Stream(ctx context.Context, ref string, st ayb.Statement, sink ayb.Sink) (ayb.Summary, error) {
	return r.Client.Stream(ctx, ref, st, sink)
}

func (r remote) DeletedDatabases(ctx context.Context, entity string, page ayb.Page) (list ayb.List[ayb.DeletedDatabase], err error) {
	deleted, err := r.Client.DeletedDatabases(ctx, entity, page)
	list.Next = deleted.Next
	for _, db := range deleted.Items {
		list.Items = append(list.Items, ayb.DeletedDatabase(db))
	}
	return list, err
}

func (r remote) Export(ctx context.Context, ref string, format ayb.ExportFormat, w io.Writer) error {
	_, err := r.Client.Export(ctx, ref, format.String(), w)
	return err
}

func (r remote) Import(ctx context.Context, ref string, from io.Reader, opt *ayb.ImportOptions) (behavior.Filled, error) {
	var how *client.ImportOptions
	if opt != nil {
		how = &client.ImportOptions{Format: opt.Format.String(), Replace: opt.Replace}
	}
	imported, err := r.Client.Import(ctx, ref, from, how)
	return behavior.Filled(imported), err
}

func (r remote) ImportTable(ctx context.Context, ref string, from io.Reader, into ayb.TableImport) (int64, error) {
	return r.Client.ImportTable(ctx, ref, client.TableImport{Table: into.Table, Format: into.Format, Header: into.Header}, from, -1)
}

func (r remote) RestoreSnapshot(ctx context.Context, ref, id string, opt *ayb.RestoreOptions) (behavior.Filled, error) {
	restored, err := r.Client.RestoreSnapshot(ctx, ref, id, (*client.RestoreOptions)(opt))
	return behavior.Filled(restored), err
}
