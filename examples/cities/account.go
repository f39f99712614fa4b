package main

import (
	"context"
	"net"
	"net/http"

	"ayb"
	"ayb/client"
	"ayb/httpapi"
)

// An account is what the tour needs of ayb, for one person. The engine and the
// client of the HTTP API differ in nothing that matters here: even the errors
// are the same.
type account interface {
	CreateDatabase(ctx context.Context, ref string) error
	Query(ctx context.Context, ref, sql string, args ...any) (*ayb.Result, error)
	Share(ctx context.Context, ref, entity string, access ayb.Access) error
}

// An embedded account calls the engine.
type embedded struct {
	eng *ayb.Engine
	me  ayb.Principal
}

func embed(ctx context.Context, eng *ayb.Engine, name string) (account, error) {
	entity, err := eng.CreateEntity(ctx, ayb.System, name, nil)
	return embedded{eng, eng.Owner(entity)}, err
}

func (a embedded) CreateDatabase(ctx context.Context, ref string) error {
	_, err := a.eng.CreateDatabase(ctx, a.me, ref, nil)
	return err
}

func (a embedded) Query(ctx context.Context, ref, sql string, args ...any) (*ayb.Result, error) {
	return a.eng.Query(ctx, a.me, ref, sql, args...)
}

func (a embedded) Share(ctx context.Context, ref, entity string, access ayb.Access) error {
	return a.eng.Share(ctx, a.me, ref, entity, access)
}

// A remote account calls a server, with a token.
type remote struct{ *client.Client }

// serve answers the HTTP API for an engine on a free port of this machine.
func serve(eng *ayb.Engine) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: httpapi.New(eng, nil)}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), func() { server.Close() }, nil
}

// connect makes an account, as ayb's host may, and a client with a token of it.
// On a server of somebody else's it would be made by Register and Confirm.
func connect(ctx context.Context, eng *ayb.Engine, url, name string) (account, error) {
	entity, err := eng.CreateEntity(ctx, ayb.System, name, nil)
	if err != nil {
		return nil, err
	}
	token, _, err := eng.CreateToken(ctx, eng.Owner(entity), name, nil)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{URL: url, Token: token})
	return remote{c}, err
}

func (a remote) CreateDatabase(ctx context.Context, ref string) error {
	_, err := a.Client.CreateDatabase(ctx, ref, nil)
	return err
}
