package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/operator"
)

// adminCommand is "ayb admin": what whoever runs a server may do with it.
type adminCommand struct {
	Quota quotaCommand `cmd:"" help:"Show or set what an entity or a database may use."`
	Usage usageCommand `cmd:"" help:"List what entities use and may use."`
}

// Help says who may do this.
func (adminCommand) Help() string {
	return `For the user who runs the server, on the same machine and with the same
configuration. It asks the server that runs, or works on the data path by itself
while none does.

Examples:
  ayb admin usage
  ayb admin quota alice --bytes 10GB --databases 100
  ayb admin quota alice/big.sqlite --bytes 5GiB
  ayb admin quota alice --bytes default`
}

// administer calls do with the server of a configuration, or with an engine that
// is opened for it if no server runs.
func (f configFlag) administer(c *connection, do func(context.Context, *operator.Client) error) (err error) {
	cfg, err := f.load(c.surrounding)
	if err != nil {
		return err
	}
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	door, err := operator.Dial(ctx, cfg.operatorSocket())
	if err == nil {
		defer door.Close()
		return do(ctx, door)
	}
	if !errors.Is(err, operator.ErrNoDoor) {
		return err
	}
	eng, err := cfg.openIdle(ctx, c.surrounding)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	return do(ctx, operator.Within(eng))
}

// operatorSocket returns where the server listens for its operator.
func (c *config) operatorSocket() string { return filepath.Join(c.DataPath, operator.SocketName) }

// openIdle opens the engine on a data path that no server uses. Errors: NotFound
// (none ever has), Denied (it is another user's), Conflict (a process does).
func (c *config) openIdle(ctx context.Context, s surrounding) (*ayb.Engine, error) {
	info, err := os.Stat(filepath.Join(c.DataPath, "lock"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "No server has used the data path %s yet; start one, or name its configuration with --config", c.DataPath)
	case err != nil:
		return nil, fault.Wrap(fault.Denied, err, "The data path %s can't be looked into; run this as the user who runs the server", c.DataPath)
	case !isMine(info):
		return nil, fault.New(fault.Denied, "The data path %s is another user's, and no server runs on it; start the server, or run this as that user", c.DataPath)
	}
	cfg := c.engine()
	cfg.Logger = slog.New(slog.NewTextHandler(s.errout, &slog.HandlerOptions{Level: slog.LevelWarn}))
	eng, err := ayb.Open(ctx, cfg)
	if errors.Is(err, fault.Conflict) {
		return nil, fault.Wrap(fault.Conflict, err, "%s. It has no operator's socket %s: it may just be starting or stopping, be of another version, or have warned in its log that there is none",
			strings.TrimSuffix(fault.Message(err), "; stop it first, or choose another data path"), c.operatorSocket())
	}
	return eng, err
}

// A quotaCommand is "ayb admin quota".
type quotaCommand struct {
	configFlag
	Name          string       `arg:"" name:"name" help:"An entity, or a database as entity/database."`
	Bytes         *limitOption `name:"bytes" placeholder:"SIZE" help:"Size of the database, or of all databases of the entity together: 10GB, 512MiB, none or default."`
	DatabaseBytes *limitOption `name:"database_bytes" placeholder:"SIZE" help:"Size of each database of the entity that has none set for itself."`
	Databases     *limitOption `name:"databases" placeholder:"NUMBER" help:"How many databases the entity may have: a number, none or default."`
}

// Run sets what is said, and shows what holds then.
func (cmd quotaCommand) Run(c *connection) error {
	if strings.Contains(cmd.Name, "/") {
		ref, err := catalog.ParseRef(cmd.Name)
		if err != nil {
			return err
		}
		if cmd.DatabaseBytes != nil || cmd.Databases != nil {
			return fault.New(fault.Invalid, "A database has --bytes alone; --database_bytes and --databases are for an entity, like %s", ref.Entity)
		}
		return cmd.administer(c, func(ctx context.Context, door *operator.Client) error { return cmd.database(ctx, c, door, ref) })
	}
	if _, err := catalog.ParseEntitySlug(cmd.Name); err != nil {
		return err
	}
	return cmd.administer(c, func(ctx context.Context, door *operator.Client) error { return cmd.entity(ctx, c, door) })
}

func (cmd quotaCommand) entity(ctx context.Context, c *connection, door *operator.Client) (err error) {
	update := operator.QuotaUpdate{Bytes: cmd.Bytes.limit(), DatabaseBytes: cmd.DatabaseBytes.limit(), Databases: cmd.Databases.limit()}
	var u operator.EntityUsage
	if update == (operator.QuotaUpdate{}) {
		u, err = door.Usage(ctx, cmd.Name)
	} else {
		u, err = door.SetQuota(ctx, cmd.Name, update)
	}
	if err != nil {
		return err
	}
	c.say("Entity: %s", u.Entity)
	c.say("All databases: %s%s", sizeOf(u.Bytes, u.MaxBytes), whence(u.Quota.Bytes, u.MaxBytes))
	c.say("Each database: %s%s", most(u.MaxDatabaseBytes, readable), whence(u.Quota.DatabaseBytes, u.MaxDatabaseBytes))
	number := strconv.FormatInt(u.Databases, 10)
	if u.MaxDatabases > 0 {
		number += " of " + strconv.FormatInt(u.MaxDatabases, 10)
	}
	c.say("Number of databases: %s%s", number, whence(u.Quota.Databases, u.MaxDatabases))
	return nil
}

func (cmd quotaCommand) database(ctx context.Context, c *connection, door *operator.Client, ref ayb.Ref) (err error) {
	var u operator.DatabaseUsage
	if cmd.Bytes == nil {
		u, err = door.DatabaseUsage(ctx, ref)
	} else {
		u, err = door.SetDatabaseQuota(ctx, ref, *cmd.Bytes.limit())
	}
	if err != nil {
		return err
	}
	c.say("Database: %s/%s", u.Entity, u.Database)
	c.say("Size: %s%s", sizeOf(u.Bytes, u.MaxBytes), whence(u.Quota, u.MaxBytes))
	return nil
}

// most writes the bound of something that has no size of its own.
func most(bound int64, write func(int64) string) string {
	if bound == 0 {
		return "any size"
	}
	return "at most " + write(bound)
}

// whence says where a bound comes from.
func whence(set ayb.Limit, bound int64) string {
	switch {
	case set == ayb.NoLimit:
		return " (no bound is set)"
	case set != ayb.ByDefault:
		return " (is set)"
	case bound == 0:
		return " (no bound by default)"
	}
	return " (by default)"
}

// A usageCommand is "ayb admin usage".
type usageCommand struct {
	configFlag
	formatOption
}

// Run lists all entities.
func (cmd usageCommand) Run(c *connection) error {
	columns := []listColumn{
		{title: "Entity"}, {title: "Bytes"}, {title: "Max bytes", null: "none"},
		{title: "Databases"}, {title: "Max databases", null: "none"}, {title: "Max database bytes", null: "none"},
	}
	number := func(n int64) catalog.Value { return catalog.IntegerValue(n) }
	bound := func(n int64) catalog.Value {
		if n == 0 {
			return catalog.NullValue()
		}
		return number(n)
	}
	row := func(u operator.EntityUsage) listRow {
		return listRow{text(string(u.Entity)), number(u.Bytes), bound(u.MaxBytes), number(u.Databases), bound(u.MaxDatabases), bound(u.MaxDatabaseBytes)}
	}
	return cmd.administer(c, func(ctx context.Context, door *operator.Client) error {
		return list(c, cmd.Format, columns, door.Usages(ctx), row, "No entities")
	})
}

// A limitOption is a limit as a person writes it.
type limitOption ayb.Limit

// limit returns the limit; nil if the option was not given.
func (l *limitOption) limit() *ayb.Limit { return (*ayb.Limit)(l) }

// UnmarshalText reads none, default, or a number that may have a unit: KB to TB
// are powers of 1,000, KiB to TiB powers of 1,024.
func (l *limitOption) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	if n, ok := parseSize(word); ok && n > 0 {
		*l = limitOption(n)
		return nil
	}
	if n, ok := parseDecimalSize(word); ok && n > 0 {
		*l = limitOption(n)
		return nil
	}
	if (*ayb.Limit)(l).UnmarshalText([]byte(word)) != nil {
		return fault.New(fault.Invalid, "It must be a number above 0, perhaps with a unit like 512MiB or 10GB, or none, or default")
	}
	return nil
}

// parseDecimalSize reads a number of bytes with a unit that is a power of 1,000.
func parseDecimalSize(s string) (int64, bool) {
	unit := int64(1)
	for _, name := range []string{"KB", "MB", "GB", "TB"} {
		unit *= 1000
		if digits, ok := strings.CutSuffix(s, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(digits, " "), 10, 64)
			return n * unit, err == nil && n >= 0 && n <= math.MaxInt64/unit
		}
	}
	return 0, false
}
