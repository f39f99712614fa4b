//go:build linux

package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

const (
	ledgerClients   = 24
	ledgerDatabases = 2
	ledgerAcks      = 1000 // of a round, at least
	ledgerRounds    = 3    // without AYB_STRESS_ROUNDS: one of each kind
	ledgerKills     = 4    // of workers in a round
)

// An outcome is what a client was answered.
type outcome int

const (
	acknowledged outcome = iota // it is there
	refused                     // it is not
	unknown                     // it may be
)

// A ledgerClient writes one text after the other. Of each it takes down what it was
// answered once it has read that: the number of a text is where its outcome stands.
type ledgerClient struct {
	id       int
	round    int
	ref      string
	api      *client.Client
	outcomes []outcome
	odd      error // an answer that there should not be
}

// TestLedger kills servers and workers that write as fast as they can, and holds what
// they have answered against what they kept: nothing that was acknowledged is missing
// or there twice, nothing that was refused is there, and no text is there in part.
func TestLedger(t *testing.T) {
	rounds := ledgerRounds
	if text := os.Getenv("AYB_STRESS_ROUNDS"); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		must(t, err)
	}
	l := &ledger{site: newSite(t, []string{"alice", "bob"})}
	l.site.env = []string{"AYB__ISOLATION__MODE=process"}
	l.site.start()
	for i := range ledgerDatabases {
		ref := l.ref(i)
		api := l.site.client(l.owner(i))
		_, err := api.CreateDatabase(t.Context(), ref, nil)
		must(t, err)
		_, err = api.Query(t.Context(), ref, `
			CREATE TABLE entry(round INTEGER, client INTEGER, number INTEGER, UNIQUE(round, client, number));
			CREATE TABLE total(round INTEGER, client INTEGER, entries INTEGER, last INTEGER, texts INTEGER, PRIMARY KEY(round, client));
			CREATE TRIGGER added AFTER INSERT ON entry BEGIN
				INSERT INTO total VALUES (new.round, new.client, 1, new.number, 0) ON CONFLICT DO UPDATE SET entries = entries + 1, last = new.number;
			END`)
		must(t, err)
	}
	l.site.kill()
	for round := range rounds {
		l.run(t, round)
	}
	l.report(t)
}

// A ledger is what all rounds have shown.
type ledger struct {
	site    *site
	answers [3]int // by outcome
	kept    int    // of those that nobody knew of
	kills   [3]int // by kind of round
	commits float64
	writes  float64
	rows    [ledgerDatabases]int64 // that there must be of the rounds before
}

func (l *ledger) owner(i int) string { return []string{"alice", "bob"}[i%2] }

func (l *ledger) ref(i int) string { return fmt.Sprintf("%s/ledger%d", l.owner(i), i) }

// The kinds of rounds.
var ledgerKinds = []struct {
	name    string
	mode    string
	workers bool // they are killed, and the server at the end
}{
	{"a server with workers is killed", "process", false},
	{"workers are killed", "process", true},
	{"a server without workers is killed", "in-process", false},
}

// run is one round: all write, something is killed, and what is left is looked at.
func (l *ledger) run(t *testing.T, round int) {
	kind := ledgerKinds[round%len(ledgerKinds)]
	l.site.env = []string{"AYB__ISOLATION__MODE=" + kind.mode}
	l.site.start()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var acks atomic.Int64
	var all sync.WaitGroup
	clients := make([]*ledgerClient, ledgerClients)
	for i := range clients {
		c := &ledgerClient{id: i, round: round, ref: l.ref(i % ledgerDatabases), api: l.site.client(l.owner(i % ledgerDatabases))}
		clients[i] = c
		all.Go(func() { c.write(ctx, &acks) })
	}
	await := func(n int64) {
		deadline := time.Now().Add(patience)
		for acks.Load() < n && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if acks.Load() < n {
			stop()
			all.Wait()
			t.Fatalf("round %d: %d acknowledgements, want %d; %v", round, acks.Load(), n, clients[0].odd)
		}
	}
	if kind.workers {
		for kill := range int64(ledgerKills) {
			await((kill + 1) * ledgerAcks / (ledgerKills + 1))
			if pids := l.site.workers(); len(pids) > 0 {
				syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL)
				l.kills[1]++
			}
		}
	}
	await(ledgerAcks)
	l.count(t)
	l.site.kill() // while all of them write
	l.kills[round%len(ledgerKinds)]++
	stop()
	all.Wait()
	l.audit(t, clients)
}

// count notes how many writes have shared how many commits.
func (l *ledger) count(t *testing.T) {
	m, err := l.site.scrape(t.Context())
	if err != nil {
		t.Errorf("metrics: %v", err)
		return
	}
	l.commits += m["ayb_writes_per_commit_count"]
	l.writes += m["ayb_writes_per_commit_sum"]
}

// write writes until the server is gone.
func (c *ledgerClient) write(ctx context.Context, acks *atomic.Int64) {
	for n := 1; ctx.Err() == nil; n++ {
		sql := "INSERT INTO entry VALUES (:round, :client, :number)"
		switch {
		case n%10 == 0: // its last row fails
			sql += ", (:round, :client, :number)"
		case n%10 == 5: // of several statements, which shares no commit
			sql += "; UPDATE total SET texts = texts + 1 WHERE round = :round AND client = :client AND :number > 0"
		}
		_, err := c.api.Query(ctx, c.ref, sql, catalog.Named("round", c.round), catalog.Named("client", c.id), catalog.Named("number", n))
		o := c.understand(n, err)
		c.outcomes = append(c.outcomes, o)
		switch {
		case o == acknowledged:
			acks.Add(1)
			if n%10 == 0 {
				c.odd = fmt.Errorf("text %d, which must fail, was acknowledged", n)
			}
		case o == unknown && isGone(err):
			return
		}
	}
}

// understand returns what an answer says of the write.
func (c *ledgerClient) understand(n int, err error) outcome {
	switch kind := fault.KindOf(err); {
	case err == nil:
		return acknowledged
	case kind == fault.Invalid && n%10 != 0:
		c.odd = err
		return refused
	case isGone(err):
		return unknown
	case kind == fault.Invalid, kind == fault.Unavailable, kind == fault.Busy, kind == fault.NotApplied, kind == fault.Conflict, kind == fault.TimedOut:
		return refused
	case kind == fault.OutcomeUnknown:
		return unknown
	default:
		c.odd = err
		return unknown
	}
}

// isGone reports whether the server did not answer: there is no answer in the error.
func isGone(err error) bool {
	_, answered := errors.AsType[*client.ResponseError](err)
	return err != nil && !answered
}

// audit starts the server again and holds what it has against what was answered.
func (l *ledger) audit(t *testing.T, clients []*ledgerClient) {
	t.Helper()
	l.site.start()
	defer l.site.kill()
	for _, c := range clients {
		c.api = l.site.client("")
		if c.odd != nil {
			t.Errorf("round %d, client %d: %v", c.round, c.id, c.odd)
		}
	}
	for i := range ledgerDatabases {
		api := l.site.client(l.owner(i))
		ask := func(sql string, args ...any) [][]catalog.Value {
			t.Helper()
			result, err := api.Query(t.Context(), l.ref(i), sql, args...)
			if err != nil {
				t.Fatalf("%s: %s: %v\n%s", l.ref(i), sql, err, l.site.log())
			}
			rows := make([][]catalog.Value, len(result.Rows))
			for j, row := range result.Rows {
				rows[j] = row
			}
			return rows
		}
		if check := ask("PRAGMA integrity_check"); check[0][0].String() != "ok" {
			t.Errorf("%s: %v", l.ref(i), check)
		}
		for j, c := range clients {
			if j%ledgerDatabases == i {
				l.auditClient(t, c, ask)
			}
		}
		all := ask("SELECT count(*), count(*) FILTER (WHERE round < ?) FROM entry", clients[0].round)[0]
		if before := all[1].Int64(); before != l.rows[i] {
			t.Errorf("%s: of the rounds before there are %d rows, and were %d", l.ref(i), before, l.rows[i])
		}
		l.rows[i] = all[0].Int64()
	}
}

// auditClient looks at what is there of one client.
func (l *ledger) auditClient(t *testing.T, c *ledgerClient, ask func(string, ...any) [][]catalog.Value) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("round %d, client %d: "+format, append([]any{c.round, c.id}, args...)...)
	}
	var numbers []int64
	for _, row := range ask("SELECT number FROM entry WHERE round = ? AND client = ? ORDER BY rowid", c.round, c.id) {
		numbers = append(numbers, row[0].Int64())
	}
	if !slices.IsSorted(numbers) {
		fail("its texts were kept in another order than it sent them: %v", numbers)
	}
	there := map[int64]bool{}
	for _, n := range numbers {
		there[n] = true
	}
	if len(there) != len(numbers) {
		fail("texts are there twice: %v", numbers)
	}
	last, texts := int64(0), int64(0)
	for i, o := range c.outcomes {
		n := int64(i + 1)
		l.answers[o]++
		switch {
		case o == acknowledged && !there[n]:
			fail("text %d was acknowledged, and is missing", n)
		case o == refused && there[n]:
			fail("text %d was refused, and is there", n)
		case o == unknown && there[n]:
			l.kept++
		}
		if there[n] {
			last = n
			if n%10 == 5 {
				texts++
			}
		}
		delete(there, n)
	}
	if len(there) > 0 {
		fail("there are texts that it has not sent: %v", there)
	}
	if len(numbers) == 0 {
		return
	}
	total := ask("SELECT entries, last, texts FROM total WHERE round = ? AND client = ?", c.round, c.id)
	if len(total) != 1 || total[0][0].Int64() != int64(len(numbers)) || total[0][1].Int64() != last || total[0][2].Int64() != texts {
		fail("its total is %v, and it has %d texts, of which %d is the last, and %d of several statements: some were kept in part", total, len(numbers), last, texts)
	}
}

// report says what all rounds have shown.
func (l *ledger) report(t *testing.T) {
	t.Logf("killed: %d servers with workers, %d workers and their servers, %d servers without; %d texts were acknowledged, %d refused; of %d nobody knew, %d of them were kept",
		l.kills[0], l.kills[1], l.kills[2], l.answers[acknowledged], l.answers[refused], l.answers[unknown], l.kept)
	t.Logf("%.0f writes shared %.0f commits, %.1f to each", l.writes, l.commits, l.writes/l.commits)
	if l.writes < 1.5*l.commits {
		t.Errorf("%.0f writes had %.0f commits: hardly any were shared, so this has shown nothing about those that are", l.writes, l.commits)
	}
	if l.answers[refused] == 0 || l.answers[unknown] == 0 {
		t.Errorf("of no text was it answered that it was refused, or unknown: %v", l.answers)
	}
}
