//go:build linux

package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
	"ayb/httpapi"
	"ayb/internal/walls"
)

// canary is what no answer may ever hold: the content of files outside, and of
// databases whose owner has shared them with nobody.
const canary = "the canary sings at midnight"

// A world is a server with its tenants, as an attacker meets it.
//
// alice owns alice/test, which bob may read, carol write and dave manage, and
// alice/other. Of the organization guild, alice is an owner, dave an admin and bob
// a member; it has guild/plans. mallory has an account, mallory/own and nothing
// else. nina minds her own business in nina/db. stella/still is not used by
// anybody.
type world struct {
	*ayb.Engine
	dir     string // data, and outside with its canaries
	runner  hosting.Runner
	server  *httptest.Server
	inner   *innerService
	touched map[string]bool // directories of those who are at work
	clock   *aybtest.Clock
	mailbox *aybtest.Mailbox
	tokens  map[string]string // by entity
	grace   time.Duration
	control *control
	cfg     ayb.Config
	opt     httpapi.Options
	bounds  hosting.Limits // with all walls standing
	stall   time.Duration
	panics  *panicLog

	mu   sync.Mutex
	vars map[string]string // what answers were remembered for
}

// actors are who stands behind the words that cases use.
var actors = map[string]string{
	"owner": "alice", "reader": "bob", "writer": "carol", "manager": "dave", "stranger": "mallory", "neighbour": "nina",
}

// configure returns the settings of all cases: small, so that no attack needs
// much to reach a bound, and none without a bound does harm.
func configure(dir string) (ayb.Config, httpapi.Options) {
	cfg := ayb.Config{DataPath: filepath.Join(dir, "data"), RequestRate: -1}
	cfg.Limits = ayb.Limits{DatabaseBytes: 24 << 20, EntityBytes: 40 << 20, Limits: hosting.Limits{
		QueryTime: time.Second, MaintenanceTime: 600 * time.Millisecond, StreamTime: 1500 * time.Millisecond, QueueTime: time.Second,
		ConnectionMemory: 24 << 20, OpenMemory: 256 << 20, ResultBytes: 4 << 20, TempBytes: 8 << 20, WALBytes: 8 << 20,
		ValueBytes: 1 << 20, Readers: 4, QueuedReads: 8, QueuedWrites: 8,
		Sessions: 4, SessionIdle: 500 * time.Millisecond, SessionTime: 2 * time.Second, SessionWriteTime: 300 * time.Millisecond,
	}}
	return cfg, httpapi.Options{MaxResultBytes: 4 << 20, Stall: 500 * time.Millisecond}
}

// populate makes the tenants in an empty directory.
func populate(dir string) (err error) {
	cfg, _ := configure(dir)
	cfg.Limits = ayb.Limits{}
	clock := aybtest.NewClock()
	cfg.Now, cfg.Mail = clock.Now, &aybtest.Mailbox{}
	eng, err := ayb.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	ctx := context.Background()
	tokens := map[string]string{}
	entities := map[string]ayb.Principal{}
	for _, slug := range []string{"alice", "bob", "carol", "dave", "mallory", "nina", "stella"} {
		ent, err := eng.CreateEntity(ctx, ayb.System, slug, nil)
		if err != nil {
			return err
		}
		entities[slug] = eng.Owner(ent)
		if tokens[slug], _, err = eng.CreateToken(ctx, entities[slug], slug, nil); err != nil {
			return err
		}
	}
	guild, err := eng.CreateEntity(ctx, ayb.System, "guild", &ayb.EntityOptions{Kind: ayb.Organization})
	if err != nil {
		return err
	}
	entities["guild"] = eng.Owner(guild)
	for slug, role := range map[string]ayb.Role{"alice": ayb.OwnerRole, "dave": ayb.Admin, "bob": ayb.Member} {
		if err := eng.SetMember(ctx, ayb.System, "guild", slug, role); err != nil {
			return err
		}
	}
	for ref, sql := range map[string]string{
		"guild/plans": "CREATE TABLE p(a)", "alice/test": "", "alice/other": "CREATE TABLE n(v); INSERT INTO n VALUES (0)", "nina/db": "CREATE TABLE n(v); INSERT INTO n VALUES (0)",
		"mallory/own": "CREATE TABLE m(a)", "stella/still": "CREATE TABLE secret(a); INSERT INTO secret VALUES ('" + canary + "')",
	} {
		owner := entities[strings.Split(ref, "/")[0]]
		if _, err := eng.CreateDatabase(ctx, owner, ref, nil); err != nil {
			return err
		}
		if sql == "" {
			sql = "CREATE TABLE x(a); DROP TABLE x"
		}
		if _, err := eng.Query(ctx, owner, ref, sql); err != nil {
			return err
		}
	}
	for slug, access := range map[string]ayb.Access{"bob": ayb.ReadOnly, "carol": ayb.ReadWrite, "dave": ayb.Manager} {
		if err := eng.Share(ctx, entities["alice"], "alice/test", slug, access); err != nil {
			return err
		}
	}
	text, err := json.Marshal(tokens)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "tokens.json"), text, 0o600); err != nil {
		return err
	}
	for _, notes := range []string{"images", "transfers"} { // which must be empty after each attack
		if err := os.MkdirAll(filepath.Join(cfg.DataPath, notes), 0o700); err != nil {
			return err
		}
	}
	return plantCanaries(filepath.Join(dir, "outside"))
}

// plantCanaries makes the files that no attack may read or change.
func plantCanaries(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "canary.txt"), []byte(canary+"\n"), 0o600); err != nil {
		return err
	}
	c, err := sqlite3.Open(filepath.Join(dir, "canary.db"))
	if err != nil {
		return err
	}
	err = c.Exec("CREATE TABLE secret(a); INSERT INTO secret VALUES ('" + canary + "')")
	return errors.Join(err, c.Close())
}

// newWorld opens a server on a copy of the tenants that populate has made.
func newWorld(template, dir string, m mode, c *Case, down []string) (_ *world, err error) {
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		return nil, err
	}
	w := &world{
		dir: dir, clock: aybtest.NewClock(), mailbox: &aybtest.Mailbox{}, panics: &panicLog{}, grace: m.grace, control: m.control, vars: map[string]string{},
	}
	text, err := os.ReadFile(filepath.Join(dir, "tokens.json"))
	if err == nil {
		err = json.Unmarshal(text, &w.tokens)
	}
	if err != nil {
		return nil, err
	}
	w.cfg, w.opt = configure(dir)
	if slices.Contains(c.Walls, "limits.query_time") {
		w.cfg.Limits.QueryTime = 300 * time.Millisecond // what is to end by it ends soon
	}
	for name, value := range c.Set {
		if err := set(&w.cfg, &w.opt, name, value); err != nil {
			return nil, err
		}
	}
	l := &w.cfg.Limits
	for _, bound := range []*time.Duration{
		&l.QueryTime, &l.MaintenanceTime, &l.StreamTime, &l.QueueTime, &l.SessionIdle, &l.SessionTime, &l.SessionWriteTime, &w.opt.Stall,
	} {
		*bound *= slowness
	}
	w.bounds, w.stall = w.cfg.Limits.Limits, w.opt.Stall
	takenDown, err := takeDown(&w.cfg, &w.opt, dir, down)
	if err != nil {
		return nil, err
	}
	w.cfg.Walls, w.opt.Walls = takenDown, takenDown
	w.cfg.Now, w.cfg.Mail = w.clock.Now, w.mailbox
	if w.runner, err = m.open(hosting.Config{
		Dir: filepath.Join(w.cfg.DataPath, "owners"), Limits: w.cfg.Limits.Limits, Now: w.cfg.Now, Walls: takenDown,
	}); err != nil {
		return nil, err
	}
	w.cfg.Runner = w.runner
	if w.Engine, err = ayb.Open(context.Background(), w.cfg); err != nil {
		return nil, errors.Join(err, w.runner.Close())
	}
	if w.touched, err = w.directories("alice", "guild", "mallory", "nina"); err != nil {
		return nil, err
	}
	w.opt.Logger = slog.New(slog.NewTextHandler(w.panics, nil))
	if w.inner, err = newInnerService(); err != nil {
		return nil, err
	}
	w.server = httptest.NewUnstartedServer(httpapi.New(w.Engine, &w.opt))
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	w.server.Config.ReadHeaderTimeout = time.Second
	w.server.Start()
	return w, nil
}

// close ends everything of the world and returns what could not be ended.
func (w *world) close() error {
	w.server.CloseClientConnections()
	w.server.Close()
	return errors.Join(w.inner.Close(), w.Engine.Close(), w.runner.Close())
}

// An innerService stands for what listens on the machine or in its network, and
// is not meant for strangers.
type innerService struct {
	net.Listener
	visits atomic.Int64
}

func newInnerService() (*innerService, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s := &innerService{Listener: l}
	if err == nil {
		go s.serve()
	}
	return s, err
}

func (s *innerService) serve() {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.visits.Add(1)
		conn.Close()
	}
}

// file returns the path of a database's file.
func (w *world) file(ref string) (string, error) {
	id, err := w.fileOf(ref)
	return filepath.Join(hosting.VersionPath(filepath.Join(w.cfg.DataPath, "owners"), id), "db"), err
}

// fileOf names the file of a database to the Runner; the zero DB if it has none.
func (w *world) fileOf(ref string) (hosting.DB, error) {
	d, err := w.Database(context.Background(), ayb.System, ref)
	if err == nil && !d.Written {
		return hosting.DB{}, nil
	}
	return hosting.DB{Owner: d.Owner, Database: d.ID, Version: d.Version}, err
}

// directories returns those of entities.
func (w *world) directories(slugs ...string) (map[string]bool, error) {
	dirs := map[string]bool{}
	for _, slug := range slugs {
		ent, err := w.Entity(context.Background(), ayb.System, slug)
		if err != nil {
			return nil, err
		}
		dirs[hosting.OwnerPath(filepath.Join(w.cfg.DataPath, "owners"), ent.ID)] = true
	}
	return dirs, nil
}

// takeDown takes walls down: it sets bounds out of reach, and returns what the
// packages have to leave out.
func takeDown(cfg *ayb.Config, opt *httpapi.Options, dir string, names []string) (walls.Down, error) {
	var down []walls.Wall
	for _, name := range names {
		if s, ok := settings[name]; ok {
			if err := s.set(cfg, opt, s.off); err != nil {
				return walls.Down{}, err
			}
			continue
		}
		wall, err := walls.Parse(name)
		if err != nil {
			return walls.Down{}, err
		}
		down = append(down, wall)
	}
	return walls.Without(dir, down...), nil
}

// A panicLog keeps the lines of the server's log that tell of a panic.
type panicLog struct {
	mu    sync.Mutex
	lines []string
}

// Write takes a line.
func (l *panicLog) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "msg=panic") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, string(p))
	}
	return len(p), nil
}

func (l *panicLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

// client is what those who are no attackers use.
func (w *world) client() *http.Client { return w.server.Client() }

func (w *world) url(path string) string { return fmt.Sprintf("%s%s", w.server.URL, path) }
