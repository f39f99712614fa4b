package main

import (
	"math"
	"slices"
	"strings"
	"time"

	"ayb/internal/mail"
)

// A setting is one thing that an operator can say: a key of ayb.toml, or an
// environment variable.
type setting struct {
	name  string // the whole path: "email.smtp.smtp_host"
	value value
	about string // for default_server_config and docs/configuration.md
	unset string // what holds if nothing is said, where that is not the value itself

	also []string // other names for the same setting

	from string // who set it: "ayb.toml:12" or "AYB__PORT"; empty: nobody
}

// table returns the name of the table the setting is in; empty for the top.
func (s *setting) table() string { return parent(s.name) }

// key returns the name of the setting within its table.
func (s *setting) key() string { return s.name[len(s.table()):][min(1, len(s.table())):] }

// variable returns the name of the environment variable for the setting.
func (s *setting) variable() string { return variableOf(s.name) }

// isSet reports whether somebody has set it.
func (s *setting) isSet() bool { return s.from != "" }

// parent returns the path without its last part.
func parent(name string) string {
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}

// maxText is the most that a text in SQLite may be allowed, in bytes. SQLite's
// own bound is near 1 GB.
const maxText = 512 << 20

// flatMail is the table that earlier versions had for a mail server; its keys
// mean the same as those of [email.smtp].
const flatMail = "email."

// settings lists every setting with where c keeps it, in the order in which
// people meet them. The values that c holds now are the defaults.
func (c *config) settings() []*setting {
	return slices.Concat(c.serverSettings(), c.accountSettings(), c.mailSettings(), c.limitSettings(), c.upkeepSettings(), c.Snapshots.settings())
}

func (c *config) serverSettings() []*setting {
	return []*setting{
		{name: "host", value: textValue{&c.Host, filled}, about: "The address to listen on; 0.0.0.0 is every address of the machine."},
		{name: "port", value: numberValue{&c.Port, 0, math.MaxUint16}, about: "The port to listen on; 0 is any that is free."},
		{name: "database_url", value: textValue{&c.DatabaseURL, databaseURL}, unset: "ayb.sqlite in data_path",
			about: "Where users, databases and permissions are kept: sqlite://relative/path, sqlite:///absolute/path or postgresql://user:password@host/name."},
		{name: "data_path", value: textValue{&c.DataPath, filled}, about: "The directory for the hosted databases; made if it is missing."},
		{name: "public_url", value: textValue{&c.PublicURL, optional(webURL)}, unset: "http://localhost:{port}", about: "The address under which people reach the server, for links in e-mails, and the address that pages link to whose owners have their profile verified."},
		{name: "trusted_proxies", value: listValue{&c.TrustedProxies, network}, about: "Reverse proxies whose X-Forwarded headers are believed: addresses or networks like 10.0.0.0/8."},
		{name: "cors.origin", value: textValue{&c.CORS.Origin, optional(origin)}, unset: "none, so that no page may", about: `The web origin whose pages may call the API, or "*" for every one.`},
	}
}

func (c *config) accountSettings() []*setting {
	a := &c.Authentication
	return []*setting{
		{name: "authentication.fernet_key", value: textValue{&a.FernetKey, fernetKey}, unset: "one is made and kept in data_path",
			about: "The secret that seals the tokens in e-mails, unique to this server."},
		{name: "authentication.fernet_keys", value: listValue{&a.FernetKeys, fernetKey},
			about: "Earlier secrets, which still open the tokens they have sealed."},
		{name: "authentication.token_expiration_seconds", value: numberValue{&a.TokenExpirationSeconds, 60, 30 * 86400}, about: "How long the token in an e-mail can be used."},
		{name: "authentication.token_idle_days", value: numberValue{&a.TokenIdleDays, 0, 36500}, about: "After how many days without use an API token lapses; 0 is never."},
	}
}

func (c *config) mailSettings() []*setting {
	m := &c.Email.SMTP
	flat := func(key string) []string { return []string{flatMail + key} }
	return []*setting{
		{name: "email.smtp.from", value: textValue{&m.From, address}, also: flat("from"), unset: "ayb <noreply@localhost>", about: "The sender of e-mails; needed for a mail server."},
		{name: "email.smtp.reply_to", value: textValue{&m.ReplyTo, optional(address)}, also: flat("reply_to"), unset: "the sender", about: "Where answers to e-mails go."},
		{name: "email.smtp.smtp_host", value: textValue{&m.Host, filled}, also: flat("smtp_host"), unset: "none", about: "The mail server."},
		{name: "email.smtp.smtp_port", value: numberValue{&m.Port, 1, math.MaxUint16}, also: flat("smtp_port"), unset: "465, 587 or 25 by security", about: "Its port."},
		{name: "email.smtp.smtp_username", value: textValue{&m.Username, nil}, also: flat("smtp_username"), about: "The user name for it; empty if it wants none."},
		{name: "email.smtp.smtp_password", value: textValue{&m.Password, nil}, also: flat("smtp_password"), about: "The password for it."},
		{name: "email.smtp.security", value: textValue{&m.Security, oneOf(string(mail.ImplicitTLS), string(mail.StartTLS), string(mail.Plain))}, also: flat("security"),
			about: `How the connection is encrypted: "tls" from the start, "starttls" by command, or "plain" not at all.`},
		{name: "email.file.path", value: textValue{&c.Email.File.Path, filled}, unset: "emails.jsonl in data_path if nothing is said of e-mail", about: "A file to which every e-mail is added as a line of JSON."},
	}
}

func (c *config) limitSettings() []*setting {
	l := &c.Limits
	entry := func(name string, v value, about string) *setting {
		return &setting{name: "limits." + name, value: v, about: about}
	}
	unbounded := func(s *setting) *setting { s.unset = "0, no bound"; return s }
	list := []*setting{
		entry("query_time", durationValue{&l.QueryTime, time.Millisecond}, "Execution of one text of SQL."),
		entry("maintenance_time", durationValue{&l.MaintenanceTime, time.Millisecond}, "The same for CREATE INDEX, REINDEX, ANALYZE and VACUUM; making a database of what was imported."),
		entry("stream_time", durationValue{&l.StreamTime, time.Millisecond}, "From the first to the last row of a streamed result, the reader's time included; the way of a whole database or a table in or out."),
		entry("write_stall", durationValue{&l.WriteStall, time.Second}, "How long a client may take nothing of an answer, and send nothing of an import."),
		entry("queue_time", durationValue{&l.QueueTime, time.Millisecond}, "Waiting for a turn on a database."),
		entry("connections", numberValue{&l.Connections, 1, 1_000_000}, "Connections of clients at once; idle ones make room for others."),
		entry("idle_time", durationValue{&l.IdleTime, time.Second}, "How long a connection stays open on which no request comes."),
		entry("sql_bytes", sizeValue{&l.SQLBytes, 1, maxText}, "Length of a text of SQL."),
		entry("parameters", numberValue{&l.Parameters, 1, 32766}, "Parameters of a statement."),
		entry("value_bytes", sizeValue{&l.ValueBytes, 0, maxText}, "One text or blob, and one row."),
		entry("result_bytes", sizeValue{&l.ResultBytes, 1024, 0}, "A result that is not streamed."),
		entry("like_pattern_bytes", numberValue{&l.LikePatternBytes, 0, 50_000}, "Pattern of LIKE and GLOB."),
		entry("expression_depth", numberValue{&l.ExpressionDepth, 1, 1000}, "Depth of an expression."),
		entry("compound_select", numberValue{&l.CompoundSelect, 1, 500}, "Terms of a compound SELECT."),
		entry("columns", numberValue{&l.Columns, 1, 2000}, "Columns of a table, a result or an index."),
		entry("function_args", numberValue{&l.FunctionArgs, 1, 127}, "Arguments of a function."),
		entry("trigger_depth", numberValue{&l.TriggerDepth, 1, 1000}, "Depth of triggers."),
		entry("program_ops", numberValue{&l.ProgramOps, 1000, 250_000_000}, "Operations of the program that a statement compiles to."),
		entry("connection_memory", sizeValue{&l.ConnectionMemory, 8 << 20, 2 << 30}, "Memory of one connection to a database."),
		entry("owner_memory", sizeValue{&l.OwnerMemory, 64 << 20, 0}, "Memory of all connections of a worker process."),
		entry("memory", sizeValue{&l.Memory, 0, 0}, "Memory of the queries of all owners that run at the same time in worker processes, each counted as connection_memory, and of open databases."),
		entry("open_databases_memory", sizeValue{&l.OpenMemory, 0, 0}, "Memory of all open databases; the least recently used are closed."),
		unbounded(entry("database_bytes", sizeValue{&l.DatabaseBytes, 0, 0}, "Size of a database, for whom no quota says otherwise.")),
		unbounded(entry("entity_bytes", sizeValue{&l.EntityBytes, 0, 0}, "Size of all databases of one owner, for whom no quota says otherwise.")),
		unbounded(entry("databases", numberValue{&l.Databases, 0, math.MaxInt64}, "How many databases an owner may have, for whom no quota says otherwise.")),
		entry("import_bytes", sizeValue{&l.ImportBytes, 1 << 10, 0}, "A file that is imported, decompressed."),
		entry("copies", numberValue{&l.Copies, 1, 10_000}, "Exports and imports under way at once; each has up to a copy of a database on the disk."),
		entry("account_copies", numberValue{&l.AccountCopies, 1, 10_000}, "Those of one account, or one address without."),
		entry("temp_bytes", sizeValue{&l.TempBytes, 1, 0}, "Temporary files of one owner."),
		entry("wal_bytes", sizeValue{&l.WALBytes, 1 << 20, 0}, "Write-ahead log of a database. Who reads for so long that it can't be emptied is ended."),
		entry("disk_reserve", sizeValue{&l.DiskReserve, 1, 0}, "What stays free of the disk: snapshots, restores, imports and exports that would leave less are refused."),
		entry("readers", numberValue{&l.Readers, 1, 1000}, "Reads of a database at once. One caller may have three quarters of these, and of the places to wait below."),
		entry("queued_reads", numberValue{&l.QueuedReads, 1, 1_000_000}, "Reads that wait, per database."),
		entry("queued_writes", numberValue{&l.QueuedWrites, 1, 1_000_000}, "Writes that wait, per database."),
		entry("batch_writes", numberValue{&l.BatchWrites, 1, 100_000}, "Writes of a database that are committed together if they wait at the same time; 1: each alone."),
		entry("statements", numberValue{&l.Statements, 1, 10_000}, "Prepared statements kept per connection."),
		entry("sessions", numberValue{&l.Sessions, 1, 10_000}, "Open sessions per database, of which one caller may have three quarters."),
		entry("session_idle", durationValue{&l.SessionIdle, time.Millisecond}, "Between two calls of a session."),
		entry("session_time", durationValue{&l.SessionTime, time.Millisecond}, "A session from its begin to its end."),
		entry("session_write_time", durationValue{&l.SessionWriteTime, time.Millisecond}, "How long a session may hold up other writers."),
		entry("tokens", numberValue{&l.Tokens, 1, 1_000_000}, "Valid API tokens of one account."),
		entry("request_rate", numberValue{&l.RequestRate, 1, 1_000_000}, "Registrations and log-ins a minute, per client address and per account; changes of links, per profile and per account."),
	}
	for _, s := range list {
		switch s.key() {
		case "value_bytes":
			s.unset = "16MiB, and 1MiB in-process"
		case "like_pattern_bytes":
			s.unset = "1000, and 100 in-process"
		case "memory":
			s.unset = "half of the machine"
		case "open_databases_memory":
			s.unset = "a quarter of the machine"
		}
	}
	return list
}

func (c *config) upkeepSettings() []*setting {
	return []*setting{
		{name: "deletion.keep", value: durationValue{&c.Deletion.Keep, time.Minute}, about: "How long something deleted can be brought back."},
		{name: "audit.keep", value: durationValue{&c.Audit.Keep, time.Minute}, about: "How long records of the audit trail are kept."},
		{name: "audit.rows", value: numberValue{&c.Audit.Rows, 1, math.MaxInt64}, about: "How many records are kept. Of one caller, at most 100 refused or failed calls a minute are recorded, and the others counted."},
		{name: "log.format", value: textValue{&c.Log.Format, oneOf("text", "json")}, about: `"text" or "json".`},
		{name: "log.level", value: textValue{&c.Log.Level, oneOf("debug", "info", "warn", "error")}, about: `"debug", "info", "warn" or "error".`},
		{name: "metrics.listen", value: textValue{&c.Metrics.Listen, optional(metricsAddress)}, unset: "none", about: "An address and port for metrics and profiles, like 127.0.0.1:9100; whoever can reach it may read them."},
		{name: "metrics.allow_remote", value: boolValue{&c.Metrics.AllowRemote}, about: "Whether metrics.listen may be an address that other machines can reach. Profiles are for this machine all the same."},
		{name: "isolation.mode", value: textValue{&c.Isolation.Mode, isolationMode}, unset: `"process" on Linux, "in-process" elsewhere`, about: `Where SQL runs: "process", in worker processes behind walls of the operating system; or "in-process", within the server.`},
		{name: "isolation.nsjail_path", value: textValue{&c.Isolation.NsjailPath, nil}, unset: "none", about: "The nsjail program, to run worker processes under it."},
		{name: "isolation.require", value: boolValue{&c.Isolation.Require}, about: "Whether to refuse to start if a wall of the operating system is missing."},
		{name: "isolation.workers", value: numberValue{&c.Isolation.Workers, 1, 100_000}, about: "Worker processes at once; idle ones make room for others."},
		{name: "isolation.idle", value: durationValue{&c.Isolation.Idle, time.Second}, about: "How long a worker process stays when nobody needs it."},
	}
}
