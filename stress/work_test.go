//go:build linux

package stress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ayb"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// A kindOfWork is something that hands do again and again.
type kindOfWork struct {
	name  string
	hands int
	rest  time.Duration // between two times, on average
	do    func(ctx context.Context, h *hand) error
}

var kindsOfWork = []kindOfWork{
	{"read", 3, 0, read},
	{"write", 3, 0, write},
	{"define", 1, 20 * time.Millisecond, define},
	{"create", 1, 500 * time.Millisecond, create},
	{"share", 1, 20 * time.Millisecond, share},
	{"token", 1, 50 * time.Millisecond, token},
	{"offer", 1, 50 * time.Millisecond, offer},
	{"snapshot", 1, 100 * time.Millisecond, takeSnapshot},
	{"restore", 1, 200 * time.Millisecond, restore},
	{"export", 1, 50 * time.Millisecond, export},
	{"import", 1, 100 * time.Millisecond, importAgain},
	{"stream", 2, 50 * time.Millisecond, stream},
	{"slow", 2, 10 * time.Millisecond, readSlowly},
	{"cancel", 2, 10 * time.Millisecond, cancel},
	{"refuse", 1, 10 * time.Millisecond, refuse},
	{"idle", 1, 100 * time.Millisecond, idle},
	{"kill", 1, 0, killWorker},
}

// base picks an account and one of the databases that are always there.
func (h *hand) base() (api *client.Client, ref string) {
	i := h.random.IntN(len(mixedAccounts))
	return h.apis[i], fmt.Sprintf("%s/base%d", mixedAccounts[i], h.random.IntN(mixedBases))
}

// shared picks one that somebody else has shared with the account.
func (h *hand) shared(base int) (api *client.Client, ref string) {
	i := h.random.IntN(len(mixedAccounts))
	other := (i + 1 + h.random.IntN(len(mixedAccounts)-1)) % len(mixedAccounts)
	return h.apis[i], fmt.Sprintf("%s/base%d", mixedAccounts[other], base)
}

func read(ctx context.Context, h *hand) error {
	api, ref := h.base()
	if h.random.IntN(3) == 0 {
		api, ref = h.shared(h.random.IntN(2))
	}
	sql := []string{"SELECT * FROM t WHERE id = ?", "SELECT n, count(*), max(text) FROM t WHERE id <> ? GROUP BY n", "SELECT * FROM t WHERE text LIKE '%7%' AND id > ? LIMIT 50"}[h.random.IntN(3)]
	_, err := api.Query(ctx, ref, sql, h.random.IntN(2*mixedRows))
	return err
}

func write(ctx context.Context, h *hand) error {
	api, ref := h.base()
	if h.random.IntN(3) == 0 {
		api, ref = h.shared(0)
	}
	sql := []string{
		"INSERT OR REPLACE INTO t(id, n, text) VALUES (?, 1, 'new')", "UPDATE t SET n = n + 1 WHERE id = ?", "DELETE FROM t WHERE id = ?",
		"INSERT OR REPLACE INTO t(id, n, text) VALUES (?, 2, hex(randomblob(200))) RETURNING text",
	}[h.random.IntN(4)]
	_, err := api.Query(ctx, ref, sql, h.random.IntN(2*mixedRows))
	return err
}

func define(ctx context.Context, h *hand) error {
	api, ref := h.base()
	name := fmt.Sprintf("x%d", h.random.IntN(3))
	sql := []string{
		"CREATE TABLE IF NOT EXISTS " + name + "(a, b); INSERT INTO " + name + " VALUES (1, 2)",
		"CREATE INDEX IF NOT EXISTS t_" + name + " ON t(n, text)",
		"DROP INDEX IF EXISTS t_" + name,
		"DROP TABLE IF EXISTS " + name,
		"VACUUM",
		"ALTER TABLE t ADD COLUMN " + name + "; ALTER TABLE t DROP COLUMN " + name,
	}[h.random.IntN(6)]
	_, err := api.Query(ctx, ref, sql)
	return err
}

// create takes a database through its life.
func create(ctx context.Context, h *hand) error {
	h.made++
	i := h.random.IntN(len(mixedAccounts))
	api, ref, slug := h.apis[i], fmt.Sprintf("%s/made-%d-%d", mixedAccounts[i], h.id, h.made), fmt.Sprintf("renamed-%d-%d", h.id, h.made)
	renamed := mixedAccounts[i] + "/" + slug
	for _, step := range []func() error{
		func() error { _, err := api.CreateDatabase(ctx, ref, nil); return err },
		func() error { _, err := api.Query(ctx, ref, "CREATE TABLE t(a); INSERT INTO t VALUES (1)"); return err },
		func() error { return api.RenameDatabase(ctx, ref, slug) },
		func() error { _, err := api.Query(ctx, renamed, "SELECT a FROM t"); return err },
		func() error { return api.DeleteDatabase(ctx, renamed) },
		func() error { _, err := api.UndeleteDatabase(ctx, renamed); return err },
		func() error { return api.DeleteDatabase(ctx, renamed) },
		func() error { _, err := api.Databases(ctx, mixedAccounts[i], catalog.Page{Size: 10}); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func share(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	ref, other := mixedAccounts[i]+"/base2", mixedAccounts[(i+1)%len(mixedAccounts)]
	access := []catalog.Access{catalog.NoAccess, catalog.ReadOnly, catalog.ReadWrite}[h.random.IntN(3)]
	if err := h.apis[i].Share(ctx, ref, other, access); err != nil {
		return err
	}
	if _, err := h.apis[i].Grants(ctx, ref, catalog.Page{}); err != nil {
		return err
	}
	_, err := h.apis[(i+1)%len(mixedAccounts)].Shared(ctx, catalog.Page{})
	return err
}

func token(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	secret, details, err := h.apis[i].CreateToken(ctx, mixedAccounts[i], nil)
	if err != nil {
		return err
	}
	if _, err := h.apis[i].WithToken(secret).WhoAmI(ctx); err != nil {
		return err
	}
	return h.apis[i].RevokeToken(ctx, details.Short)
}

func offer(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	ref := mixedAccounts[i] + "/base1"
	if _, err := h.apis[i].TransferDatabase(ctx, ref, mixedAccounts[(i+1)%len(mixedAccounts)]); err != nil {
		return err
	}
	return h.apis[i].WithdrawOffer(ctx, ref)
}

func takeSnapshot(ctx context.Context, h *hand) error {
	api, ref := h.base()
	s, err := api.CreateSnapshot(ctx, ref, "")
	if err != nil {
		return err
	}
	if _, err := api.Snapshots(ctx, ref, catalog.Page{}); err != nil {
		return err
	}
	return api.DeleteSnapshot(ctx, ref, s.ID)
}

// restore puts back what a database was, of base2 alone: what is there changes.
func restore(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	ref := mixedAccounts[i] + "/base2"
	s, err := h.apis[i].CreateSnapshot(ctx, ref, "")
	if err != nil {
		return err
	}
	restored, err := h.apis[i].RestoreSnapshot(ctx, ref, s.ID, nil)
	if err != nil {
		return err
	}
	if restored.Undo != "" {
		err = ignoreAbsent(h.apis[i].DeleteSnapshot(ctx, ref, restored.Undo))
	}
	return errors.Join(err, ignoreAbsent(h.apis[i].DeleteSnapshot(ctx, ref, s.ID)))
}

// ignoreAbsent is for what a round may have deleted before.
func ignoreAbsent(err error) error {
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func export(ctx context.Context, h *hand) error {
	api, ref := h.base()
	_, err := api.Export(ctx, ref, []string{client.FormatSQLite, client.FormatSQL}[h.random.IntN(2)], io.Discard)
	return err
}

// importAgain exports a database and imports it into another one, and some rows.
func importAgain(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	format := []string{client.FormatSQLite, client.FormatSQL}[h.random.IntN(2)]
	var text bytes.Buffer
	if _, err := h.apis[i].Export(ctx, mixedAccounts[i]+"/base1", format, &text); err != nil {
		return err
	}
	ref := mixedAccounts[i] + "/imported"
	imported, err := h.apis[i].Import(ctx, ref, &text, &client.ImportOptions{Format: format, Replace: true})
	if err != nil {
		return err
	}
	if imported.Undo != "" {
		if err := ignoreAbsent(h.apis[i].DeleteSnapshot(ctx, ref, imported.Undo)); err != nil {
			return err
		}
	}
	rows := strings.NewReader("a,b\n" + strings.Repeat("1,two\n", 500))
	_, err = h.apis[i].ImportTable(ctx, ref, client.TableImport{Table: "rows", Format: "csv"}, rows, rows.Size())
	return err
}

// numbers is SQL for rows without an end.
const numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n, hex(n) || ' and some more' FROM c"

type discard struct{}

func (discard) Columns([]catalog.Column) error { return nil }
func (discard) Row(catalog.Row) error          { return nil }

func stream(ctx context.Context, h *hand) error {
	api, ref := h.base()
	_, err := api.Stream(ctx, ref, catalog.Statement{SQL: numbers + " LIMIT 20000"}, discard{})
	return err
}

// readSlowly takes some of a long answer, slowly, and goes away.
func readSlowly(ctx context.Context, h *hand) error {
	i := h.random.IntN(len(mixedAccounts))
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.m.site.url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "POST /v1/%s/base0/query HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nAccept: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s",
		mixedAccounts[i], h.m.site.tokens[mixedAccounts[i]], len(numbers), numbers)
	buf := make([]byte, 4<<10)
	for step := 0; step < 10 && err == nil; step++ {
		_, err = conn.Read(buf)
		time.Sleep(10 * time.Millisecond)
	}
	if err == io.EOF { // it was refused, or its worker was killed
		return nil
	}
	return err
}

// cancel gives up what has no end.
func cancel(ctx context.Context, h *hand) error {
	api, ref := h.base()
	if h.random.IntN(2) == 0 {
		limited, end := context.WithTimeout(ctx, time.Duration(1+h.random.IntN(100))*time.Millisecond)
		defer end()
		_, err := api.Query(limited, ref, "SELECT count(*) FROM ("+numbers+")")
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		return err
	}
	id := fmt.Sprintf("cancelled-by-%d-%d", h.id, h.random.Int64())
	ended := make(chan error, 1)
	go func() {
		_, err := api.WithQueryID(id).Query(ctx, ref, "SELECT count(*) FROM ("+numbers+")")
		ended <- err
	}()
	for {
		err := api.Cancel(ctx, id)
		if err == nil || !errors.Is(err, fault.NotFound) {
			break
		}
		select { // it has not begun, or has ended
		case err := <-ended:
			return err
		case <-time.After(time.Millisecond):
		}
	}
	if err := <-ended; !errors.Is(err, fault.NotApplied) {
		return err
	}
	return nil
}

// refuse asks for what nobody gets.
func refuse(ctx context.Context, h *hand) error {
	api, ref := h.base()
	reader, readable := h.shared(1)
	for _, r := range []struct {
		api  *client.Client
		ref  string
		sql  string
		kind fault.Kind
	}{
		{api, ref, "SELEKT 1", fault.Invalid}, {api, ref, "ATTACH 'x' AS y", fault.Denied}, {reader, readable, "DELETE FROM t", fault.ReadOnly},
		{api, "nobody/nothing", "SELECT 1", fault.Denied}, {api.WithToken("ayb_nonsense_nonsense"), ref, "SELECT 1", fault.Unauthenticated},
		{api, ref, "SELECT '" + strings.Repeat("x", 3<<20) + "'", fault.TooLarge},
	} {
		_, err := r.api.Query(ctx, r.ref, r.sql)
		switch kind := fault.KindOf(err); {
		case ctx.Err() != nil || kind == r.kind:
		case kind == fault.Busy || kind == fault.NotFound:
		default:
			return fmt.Errorf("%.20q was answered: %w", r.sql, err)
		}
	}
	return nil
}

// idle has connections open that ask for nothing.
func idle(ctx context.Context, h *hand) error {
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.m.site.url, "http://"))
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	select {
	case <-time.After(200 * time.Millisecond):
	case <-ctx.Done():
	}
	return nil
}

func killWorker(_ context.Context, h *hand) error {
	pids := h.m.site.workers()
	if len(pids) == 0 {
		return nil
	}
	return ignoreGone(syscall.Kill(pids[h.random.IntN(len(pids))], syscall.SIGKILL))
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// leftovers returns the paths of files and notes of work that is under way.
func (m *mixed) leftovers() (left []string) {
	for _, pattern := range []string{"working/*", "images/*", "transfers/*", ayb.OwnersDir + "/*/*/incoming/*", ayb.OwnersDir + "/*/*/tmp*/*"} {
		found, _ := filepath.Glob(filepath.Join(m.site.data(), pattern))
		left = append(left, found...)
	}
	return left
}

// residentOf returns the megabytes of main memory that a process occupies, 0 if it
// has ended.
func residentOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
