package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ayb/httpapi"
)

const profile = "https://example.org/ayb/alice"

// aWeb is a site on a loopback address with pages of all sorts.
func aWeb(t *testing.T, hits *atomic.Int64) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	page := func(path, html string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			fmt.Fprint(w, html)
		})
	}
	back := `<a href="` + profile + `" rel="me">`
	page("/good", `<!doctype html><p>hello</p>`+back)
	page("/many-rels", `<A HREF='`+profile+`' REL=" nofollow  ME noopener ">x</A>`)
	page("/unquoted", `<a rel=me href=`+profile+`>`)
	page("/entities", `<a rel="me" href="https:&#47;&#47;example.org/ayb/alice">`)
	page("/no-rel", `<a href="`+profile+`">`)
	page("/other-rel", `<a href="`+profile+`" rel="men">`)
	page("/other-profile", `<a href="`+profile+`2" rel="me">`)
	page("/comment", `<!-- `+back+` -->`)
	page("/script", `<script>`+back+`</script><textarea>`+back+`</textarea>`)
	page("/too-far", strings.Repeat(" ", 1<<20)+back)
	page("/no-html", "\x00\xff<<<<a rel=")
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, back)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/to-http", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/good", http.StatusFound)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := fmt.Fprint(w, strings.Repeat("<p>", 10_000)); err != nil {
				return
			}
		}
	})
	web := httptest.NewTLSServer(mux)
	t.Cleanup(web.Close)
	return web
}

func TestLinks(t *testing.T) {
	var hits atomic.Int64
	web := aWeb(t, &hits)
	transport := web.Client().Transport.(*http.Transport).Clone()
	all := []string{
		"/good", "/many-rels", "/unquoted", "/entities", "/moved",
		"/no-rel", "/other-rel", "/other-profile", "/comment", "/script", "/too-far", "/no-html", "/status", "/round", "/to-http", "/endless", "/absent",
	}
	var links, want []string
	for i, path := range all {
		links = append(links, web.URL+path)
		if i < 5 {
			want = append(want, web.URL+path)
		}
	}
	links = append(links, "http://"+strings.TrimPrefix(web.URL, "https://")+"/good", "https://user:secret@"+strings.TrimPrefix(web.URL, "https://")+"/good", "javascript:alert(1)")
	t.Run("those are verified whose page links back", func(t *testing.T) {
		got := httpapi.VerifyLinks(ctx, func(netip.Addr) bool { return true }, transport.Clone(), 10*time.Second, links, profile)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("verified %q\nwant %q", got, want)
		}
	})
	t.Run("a page that does not come to its end is given up", func(t *testing.T) {
		start := time.Now()
		if got := httpapi.VerifyLinks(ctx, func(netip.Addr) bool { return true }, transport.Clone(), 200*time.Millisecond, []string{web.URL + "/slow"}, profile); len(got) > 0 {
			t.Errorf("verified %q", got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("no more than 20 are looked at", func(t *testing.T) {
		many := make([]string, 30)
		for i := range many {
			many[i] = web.URL + "/good"
		}
		hits.Store(0)
		if got := httpapi.VerifyLinks(ctx, func(netip.Addr) bool { return true }, transport.Clone(), 10*time.Second, many, profile); len(got) != 20 || hits.Load() != 20 {
			t.Errorf("verified %d with %d requests", len(got), hits.Load())
		}
	})
	t.Run("an address that is not public is never connected to", func(t *testing.T) {
		hits.Store(0)
		port := web.URL[strings.LastIndex(web.URL, ":"):]
		private := []string{web.URL + "/good", "https://localhost" + port + "/good", "https://[::1]" + port + "/good", "https://[::ffff:127.0.0.1]" + port + "/good", "https://127.1" + port + "/good", "https://0.0.0.0" + port + "/good"}
		if got := httpapi.VerifyLinks(ctx, httpapi.IsPublic, transport.Clone(), time.Second, private, profile); len(got) > 0 || hits.Load() > 0 {
			t.Errorf("verified %q with %d requests", got, hits.Load())
		}
	})
}

func TestLinks_public_addresses(t *testing.T) {
	for _, address := range []string{"1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"} {
		if !httpapi.IsPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is public", address)
		}
	}
	for _, address := range []string{
		"127.0.0.1", "127.255.255.255", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.0.0.1", "192.88.99.1", "168.63.129.16",
		"::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::a00:1", "64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:a00:1::1", "::ffff:10.0.0.1", "::10.0.0.1", "100::1", "5f00::1",
	} {
		if httpapi.IsPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is not public", address)
		}
	}
}

func TestLinks_are_verified_when_a_profile_changes(t *testing.T) {
	var hits atomic.Int64
	web := aWeb(t, &hits)
	f := serve(t, nil, &httpapi.Options{PublicURL: "https://Example.org:443/ayb/"})
	httpapi.CheckLinks(f.Server.Config.Handler, func(netip.Addr) bool { return true }, web.Client().Transport.(*http.Transport).Clone())
	alice := f.token("alice", nil)
	body := fmt.Sprintf(`{"links":"[{\"url\":\"%[1]s/good\",\"verified\":false},{\"url\":\"%[1]s/no-rel\",\"verified\":true}]"}`, web.URL)
	f.call(request{method: patch, path: "/v1/entity/alice", token: f.token("bob", nil), body: body}).refused(t, 403, "Other", "denied", "")
	if hits.Load() != 0 {
		t.Error("pages were looked at for somebody who may not change the profile")
	}
	f.call(request{method: patch, path: "/v1/entity/Alice", token: alice, body: body}).want(t, 200, `{}`)
	want := fmt.Sprintf(`"links":[{"url":"%[1]s/good","verified":true},{"url":"%[1]s/no-rel","verified":false}]`, web.URL)
	if r := f.call(request{method: get, path: "/v1/entity/alice"}); !strings.Contains(r.body, want) {
		t.Errorf("answered %s\nwant %s", r.body, want)
	}
}
