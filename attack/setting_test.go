//go:build linux

package attack

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"ayb"
	"ayb/httpapi"
)

// A setting is one bound of the configuration.
type setting struct {
	off string // a value that is out of reach
	set func(*ayb.Config, *httpapi.Options, string) error
}

func set(cfg *ayb.Config, opt *httpapi.Options, name, value string) error {
	s, ok := settings[name]
	if !ok {
		return fmt.Errorf("there is no setting %q", name)
	}
	return s.set(cfg, opt, value)
}

func durations(field func(*ayb.Config, *httpapi.Options) *time.Duration) func(*ayb.Config, *httpapi.Options, string) error {
	return func(cfg *ayb.Config, opt *httpapi.Options, value string) (err error) {
		*field(cfg, opt), err = time.ParseDuration(value)
		return err
	}
}

func integers(field func(*ayb.Config) *int) func(*ayb.Config, *httpapi.Options, string) error {
	return func(cfg *ayb.Config, _ *httpapi.Options, value string) (err error) {
		*field(cfg), err = strconv.Atoi(value)
		return err
	}
}

func bytes(field func(*ayb.Config, *httpapi.Options) *int64) func(*ayb.Config, *httpapi.Options, string) error {
	return func(cfg *ayb.Config, opt *httpapi.Options, value string) (err error) {
		*field(cfg, opt), err = strconv.ParseInt(value, 10, 64)
		return err
	}
}

func parsePrefix(value string) ([]netip.Prefix, error) {
	if value == "" {
		return nil, nil
	}
	prefix, err := netip.ParsePrefix(value)
	return []netip.Prefix{prefix}, err
}

// given are what holds without anything of ours that could be taken away.
var given = map[string]string{
	"json":            "Go's JSON decoder refuses to nest deeply",
	"webassembly":     "the memory of a connection is a bounded array of bytes, and SQLite can touch nothing outside of it",
	"sqlite":          "SQLite itself refuses it",
	"build":           "what is attacked is not part of the program",
	"net/http":        "Go's HTTP server refuses it",
	"layout":          "files are named by ids that the server makes, never by what users call things",
	"sealed":          "e-mail tokens are sealed with a key that nobody has",
	"driver":          "the SQLite driver opens files without following links",
	"owners":          "a database's owner has no grant that could be changed",
	"no cookies":      "the API reads credentials from the Authorization header alone",
	"malformed":       "what has not the form of a token is none",
	"plain addresses": "an e-mail address is one plain address",
	"web links":       "a link is an address of the web",
	"discovery":       "lists hold what the caller may see",
	"html":            "html/template escapes what it shows",
}

// settings are the bounds of the configuration that cases may set, by the name
// under which ayb.toml has them, with values that are out of reach.
var settings = map[string]setting{
	"limits.query_time":         {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.QueryTime })},
	"limits.maintenance_time":   {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.MaintenanceTime })},
	"limits.stream_time":        {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.StreamTime })},
	"limits.queue_time":         {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.QueueTime })},
	"limits.session_idle":       {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.SessionIdle })},
	"limits.session_time":       {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.SessionTime })},
	"limits.session_write_time": {off: "1h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.Limits.SessionWriteTime })},
	"limits.write_stall":        {off: "1h", set: durations(func(_ *ayb.Config, o *httpapi.Options) *time.Duration { return &o.Stall })},
	"limits.sql_bytes":          {off: "100000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.SQLBytes })},
	"limits.parameters":         {off: "1000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Parameters })},
	"limits.value_bytes":        {off: "1000000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.ValueBytes })},
	"limits.like_pattern_bytes": {off: "1000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.LikePatternBytes })},
	"limits.expression_depth":   {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.ExpressionDepth })},
	"limits.compound_select":    {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.CompoundSelect })},
	"limits.columns":            {off: "32767", set: integers(func(c *ayb.Config) *int { return &c.Limits.Columns })},
	"limits.function_args":      {off: "1000", set: integers(func(c *ayb.Config) *int { return &c.Limits.FunctionArgs })},
	"limits.trigger_depth":      {off: "1000", set: integers(func(c *ayb.Config) *int { return &c.Limits.TriggerDepth })},
	"limits.program_ops":        {off: "250000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.ProgramOps })},
	"limits.readers":            {off: "1000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Readers })},
	"limits.queued_reads":       {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.QueuedReads })},
	"limits.queued_writes":      {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.QueuedWrites })},
	"limits.sessions":           {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Sessions })},
	"limits.statements":         {off: "1000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Statements })},
	"limits.tokens":             {off: "1000000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Tokens })},
	"limits.request_rate":       {off: "-1", set: integers(func(c *ayb.Config) *int { return &c.RequestRate })},
	"limits.connection_memory":  {off: "536870912", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.ConnectionMemory })},
	"limits.open_memory":        {off: "1000000000000", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.OpenMemory })},
	"limits.temp_bytes":         {off: "1000000000000", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.TempBytes })},
	"limits.wal_bytes":          {off: "1000000000000", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.WALBytes })},
	"limits.database_bytes":     {off: "0", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.DatabaseBytes })},
	"limits.import_bytes":       {off: "1000000000000", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.ImportBytes })},
	"limits.databases":          {off: "0", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.Databases })},
	"limits.copies":             {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.Copies })},
	"limits.account_copies":     {off: "100000", set: integers(func(c *ayb.Config) *int { return &c.Limits.AccountCopies })},
	"limits.entity_bytes":       {off: "0", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.EntityBytes })},
	"audit.rows":                {off: "1000000000", set: bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Audit.Rows })},
	"limits.body_bytes":         {off: "1000000000000", set: bytes(func(_ *ayb.Config, o *httpapi.Options) *int64 { return &o.MaxBodyBytes })},
	"limits.sql_body_bytes":     {off: "1000000000000", set: bytes(func(_ *ayb.Config, o *httpapi.Options) *int64 { return &o.MaxSQLBytes })},
	"limits.result_bytes": {off: "1000000000000", set: func(c *ayb.Config, o *httpapi.Options, value string) error {
		return errors.Join(
			bytes(func(c *ayb.Config, _ *httpapi.Options) *int64 { return &c.Limits.ResultBytes })(c, o, value),
			bytes(func(_ *ayb.Config, o *httpapi.Options) *int64 { return &o.MaxResultBytes })(c, o, value))
	}},
	"authentication.email_token_time": {off: "720h", set: durations(func(c *ayb.Config, _ *httpapi.Options) *time.Duration { return &c.EmailTokenTTL })},
	"trusted_proxies": {off: "127.0.0.0/8", set: func(_ *ayb.Config, o *httpapi.Options, value string) error {
		prefix, err := parsePrefix(value)
		o.TrustedProxies = prefix
		return err
	}},
	"cors.origin": {off: "*", set: func(_ *ayb.Config, o *httpapi.Options, value string) error {
		o.CORSOrigin = value
		return nil
	}},
	"public_url": {off: "", set: func(_ *ayb.Config, o *httpapi.Options, value string) error {
		o.PublicURL = value
		return nil
	}},
}
