package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"

	"ayb"
	"ayb/fault"
)

// A Client asks the operator's routes of an engine. It is safe for concurrent
// use.
type Client struct {
	transport http.RoundTripper
	key       string
	close     func()
}

// ErrNoDoor is the cause when nobody listens on the socket.
var ErrNoDoor = errors.New("nobody listens on the operator's socket")

// Dial returns a client of the server that listens on the socket at path, with the
// key that is beside it. Errors: NotFound (no server does, cause [ErrNoDoor]), Denied
// (the socket is another user's), Unavailable.
func Dial(ctx context.Context, path string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, path) }
	first, err := dial(ctx, "", "")
	var key []byte
	if err == nil {
		first.Close()
		key, err = os.ReadFile(path + KeySuffix)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, errNoSockets):
		return nil, fault.Wrap(fault.NotFound, ErrNoDoor, "No server listens on %s", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.Wrap(fault.Denied, err, "%s can be opened by the user who runs the server alone; run this as that user", path)
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The server can't be asked on %s", path)
	}
	t := &http.Transport{DialContext: dial}
	return &Client{transport: t, key: string(key), close: t.CloseIdleConnections}, nil
}

// Within returns a client of an engine in this process. Closing it does not close
// the engine.
func Within(eng *ayb.Engine) *Client {
	return &Client{transport: direct{New(eng, nil)}, close: func() {}}
}

// Close gives back the connections that are idle.
func (c *Client) Close() { c.close() }

// do makes a request and reads the answer into out.
func (c *Client) do(ctx context.Context, method, path string, body, out any) error {
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "internal error")
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://operator"+path, sent)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "There can be no such name")
	}
	if c.key != "" {
		request.Header.Set("Authorization", authorization(c.key))
	}
	response, err := c.transport.RoundTrip(request)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The server does not answer any more; what was asked may have been done")
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The server's answer was cut short; what was asked may have been done")
	}
	if response.StatusCode == http.StatusOK && json.Unmarshal(text, out) == nil {
		return nil
	}
	var f failure
	if json.Unmarshal(text, &f) != nil || !slices.Contains(fault.Kinds(), f.Kind) || f.Message == "" {
		return fault.Wrap(fault.Unavailable, errors.New(string(text)), "The server's answer makes no sense; it may be of another version than this program")
	}
	e := &fault.Error{Kind: f.Kind, Message: f.Message}
	if f.Cause != "" {
		e.Err = errors.New(f.Cause)
	}
	return e
}

// A direct is a way to a handler in this process.
type direct struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	d.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// A recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader takes the status.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write takes a part of the body.
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
