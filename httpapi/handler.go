package httpapi

import (
	"crypto/rand"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"ayb"
	"ayb/internal/walls"
)

// Options are the optional settings of [New]. Zero values work.
type Options struct {
	// PublicURL is the address at which people reach the handler, with the
	// prefix of its path if a proxy adds one: https://example.org/ayb. Links in
	// profiles are verified against it. Empty: what trusted proxies say in
	// X-Forwarded-Proto, -Host and -Prefix, else http://localhost:5433.
	PublicURL string

	// TrustedProxies are the networks whose word about where a request came
	// from is taken (X-Forwarded-For and the headers above). Empty: none.
	TrustedProxies []netip.Prefix

	// CORSOrigin is the one origin whose pages may call the API from a browser;
	// "*" is any. Empty: none.
	CORSOrigin string

	// MaxSQLBytes bounds the body of a query; larger ones are refused before
	// they are read. It should leave room for JSON around limits.sql_bytes.
	// 0: 2 MiB.
	MaxSQLBytes int64

	// MaxBodyBytes bounds all other bodies. 0: 2 MiB.
	MaxBodyBytes int64

	// MaxResultBytes bounds the classic answer to a query, in bytes of JSON
	// (limits.result_bytes). Streamed answers have no bound. 0: 100 MiB. All of
	// those answers that are being read may take five times as much memory, those
	// of one caller half of that; a query that finds no room answers Busy.
	MaxResultBytes int64

	// Stall is how long a client may take to send a body, and to accept each
	// piece of an answer (limits.write_stall). 0: 30 s.
	Stall time.Duration

	// NoCompression leaves answers as they are whatever the client accepts.
	NoCompression bool

	// Health returns what /health?verbose answers, for JSON. It is told only to
	// callers on this machine who have not come by way of a proxy. Nil: nothing
	// more than /health tells everybody.
	Health func() any

	// Random makes the ids of requests and queries, the latter being all that
	// is needed, besides the right account, to cancel one. It must be safe for
	// concurrent use. Nil: crypto/rand.Reader.
	Random io.Reader

	// Now is the clock of the log. Nil: time.Now.
	Now func() time.Time

	// Traffic counts the requests of this handler. Nil: nobody does.
	Traffic *Traffic

	// Logger takes a line for each request; no token and no SQL is in it. Nil:
	// silence.
	Logger *slog.Logger

	// Walls says which defences are down. Only a test of this module can set it.
	Walls walls.Down
}

// withDefaults returns the options with every unset field set.
func (o Options) withDefaults() Options {
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if o.MaxSQLBytes == 0 {
		o.MaxSQLBytes = 2 << 20
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 2 << 20
	}
	if o.MaxResultBytes == 0 {
		o.MaxResultBytes = 100 << 20
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// New returns the handler of the API over an engine. It serves /health, all of
// /v1, and the page at /confirm/{token} that mails link to; every other path is
// answered with 404, so that a program can serve its own beside it. opt may be
// nil.
func New(eng *ayb.Engine, opt *Options) http.Handler {
	if opt == nil {
		opt = &Options{}
	}
	a := &api{
		eng: eng, opt: opt.withDefaults(),
		links: newLinkChecker(), bodies: newBudget(heldBodies), running: newRunning(), pieces: newPieces(), squeezers: newSqueezers(),
	}
	a.held = newBudget(heldResults * min(a.opt.MaxResultBytes, math.MaxInt64/heldResults))
	a.router = newRouter(routes())
	if a.opt.Walls.Has(walls.PublicLinks) {
		a.links = newLinkCheckerFor(func(netip.Addr) bool { return true }, &http.Transport{})
	}
	return a
}

// An api is the handler.
type api struct {
	eng       *ayb.Engine
	opt       Options
	router    *router
	links     *linkChecker
	running   *running
	pieces    *pieces
	held      *budget // of answers that are kept whole
	bodies    *budget
	squeezers *squeezers
}

// identity says what a route wants to know about its caller.
type identity uint8

const (
	nobody   identity = iota // the header is not looked at
	optional                 // anonymous without the header
	bearer                   // a token is required
)

// A route is one line of the API.
type route struct {
	method  string
	pattern string
	caller  identity
	status  int // of success
	do      endpoint
}

// An endpoint does what a route is for, and returns the body of the answer: nil
// for an empty one.
type endpoint func(*exchange) (any, error)

// routes is the whole API.
func routes() []route {
	return []route{
		{"GET", "/health", nobody, 200, (*exchange).health},
		{"GET", "/confirm/{token}", nobody, 200, (*exchange).confirmPage},
		{"POST", "/confirm/{token}", nobody, 200, (*exchange).confirmFromPage},

		{"POST", "/v1/register", nobody, 200, (*exchange).register},
		{"POST", "/v1/log_in", nobody, 200, (*exchange).logIn},
		{"POST", "/v1/confirm", nobody, 200, (*exchange).confirm},
		{"POST", "/v1/oauth/token", nobody, 200, (*exchange).oauthToken},

		{"GET", "/v1/entity/{entity}", optional, 200, (*exchange).entity},
		{"PATCH", "/v1/entity/{entity}", bearer, 200, (*exchange).updateProfile},
		{"POST", "/v1/entity/{entity}/rename", bearer, 200, (*exchange).renameEntity},
		{"POST", "/v1/entity/{entity}/delete", bearer, 200, (*exchange).deleteEntity},

		{"POST", "/v1/{entity}/{database}/create", bearer, 201, (*exchange).createDatabase},
		{"GET", "/v1/{entity}/{database}/details", optional, 200, (*exchange).databaseDetails},
		{"PATCH", "/v1/{entity}/{database}/update", bearer, 200, (*exchange).updateDatabase},
		{"POST", "/v1/{entity}/{database}/rename", bearer, 200, (*exchange).renameDatabase},
		{"POST", "/v1/{entity}/{database}/transfer", bearer, 200, (*exchange).transferDatabase},
		{"POST", "/v1/{entity}/{database}/delete", bearer, 200, (*exchange).deleteDatabase},
		{"POST", "/v1/{entity}/{database}/undelete", bearer, 200, (*exchange).undeleteDatabase},
		{"GET", "/v1/_/deleted/{entity}", bearer, 200, (*exchange).deletedDatabases},
		{"GET", "/v1/_/offers/{entity}", bearer, 200, (*exchange).offers},
		{"POST", "/v1/_/offers/{entity}/{database}/accept", bearer, 200, (*exchange).acceptOffer},
		{"POST", "/v1/_/offers/{entity}/{database}/decline", bearer, 200, (*exchange).declineOffer},
		{"DELETE", "/v1/_/offers/{entity}/{database}", bearer, 200, (*exchange).withdrawOffer},

		{"POST", "/v1/{entity}/{database}/query", optional, 200, (*exchange).query},
		{"GET", "/v1/{entity}/{database}/export", optional, 200, (*exchange).export},
		{"POST", "/v1/{entity}/{database}/import", bearer, 201, (*exchange).importDatabase},
		{"POST", "/v1/_/queries/{id}/cancel", bearer, 200, (*exchange).cancelQuery},

		{"POST", "/v1/{entity}/{database}/share", bearer, 204, (*exchange).share},
		{"GET", "/v1/{entity}/{database}/permissions", bearer, 200, (*exchange).grants},
		{"GET", "/v1/_/shared", bearer, 200, (*exchange).shared},

		{"GET", "/v1/{entity}/{database}/list_snapshots", bearer, 200, (*exchange).snapshots},
		{"POST", "/v1/{entity}/{database}/restore_snapshot", bearer, 200, (*exchange).restoreSnapshot},
		{"POST", "/v1/_/snapshots/{entity}/{database}", bearer, 201, (*exchange).createSnapshot},
		{"DELETE", "/v1/_/snapshots/{entity}/{database}/{id}", bearer, 200, (*exchange).deleteSnapshot},

		{"GET", "/v1/_/memberships", bearer, 200, (*exchange).memberships},
		{"GET", "/v1/_/members/{entity}", bearer, 200, (*exchange).members},
		{"PUT", "/v1/_/members/{entity}/{member}", bearer, 200, (*exchange).setMember},
		{"DELETE", "/v1/_/members/{entity}/{member}", bearer, 200, (*exchange).removeMember},

		{"GET", "/v1/_/me", bearer, 200, (*exchange).whoAmI},
		{"GET", "/v1/tokens", bearer, 200, (*exchange).tokens},
		{"POST", "/v1/_/tokens", bearer, 201, (*exchange).createToken},
		{"DELETE", "/v1/tokens/{short}", bearer, 200, (*exchange).revokeToken},
	}
}
