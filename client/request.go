package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"ayb/fault"
	"ayb/httpapi/wire"
)

// A request is one call of the API.
type request struct {
	method string
	path   string      // below the server's URL, escaped, perhaps with a query
	header [][2]string // beside those of every request
	body   []byte
	stream io.Reader // in the place of body, once; nil: there is none
	length int64     // of stream; -1: nobody knows
	media  string    // content type of the body
	accept string    // empty: JSON
	reads  bool      // it changes nothing; all of GET does not
	long   bool      // it takes the longer the more data there are, and nobody knows how long
}

// looks reports whether the request can change nothing.
func (r request) looks() bool { return r.reads || r.method == http.MethodGet }

// jsonBody returns the request with a body of JSON.
func (r request) jsonBody(v any) (request, error) {
	text, err := wire.Encode(v)
	if err != nil {
		return r, fault.Wrap(fault.Invalid, err, "The request can't be written as JSON")
	}
	r.body, r.media = text, "application/json"
	return r, nil
}

// errSlow is the cause with which a context ends when an answer takes too long.
var errSlow = errors.New("no answer in time")

// do sends a request and reads the JSON it answers into what into points to; nil:
// the answer has no body. whole reports whether all that must be in the answer is;
// nil: it is.
func (c *Client) do(ctx context.Context, r request, into any, whole func() bool) error {
	limited, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errSlow)
	if r.long { // that the server is still there shows by its keeping the connection
		cancel()
		limited, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	return c.retry(ctx, limited, r, func() error {
		resp, err := c.send(ctx, limited, r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := c.readAll(ctx, limited, r, resp)
		switch {
		case err != nil:
			return err
		case into == nil && len(text) > 0, into != nil && json.Unmarshal(text, into) != nil, whole != nil && !whole():
			return c.strange(r, resp, "")
		}
		return nil
	})
}

// send sends a request once, and returns the answer if it is a success. ctx is the
// caller's; limited is made from it and ends when the answer takes too long.
func (c *Client) send(ctx, limited context.Context, r request) (*http.Response, error) {
	req, err := c.prepare(limited, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, limited, r, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.refusal(ctx, limited, r, resp)
}

// prepare makes the HTTP request.
func (c *Client) prepare(ctx context.Context, r request) (*http.Request, error) {
	if err := checkToken(c.cfg.Token); err != nil {
		return nil, err
	}
	var body io.Reader
	if len(r.body) > 0 {
		body = bytes.NewReader(r.body)
	}
	if r.stream != nil {
		body = r.stream
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base.String()+r.path, body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The request can't be sent")
	}
	if r.stream != nil {
		req.ContentLength = r.length
	}
	for _, h := range r.header {
		if err := checkHeader(h[1]); err != nil {
			return nil, err
		}
		req.Header.Set(h[0], h[1])
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	req.Header.Set("Accept", "application/json")
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	return req, nil
}

// checkHeader refuses what can't be sent in a header, which is how older routes
// take their arguments.
func checkHeader(value string) error {
	if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "%.200q can't be sent: it begins or ends with a space, or has control characters in it", value)
	}
	return nil
}

// readAll reads the body of a success, within MaxResultBytes.
func (c *Client) readAll(ctx, limited context.Context, r request, resp *http.Response) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxResultBytes+1))
	switch {
	case err != nil:
		return nil, c.broken(ctx, limited, r, err)
	case int64(len(text)) > c.cfg.MaxResultBytes:
		return nil, fault.New(fault.TooLarge, "The answer is larger than this client takes (%d bytes); ask for less, or read it as a stream", c.cfg.MaxResultBytes)
	}
	return text, nil
}

// The pauses between retries.
const (
	firstPause = 100 * time.Millisecond // doubles each time
	maxPause   = 10 * time.Second       // a server that asks for more is not waited for
)

// retry does what it is given, and again as long as that may help and can do no
// harm.
func (c *Client) retry(ctx, limited context.Context, r request, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := do()
		if err == nil || attempt >= c.cfg.Retries {
			return err
		}
		pause, again := retryPause(r, attempt, err)
		if !again {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
}

// retryPause reports whether a request that failed may be sent again, and after
// how long. What may have been done is not done again: the server refuses with
// 429, and with 503 and Retry-After, what it has not begun.
func retryPause(r request, attempt int, err error) (time.Duration, bool) {
	pause := firstPause << min(attempt, 10)
	if answer, ok := errors.AsType[*ResponseError](err); ok {
		switch answer.Status {
		case http.StatusTooManyRequests:
			return max(pause, answer.RetryAfter), answer.RetryAfter <= maxPause
		case http.StatusServiceUnavailable:
			return max(pause, answer.RetryAfter), answer.RetryAfter <= maxPause && (answer.RetryAfter > 0 || r.method == http.MethodGet)
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return pause, r.method == http.MethodGet
		}
		return 0, false
	}
	if cut, ok := errors.AsType[*transportError](err); ok {
		return pause, cut.passing && (!cut.sent || r.method == http.MethodGet)
	}
	return 0, false
}
