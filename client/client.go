package client

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"ayb/fault"
)

// Config says where the server is and how to speak with it. Only URL must be
// set; the zero values of all other fields work.
type Config struct {
	// URL is the address of the server, with the prefix of its path if it has
	// one: https://ayb.example.org, http://127.0.0.1:5433.
	URL string

	// Token is the API token to call with. Empty: calls are anonymous.
	Token string

	// HTTP sends the requests. Redirects are not followed, whatever it says.
	// Nil: one of the client's own, with connections of its own.
	HTTP *http.Client

	// UserAgent is what the client calls itself. Empty: ayb-go-client.
	UserAgent string

	// Retries is how often a request is sent again that may be (see above), after
	// pauses that grow from a tenth of a second, or as long as the server asks
	// for. 0: 2. Negative: never.
	Retries int

	// Timeout is how long a call that is not a query may take, retries included;
	// what copies databases takes as long as it takes. 0: one minute.
	Timeout time.Duration

	// Stall is how long the answer to a query may pause, before it begins and
	// within it. Time that a sink takes is not counted. 0: 15 minutes, more than
	// servers allow a query by default.
	Stall time.Duration

	// MaxResultBytes bounds, in memory, the answers to all calls but Stream.
	// 0: 128 MiB.
	MaxResultBytes int64

	// MaxRowBytes bounds a row of a stream, in bytes of JSON. 0: 64 MiB.
	MaxRowBytes int

	// Random makes the ids by which queries are cancelled. It must be safe for
	// concurrent use. Nil: crypto/rand.Reader.
	Random io.Reader
}

// The defaults of Config.
const (
	defaultUserAgent   = "ayb-go-client"
	defaultRetries     = 2
	defaultTimeout     = time.Minute
	defaultStall       = 15 * time.Minute
	defaultResultBytes = 128 << 20
	defaultRowBytes    = 64 << 20
)

// withDefaults returns the configuration with every unset field set, except URL,
// Token and HTTP.
func (c Config) withDefaults() Config {
	if c.UserAgent == "" {
		c.UserAgent = defaultUserAgent
	}
	switch {
	case c.Retries == 0:
		c.Retries = defaultRetries
	case c.Retries < 0:
		c.Retries = 0
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Stall <= 0 {
		c.Stall = defaultStall
	}
	if c.MaxResultBytes <= 0 {
		c.MaxResultBytes = defaultResultBytes
	}
	if c.MaxRowBytes <= 0 {
		c.MaxRowBytes = defaultRowBytes
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

// A Client calls the API of one server. It is safe for concurrent use; one is
// enough for a program.
type Client struct {
	cfg     Config
	base    *url.URL // without a stroke at its end
	http    *http.Client
	own     bool   // http was made here
	queryID string // of the next query; empty: a new one for each

	*shared
}

// shared is what a client has in common with those made from it.
type shared struct {
	cancels sync.WaitGroup // requests to cancel a query, under way
	readers *sync.Pool     // of *bufio.Reader, for streams
}

// New returns a client. It does not connect yet. Errors: [fault.Invalid] (the URL
// is none, or the token can't be one).
func New(cfg Config) (*Client, error) {
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := checkToken(cfg.Token); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg.withDefaults(), base: base, shared: &shared{readers: newReaders()}}
	if cfg.HTTP == nil {
		c.http, c.own = newHTTP(base), true
	} else {
		copied := *cfg.HTTP
		c.http = &copied
	}
	c.http.CheckRedirect = stay
	return c, nil
}

// stay follows no redirect: a token and the other headers are for one server
// only, and a request that changes something would arrive as one that looks.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// URL returns the address of the server, without a stroke at its end.
func (c *Client) URL() string { return c.base.String() }

// String returns the address of the server, so that a client that ends up in a log
// does not tell its token.
func (c *Client) String() string { return c.URL() }

// WithToken returns a client of the same server, over the same connections, that
// calls with another token; empty: anonymously. A token that can't be one is
// refused by the calls.
func (c *Client) WithToken(token string) *Client {
	copied := *c
	copied.cfg.Token = token
	return &copied
}

// WithQueryID returns a client whose queries go by an id of the caller's choice,
// so that [Client.Cancel] can name them while they run: 16 to 64 letters,
// digits, hyphens, underscores or periods, another one for each query.
func (c *Client) WithQueryID(id string) *Client {
	copied := *c
	copied.queryID = id
	return &copied
}

// Close waits a moment for what is still to be told to the server about queries
// that were given up, and closes connections that are not in use, unless they
// are those of Config.HTTP. Neither it nor anything else need be called when a
// program ends.
func (c *Client) Close() {
	c.cancels.Wait()
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// parseURL reads the address of a server.
func parseURL(text string) (*url.URL, error) {
	const example = "for example https://ayb.example.org or http://127.0.0.1:5433"
	u, err := url.Parse(text)
	if err == nil && u.User != nil || err != nil && strings.Contains(text, "@") {
		return nil, fault.New(fault.Invalid, "The server's URL can't hold a name or password; what proves who you are is the API token")
	}
	switch {
	case text == "":
		return nil, fault.New(fault.Invalid, "The server's URL is missing: %s", example)
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.New(fault.Invalid, "%.200q is not the URL of a server; it begins with http:// or https:// and a host, %s", text, example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fault.New(fault.Invalid, "%.200q is not the URL of a server, because of what is behind its path; leave that out", text)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fault.New(fault.Invalid, "%.200q is not the URL of a server: its port must be a number from 1 to 65535", text)
		}
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// checkToken refuses what could not be sent. The token itself stays out of the
// message.
func checkToken(token string) error {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return fault.New(fault.Unauthenticated, "The API token has characters that no token has; copy it again, without spaces or line ends")
		}
	}
	return nil
}

// Bounds of the client's own connections.
const (
	dialTime       = 10 * time.Second
	idleTime       = 90 * time.Second
	idlePerHost    = 64
	maxHeaderBytes = 64 << 10
)

// newHTTP returns what sends requests if the caller has nothing of their own.
func newHTTP(base *url.URL) *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dialTime,
		IdleConnTimeout:        idleTime,
		MaxIdleConns:           idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     isLoopback(base.Hostname()), // it would cost more than it saves
	}}
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Health returns nil if the server answers.
func (c *Client) Health(ctx context.Context) error {
	var health struct{ Status string }
	return c.do(ctx, request{method: http.MethodGet, path: "/health"}, &health, func() bool { return health.Status == "ok" })
}
