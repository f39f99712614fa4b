package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/fault"
)

// recoverCommand is "ayb recover".
type recoverCommand struct {
	configFlag
	From         string   `name:"from" placeholder:"NAME" help:"Which copy of the metadata to begin with, or which server's, if the bucket has those of several."`
	Adopt        []string `name:"adopt" sep:"none" placeholder:"ENTITY/DATABASE" help:"Make a database of what the bucket has there and the metadata do not know; may be given again. What it is to be called may follow: alice/db~2=alice/other."`
	AdoptUnknown bool     `name:"adopt_unknown" help:"Do so with all that the metadata do not know."`
	Skip         []string `name:"skip" sep:"none" placeholder:"ENTITY/DATABASE" help:"Leave a database without its content because its snapshots can't be fetched; may be given again."`
	NewKey       bool     `name:"new_key" help:"Go on although the key of e-mail tokens is not the one that the server had."`
	DryRun       bool     `name:"dry_run" help:"Change nothing, and say what would be done."`
}

// Help says what it takes.
func (recoverCommand) Help() string {
	return `It takes an empty machine, the server's configuration with its key, and the bucket
of [snapshots]: accounts, tokens, shares and databases come back from there, each
database from its newest snapshot that is sound. The data path has to be empty.
Metadata in PostgreSQL have to be back already.

If it is interrupted, run it again: it goes on. The server starts when it has ended.
The exit status is 1 if anything is not back, and a line says what and why.

Examples:
  ayb recover --dry_run
  ayb recover
  ayb recover --adopt alice/db --adopt bob/db~2=bob/old`
}

// Run recovers, and fails if anything is not back.
func (cmd recoverCommand) Run(c *connection) error {
	cfg, err := cmd.load(c.surrounding)
	if err != nil {
		return err
	}
	if !cfg.Snapshots.isSet() {
		return fault.New(fault.Invalid, "There is no bucket to recover from; set [snapshots] to what it was on the server that is lost")
	}
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	bucket, err := openBucket(ctx, cfg.Snapshots.bucketConfig)
	if err != nil {
		return err
	}
	defer bucket.Close()
	var plan ayb.RecoveryPlan
	result, err := cmd.recover(ctx, c, cfg, bucket, &plan)
	for _, u := range result.Unknown {
		c.say("unknown    %s  %s, %s, the last stored %s; to make it a database: ayb recover --adopt %s", u.Place, counted(u.Snapshots, "snapshot"), readable(u.Stored), second(u.Newest), u.Place)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fault.New(fault.Unavailable, "The recovery was interrupted; run it again, and it goes on where it was")
	case err != nil:
		return err
	case cmd.DryRun:
		c.say("Nothing was changed; without --dry_run this would be done, and each snapshot be checked.")
		return nil
	case result.Pending > 0:
		return fault.New(fault.Unavailable, "The snapshots of %s can't be fetched now, so the recovery has not ended. Run it again, or leave them out with --skip", counted(result.Pending, "database"))
	}
	switch {
	case result.Lost > 0:
		return fault.New(fault.Unavailable, "%s not back, or not as of the last snapshot; see above. All else is", are(result.Lost, "database"))
	case len(plan.Damaged) > 0:
		return fault.New(fault.Unavailable, "The newest copy of the metadata is damaged, so that what is in them is older than it could be; see above")
	}
	c.say("All of it is back.")
	return nil
}

// recover runs the recovery, and prints what it says.
func (cmd recoverCommand) recover(ctx context.Context, c *connection, cfg *config, bucket *blob.Bucket, plan *ayb.RecoveryPlan) (ayb.Recovery, error) {
	engine := cfg.engine()
	engine.Snapshots.Bucket = bucket
	engine.Logger = slog.New(slog.NewTextHandler(c.errout, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if !cmd.DryRun {
		walls, err := cfg.isolate(engine.Logger)
		if err != nil {
			return ayb.Recovery{}, err
		}
		defer walls.close()
		if walls.runner != nil {
			engine.Runner = walls.runner
		}
	}
	return ayb.Recover(ctx, engine, &ayb.RecoverOptions{
		From: cmd.From, Adopt: cmd.Adopt, AdoptUnknown: cmd.AdoptUnknown, Skip: cmd.Skip, NewKey: cmd.NewKey, DryRun: cmd.DryRun,
		Began: func(began ayb.RecoveryPlan) { *plan = began; cmd.begun(c, began) },
		Told:  func(d ayb.RecoveredDatabase) { c.say("%s", recoveredLine(d)) },
	})
}

func (cmd recoverCommand) begun(c *connection, plan ayb.RecoveryPlan) {
	for _, m := range plan.Damaged {
		c.say("DAMAGED    the metadata of %s (%s) can't be used", second(m.Taken), m.Name)
	}
	what := counted(int(plan.Entities), "account") + " and " + counted(int(plan.Databases), "database")
	switch {
	case plan.Resumed:
		c.say("Going on with a recovery of %s.", what)
	case plan.Metadata.Name == "":
		c.say("The metadata database has %s.", what)
	default:
		c.say("The metadata are of %s, with %s. What was registered, shared, revoked or renamed later is as it was then.", second(plan.Metadata.Taken), what)
	}
}

// recoveredLine says what became of a database.
func recoveredLine(d ayb.RecoveredDatabase) string {
	word, name := "recovered", visible(d.Ref.String())
	if d.Adopted {
		word = "adopted"
		if d.Place != d.Ref.String() {
			name = visible(d.Place) + " as " + name
		}
	}
	if d.Deleted {
		name += " (deleted)"
	}
	line := name
	switch {
	case d.IsPending:
		word, line = "PENDING", name+"  "+d.Failure
	case d.Failure != "" && d.Adopted:
		word, line = "REFUSED", name+"  "+d.Failure
	case d.Failure != "":
		word, line = "LOST", name+"  "+d.Failure
	case d.IsEmpty:
		line += "  nothing was written to it"
	case d.Snapshot == "":
		line += "  was there already"
	default:
		line += "  as of " + second(d.Taken)
		if len(d.Damaged) > 0 {
			word = "OLDER"
			line += "; newer snapshots are damaged: " + strings.Join(d.Damaged, ", ")
		}
		if d.Changed {
			line += "; what was changed after that is lost"
		}
	}
	return fmt.Sprintf("%-10s %s", word, line)
}

// second writes a time as list_snapshots does.
func second(t time.Time) string { return withFraction(t, "2006-01-02T15:04:05", "+00:00") }

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// are is counted with the verb.
func are(n int, thing string) string {
	if n == 1 {
		return counted(n, thing) + " is"
	}
	return counted(n, thing) + " are"
}
