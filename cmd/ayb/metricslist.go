package main

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"time"

	"ayb"
	"ayb/fault"
	"ayb/hosting"
	"ayb/hosting/worker"
	"ayb/httpapi"
	"ayb/internal/metric"
)

// A measured is all that metrics are made of, as of one moment.
type measured struct {
	engine      ayb.Stats
	traffic     httpapi.TrafficStats
	connections connectionStats
	processes   *worker.Processes // nil: SQL runs within this process
	process     processStats
}

// text writes the metrics. Every label has its values from a list that the program
// knows: no name of a tenant, no path, no SQL.
func (m *measured) text() []byte {
	t := &metric.Text{}
	m.requests(t)
	m.queries(t)
	m.workers(t)
	m.metadata(t)
	m.snapshots(t)
	m.runtime(t)
	return t.Bytes()
}

// one writes a family of a single number.
func one[N int | int64 | uint64 | float64](t *metric.Text, name string, kind metric.Kind, value N, help string) {
	t.Family(name, kind, help)
	t.Sample(float64(value))
}

func (m *measured) requests(t *metric.Text) {
	r := &m.traffic
	t.Family("ayb_http_requests_total", metric.Counter, "Requests that were answered, by the first digit of the status.")
	for _, route := range r.Routes {
		for class, n := range route.Statuses {
			if n > 0 {
				t.Sample(float64(n), "method", route.Method, "route", route.Pattern, "status", strconv.Itoa(class)+"xx")
			}
		}
	}
	t.Family("ayb_http_request_duration_seconds", metric.Distribution, "Time from the header of a request to the end of its answer.")
	for _, route := range r.Routes {
		l := &route.Latency
		bounds := make([]float64, len(l.Bounds))
		for i, bound := range l.Bounds {
			bounds[i] = bound.Seconds()
		}
		t.Histogram(bounds, l.Counts, l.Sum.Seconds(), "method", route.Method, "route", route.Pattern)
	}
	one(t, "ayb_http_requests_in_flight", metric.Gauge, r.InFlight, "Requests that are being answered.")
	one(t, "ayb_http_response_bytes_total", metric.Counter, r.Sent, "Bytes of the bodies of answers.")
	t.Family("ayb_http_failures_total", metric.Counter, "Requests that were answered with an error, by its kind.")
	for _, kind := range fault.Kinds() {
		t.Sample(float64(r.Failures[kind]), "kind", string(kind))
	}
	t.Family("ayb_http_refusals_total", metric.Counter, "Requests that were answered with an error of kind busy, by the bound that was reached.")
	for _, reason := range append(fault.Reasons(), httpapi.NoReason) {
		t.Sample(float64(r.Refusals[reason]), "reason", string(reason))
	}
	c := &m.connections
	one(t, "ayb_http_connections", metric.Gauge, c.open, "Connections of clients.")
	one(t, "ayb_http_connections_max", metric.Gauge, c.most, "How many there may be (limits.connections).")
	t.Family("ayb_http_connections_ended_total", metric.Counter, "Connections that were ended because there were too many: idle ones to make room, and new ones that were refused.")
	t.Sample(float64(c.evicted), "which", "idle")
	t.Sample(float64(c.refused), "which", "new")
}

func (m *measured) queries(t *metric.Text) {
	r := &m.engine.Runner
	t.Family("ayb_queries_total", metric.Counter, "Texts of SQL that were run.")
	t.Sample(float64(r.Reads), "class", "read")
	t.Sample(float64(r.Writes), "class", "write")
	one(t, "ayb_query_failures_total", metric.Counter, r.Failures, "Texts that failed.")
	one(t, "ayb_query_interrupts_total", metric.Counter, r.Interrupts, "Texts that were ended by a bound on time, or by their caller.")
	t.Family("ayb_queries_waiting", metric.Gauge, "Texts that wait for a turn.")
	t.Sample(float64(r.QueuedReads), "class", "read")
	t.Sample(float64(r.QueuedWrites), "class", "write")
	one(t, "ayb_calls_in_flight", metric.Gauge, m.engine.Calls, "Calls of the engine that are under way.")
	one(t, "ayb_copies_in_flight", metric.Gauge, m.engine.Copies, "Exports and imports that are under way.")
	one(t, "ayb_commits_total", metric.Counter, r.Commits, "Commits of hosted databases.")
	one(t, "ayb_syncs_total", metric.Counter, r.Syncs, "Files of hosted databases that were flushed to the disk.")
	t.Family("ayb_writes_per_commit", metric.Distribution, "Texts that share a commit.")
	bounds := make([]float64, len(hosting.Batches{}.Counts)-1)
	for i := range bounds {
		bounds[i] = float64(int(1) << i)
	}
	t.Histogram(bounds, r.Batches.Counts[:], float64(r.Batches.Writes))
	one(t, "ayb_databases_open", metric.Gauge, r.Databases, "Databases that are open.")
	one(t, "ayb_database_connections", metric.Gauge, r.Connections, "Connections to databases.")
	one(t, "ayb_database_memory_bytes", metric.Gauge, r.Memory, "Memory of those connections.")
	one(t, "ayb_database_temp_bytes", metric.Gauge, r.TempBytes, "Temporary files of queries.")
	one(t, "ayb_database_evictions_total", metric.Counter, r.Evictions, "Databases that were closed to make room for others.")
	one(t, "ayb_sessions", metric.Gauge, r.Sessions, "Sessions that are open.")
	t.Family("ayb_statement_lookups_total", metric.Counter, "Statements that were there prepared (hit) or had to be compiled (miss).")
	t.Sample(float64(r.StatementHits), "result", "hit")
	t.Sample(float64(r.StatementMisses), "result", "miss")
}

func (m *measured) workers(t *metric.Text) {
	p := m.processes
	if p == nil {
		return
	}
	one(t, "ayb_workers", metric.Gauge, p.Alive, "Worker processes.")
	one(t, "ayb_workers_computing", metric.Gauge, p.Computing, "Worker processes that compute, and leave a processor to others.")
	one(t, "ayb_workers_memory_bytes", metric.Gauge, p.Memory, "Memory that queries at work may take, and open databases take.")
	one(t, "ayb_workers_memory_limit_bytes", metric.Gauge, p.MemoryBound, "What that may be, limits.memory.")
	one(t, "ayb_workers_memory_waiting", metric.Gauge, p.Waiting, "Queries that wait for memory.")
	one(t, "ayb_workers_started_total", metric.Counter, p.Started, "Worker processes that were started.")
	t.Family("ayb_workers_ended_total", metric.Counter, "Worker processes that ended, by the reason.")
	for _, end := range worker.Ends() {
		t.Sample(float64(p.Ended[end]), "reason", string(end))
	}
	one(t, "ayb_workers_evicted_total", metric.Counter, p.Evicted, "Worker processes that were ended to make room for others.")
	one(t, "ayb_query_replays_total", metric.Counter, p.Replays, "Calls that were run again because their worker was lost.")
}

func (m *measured) metadata(t *metric.Text) {
	t.Family("ayb_metadata_lookups_total", metric.Counter, "Look-ups of metadata that were answered from memory (hit) or had to be asked for (miss).")
	for _, name := range slices.Sorted(maps.Keys(m.engine.Caches)) {
		c := m.engine.Caches[name]
		t.Sample(float64(c.Hits), "cache", name, "result", "hit")
		t.Sample(float64(c.Misses), "cache", name, "result", "miss")
	}
	t.Family("ayb_metadata_requests_total", metric.Counter, "What the metadata database was asked for: queries, and transactions that change something.")
	t.Sample(float64(m.engine.Metadata.Queries), "kind", "query")
	t.Sample(float64(m.engine.Metadata.Changes), "kind", "change")
	a := &m.engine.Audit
	one(t, "ayb_audit_records_total", metric.Counter, a.Records, "Records of the audit trail that were made.")
	t.Family("ayb_audit_records_lost_total", metric.Counter, "Records that were not kept: more than one caller may leave in a minute, or more than fit while the metadata database was down.")
	t.Sample(float64(a.Skipped), "reason", "caller")
	t.Sample(float64(a.Lost), "reason", "store")
	one(t, "ayb_audit_records_waiting", metric.Gauge, a.Waiting, "Records that are not stored yet.")
}

func (m *measured) snapshots(t *metric.Text) {
	s := &m.engine.Snapshots
	t.Family("ayb_snapshots_total", metric.Counter, "Tries at a snapshot of a database.")
	t.Sample(float64(s.Taken), "result", "taken")
	t.Sample(float64(s.Failed), "result", "failed")
	one(t, "ayb_snapshot_bytes_total", metric.Counter, s.Bytes, "Size of the databases of which snapshots were taken.")
	t.Family("ayb_snapshot_metadata_total", metric.Counter, "Tries at a copy of the metadata into the bucket.")
	t.Sample(float64(s.Metadata), "result", "taken")
	t.Sample(float64(s.MetadataFailed), "result", "failed")
	one(t, "ayb_snapshot_rounds_total", metric.Counter, s.Rounds, "Rounds of snapshots that came to their end.")
	one(t, "ayb_snapshot_last_round_timestamp_seconds", metric.Gauge, seconds(s.LastRound), "When the last round came to its end; 0: none has since the start.")
	one(t, "ayb_snapshot_last_round_duration_seconds", metric.Gauge, s.LastDuration.Seconds(), "How long it took.")
	t.Family("ayb_snapshot_drills_total", metric.Counter, "Snapshots that were restored to a scratch place, to prove that they can be.")
	t.Sample(float64(s.Proven), "result", "proven")
	t.Sample(float64(s.Unproven), "result", "failed")
}

func (m *measured) runtime(t *metric.Text) {
	t.Family("ayb_build_info", metric.Gauge, "What runs; always 1.")
	t.Sample(1, "version", version, "revision", commit(), "go", runtime.Version(), "sqlite", sqliteVersion)
	p := &m.process
	one(t, "go_goroutines", metric.Gauge, p.goroutines, "Goroutines.")
	one(t, "go_memstats_heap_alloc_bytes", metric.Gauge, p.heap, "Memory of objects on the heap.")
	one(t, "go_memstats_sys_bytes", metric.Gauge, p.sys, "Memory that Go has of the system.")
	one(t, "go_gc_cycles_total", metric.Counter, p.collections, "Garbage collections.")
	one(t, "process_start_time_seconds", metric.Gauge, seconds(p.started), "When the server was started.")
	if !p.known {
		return
	}
	one(t, "process_cpu_seconds_total", metric.Counter, p.processor.Seconds(), "Processor time of the server, without its workers.")
	one(t, "process_resident_memory_bytes", metric.Gauge, p.resident, "Memory that the server has, without its workers.")
	one(t, "process_open_fds", metric.Gauge, p.files, "Open file descriptors.")
	one(t, "process_max_fds", metric.Gauge, p.maxFiles, "How many there may be.")
}

// seconds returns a time as metrics have it; 0 of the zero time.
func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
