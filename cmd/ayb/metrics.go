package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"ayb"
	"ayb/hosting/worker"
	"ayb/httpapi"
	"ayb/internal/metric"
)

// A meter measures a server.
type meter struct {
	eng         *ayb.Engine
	runner      *worker.Runner // nil: SQL runs within this process
	traffic     *httpapi.Traffic
	connections *connections
	started     time.Time

	mu sync.Mutex // held while measuring: who asks often waits for themselves
}

// measure returns what the server has done and is doing.
func (m *meter) measure() *measured {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := &measured{engine: m.eng.Stats(), traffic: m.traffic.Stats(), connections: m.connections.stats(), process: measureProcess()}
	now.process.started = m.started
	if m.runner != nil {
		p := m.runner.Processes()
		now.processes = &p
	}
	return now
}

// handler serves /metrics, and /debug/pprof for callers on this machine. A page in a
// browser on this machine is nobody: neither one that names the server otherwise
// than it is called, nor one of another site.
func (m *meter) handler(remote bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !remote && !fromHere(r) || fromPage(r) {
			http.Error(w, "only for this machine; set metrics.allow_remote for others", http.StatusForbidden)
			return
		}
		text := m.measure().text()
		w.Header().Set("Content-Type", metric.ContentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text)
	})
	for path, serve := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if !fromHere(r) || fromPage(r) {
				http.Error(w, "profiles are for callers on the server's own machine; ask there, or by way of ssh", http.StatusForbidden)
				return
			}
			serve(w, r)
		})
	}
	return mux
}

// fromHere reports whether a request comes from this machine, and by a name that
// nobody else can give to it.
func fromHere(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return isLoopback(host)
}

// fromPage reports whether a page of another site has made a browser send a request.
func fromPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return true
}

// isLoopback reports whether a host is this machine for every client on it.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// metricsAddress checks an address for metrics.
func metricsAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil && host != "" && host != "localhost" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil {
		return errors.New(`must be an address and a port, like "127.0.0.1:9100"`)
	}
	return nil
}

// checkMetrics refuses to show metrics to others unless somebody says so.
func (c *config) checkMetrics(s *settingTable) {
	host, _, err := net.SplitHostPort(c.Metrics.Listen)
	if err != nil || isLoopback(host) || c.Metrics.AllowRemote {
		return
	}
	s.problem(s.from("metrics.listen"), "metrics.listen: %s can be reached from other machines, and metrics are shown to everybody who can; listen on 127.0.0.1, or set metrics.allow_remote if a firewall or a private network keeps others away", c.Metrics.Listen)
}

// listenMetrics takes the port for metrics; nil if there are to be none. Errors:
// Unavailable.
func listenMetrics(ctx context.Context, c *config) (net.Listener, error) {
	if c.Metrics.Listen == "" {
		return nil, nil
	}
	return listenOn(ctx, c.Metrics.Listen, "metrics.listen", "metrics.listen")
}

// serve serves metrics until close is called.
func (m *meter) serve(listener net.Listener, remote bool, logger *slog.Logger) (closeMetrics func()) {
	if listener == nil {
		return func() {}
	}
	return serveAside(listener, m.handler(remote), 0, logger)
}

// asideIdleTime is between two requests on a connection of the operator's.
const asideIdleTime = 2 * time.Minute

// serveAside serves what is not for the public until close is called, which gives
// requests so long to finish.
func serveAside(listener net.Listener, handler http.Handler, patience time.Duration, logger *slog.Logger) (closeServer func()) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: asideIdleTime, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go server.Serve(listener)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		listener.Close() // also if it was never served
	}
}

// sayMetrics tells whoever starts the server where metrics are.
func sayMetrics(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return fmt.Sprintf("Metrics: http://%s/metrics\n", listener.Addr())
}
