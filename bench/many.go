package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How servers with few and with many databases are compared.
const (
	fewDatabases  = 1_000
	manyDatabases = 100_000
	million       = 1_000_000

	manyRounds = 7
	manyAsks   = 20 // of each kind, by round
	manyStarts = 3
	manyBar    = 1.5
)

// hundredThousand compares a server with 100,000 databases to one with 1,000.
func hundredThousand(ctx context.Context, dir string) ([]figure, error) {
	return crowds(ctx, filepath.Join(dir, "many"), manyDatabases, 1)
}

// millions does so with a million. Files are links, each to one of a thousand copies,
// because a disk need not have room for so many.
func millions(ctx context.Context, dir string) ([]figure, error) {
	return crowds(ctx, filepath.Join(dir, "million"), million, 1000)
}

// crowds measures what grows with the number of databases that are there: whether one
// owner has them all, and whether everybody has one.
func crowds(ctx context.Context, dir string, many, links int) (figures []figure, err error) {
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, each := range []bool{false, true} {
		shape := "of one owner"
		if each {
			shape = "of as many owners"
		}
		data := filepath.Join(dir, shape)
		began := time.Now()
		few, err := newCrowd(ctx, filepath.Join(data, "few"), fewDatabases, each, 1)
		if err != nil {
			return nil, err
		}
		all, err := newCrowd(ctx, filepath.Join(data, "many"), many, each, links)
		if err != nil {
			return nil, err
		}
		filled := time.Since(began)
		measured, err := compareCrowds(ctx, program, dir, few, all)
		if err != nil {
			return nil, err
		}
		for _, f := range measured {
			f.what = fmt.Sprintf("%d databases %s / %d, %s", many, shape, fewDatabases, f.what)
			figures = append(figures, f)
		}
		compared := time.Since(began) - filled
		if err := os.RemoveAll(data); err != nil {
			return nil, err
		}
		log.Printf("%d databases %s: filled in %.0f s, compared in %.0f s, removed in %.0f s", many, shape, filled.Seconds(), compared.Seconds(), (time.Since(began) - filled - compared).Seconds())
	}
	return figures, nil
}

// What is timed, in the order in which it is done, and what of it takes a sum over all
// databases of an owner.
var (
	crowdWork = []string{"start to the first /health", "list page", forStranger, "create", "first query of a database", "first INSERT into a database", "details", "shutdown"}
	addedUp   = []string{"first INSERT into a database", "details"}
)

const (
	sinceStart  = ", the first one since the start"
	forStranger = "list page for a stranger" // who sees none of them if one owner has all
)

// compareCrowds has servers of two crowds take turns, and compares what they take for
// each kind of work.
func compareCrowds(ctx context.Context, program, dir string, few, many *crowd) (figures []figure, err error) {
	var took [2]map[string][]float64 // ms
	for i := range took {
		took[i] = map[string][]float64{}
	}
	for round := range manyRounds {
		for turn := range 2 {
			i := (turn + round) % 2
			v := &visit{crowd: []*crowd{few, many}[i], took: took[i]}
			if err := v.run(ctx, program, dir); err != nil {
				return nil, err
			}
		}
	}
	compare := func(what string, bar float64) {
		a, b := took[1][what], took[0][what]
		figures = append(figures, figure{
			what: what, value: median(a) / median(b), atMost: bar,
			note: fmt.Sprintf("%s and %s ms", spread(a, "%.2f"), spread(b, "%.2f")),
		})
	}
	for _, what := range crowdWork {
		compare(what, manyBar)
	}
	for _, what := range addedUp {
		compare(what+sinceStart, 0)
	}
	return figures, nil
}

// A visit is one run of a server with a crowd.
type visit struct {
	*crowd
	took map[string][]float64
	p    *process
	http http.Client
}

// crowdBounds has quotas hold, which nobody reaches, and SQL run in the server: the
// start of a worker would hide what grows.
var crowdBounds = []string{"AYB__ISOLATION__MODE=in-process", "AYB__LIMITS__ENTITY_BYTES=1 TiB", "AYB__LIMITS__DATABASES=10000000"}

// run starts and stops a server several times, and asks it the last time.
func (v *visit) run(ctx context.Context, program, dir string) error {
	for i := range manyStarts {
		if err := v.start(ctx, program, filepath.Join(dir, "log")); err != nil {
			return err
		}
		var err error
		if i == manyStarts-1 {
			err = v.asks(ctx)
		}
		if err == nil {
			err = v.shutDown()
		}
		v.p.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *visit) start(ctx context.Context, program, log string) error {
	return v.time("start to the first /health", func() (err error) {
		if v.p, err = startServer(ctx, program, log, v.data, crowdBounds...); err == nil {
			err = v.ask(ctx, "", "GET", "/health", "")
		}
		return err
	})
}

// asks sends requests of each kind. Who asks first after a start for what is added up
// over all databases of an owner waits for that, and is told apart.
func (v *visit) asks(ctx context.Context) error {
	for i := range manyAsks {
		v.crowd.made++
		for _, w := range []struct{ what, method, path, body string }{
			{"list page", "GET", "/v1/entity/alice", ""},
			{forStranger, "GET", "/v1/entity/alice", ""},
			{"create", "POST", fmt.Sprintf("/v1/alice/new-%d/create", v.crowd.made), ""},
			{"first query of a database", "POST", "/v1/" + v.ref(rand.IntN(v.size)) + "/query", "SELECT b FROM t"},
			{"first INSERT into a database", "POST", "/v1/" + v.own() + "/query", "INSERT INTO t(b) VALUES ('more')"},
			{"details", "GET", "/v1/" + v.own() + "/details", ""},
		} {
			what := w.what
			if i == 0 && slices.Contains(addedUp, what) {
				what += sinceStart
			}
			token := v.token
			if what == forStranger {
				token = ""
			}
			if err := v.time(what, func() error { return v.ask(ctx, token, w.method, w.path, w.body) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *visit) shutDown() error {
	v.http.CloseIdleConnections()
	return v.time("shutdown", func() error {
		if err := v.p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return v.p.cmd.Wait()
	})
}

// own returns the name of a database of alice's that may be written to.
func (v *visit) own() string {
	if v.each {
		return v.ref(0)
	}
	return v.ref(rand.IntN(fewDatabases))
}

func (v *visit) time(what string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	v.took[what] = append(v.took[what], time.Since(began).Seconds()*1e3)
	return nil
}

// surveyTime is how long a write is sent again that is told to come again, because the
// sizes of its owner's databases are being added up.
const surveyTime = 5 * time.Minute

// ask sends a request, whose answer must be a success.
func (v *visit) ask(ctx context.Context, token, method, path, body string) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		answer, err := v.send(ctx, token, method, path, body)
		if err != nil {
			return err
		}
		if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusCreated {
			return drain(answer.Body)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusTooManyRequests || time.Since(began) > surveyTime {
			return fmt.Errorf("%s %s answered %s", method, path, answer.Status)
		}
	}
}

func (v *visit) send(ctx context.Context, token, method, path, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+v.p.address+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("db-type", "sqlite")
	return v.http.Do(request)
}
