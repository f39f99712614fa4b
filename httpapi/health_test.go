package httpapi_test

import (
	"testing"

	"ayb/httpapi"
)

// Behind a proxy on the same machine everybody comes from this machine; what is
// for operators must not be for them.
func TestHealth_tells_more_to_this_machine_only(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{Health: func() any { return map[string]string{"status": "ok", "isolation": "process"} }})
	const all, little = `{"isolation":"process","status":"ok"}`, `{"status":"ok"}`
	for _, c := range []struct {
		path, header, want string
	}{
		{"/health?verbose", "", all},
		{"/health", "", little},
		{"/health?verbose=1", "", little},
		{"/health?verbose", "X-Forwarded-For: 127.0.0.1", little},
		{"/health?verbose", "X-Forwarded-Host: ayb.example.org", little},
		{"/health?verbose", "Forwarded: for=127.0.0.1", little},
		{"/health?verbose", "Via: 1.1 proxy", little},
	} {
		r := request{method: get, path: c.path}
		if c.header != "" {
			r.headers = []string{c.header}
		}
		f.call(r).want(t, 200, c.want)
	}
}
