package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bulkRounds is how often each way of loading takes its turn.
const bulkRounds = 7

// bulk measures how long it takes to load some 150,000 places of the world by way of
// the API: as a file of CSV, and by INSERTs one after the other, against .import of
// the sqlite3 shell from the same file of CSV; and as a text of SQL, which has a
// statement for each row, against .read of the shell.
func bulk(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "bulk")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	b := &bulkLoad{ctx: ctx, dir: dir}
	if err := b.fetch(); err != nil {
		return nil, err
	}
	for _, mode := range []string{"in-process", "process"} {
		api, err := newAPIContender(ctx, program, mode, dir)
		if err != nil {
			return nil, err
		}
		more, err := b.against(api)
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

// A bulkLoad is what is loaded.
type bulkLoad struct {
	ctx   context.Context
	dir   string
	shell string // the file of the program

	rows    int
	csv     string // a file
	table   []byte // the same
	sql     string // a file
	dump    []byte // the same
	inserts [][]byte
}

// insertedRows is how many rows one INSERT has.
const insertedRows = 1000

// fetch gets the shell and the places, and makes of these what is sent.
func (b *bulkLoad) fetch() (err error) {
	if b.shell, err = script(b.ctx, "scripts/sqlite3"); err != nil {
		return err
	}
	cities, err := script(b.ctx, "scripts/cities")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(cities)
	if err != nil {
		return err
	}
	var places []struct{ Name, Lat, Lng, Country, Admin1, Admin2 string }
	if err := json.Unmarshal(text, &places); err != nil {
		return err
	}
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	w.Write([]string{"name", "lat", "lng", "country", "admin1", "admin2"})
	var records [][]string
	for _, p := range places {
		record := []string{p.Name, p.Lat, p.Lng, p.Country, p.Admin1, p.Admin2}
		records = append(records, record)
		w.Write(record)
	}
	w.Flush()
	b.rows, b.table, b.csv = len(records), table.Bytes(), filepath.Join(b.dir, "cities.csv")
	if err := os.WriteFile(b.csv, b.table, 0o600); err != nil {
		return err
	}
	for part := range slices.Chunk(records, insertedRows) {
		body, err := json.Marshal(map[string]any{
			"sql":  "INSERT INTO cities VALUES " + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", len(part)), ","),
			"args": slices.Concat(part...),
		})
		if err != nil {
			return err
		}
		b.inserts = append(b.inserts, body)
	}
	if err := b.shellLoad(".import --csv " + b.csv + " cities"); err != nil {
		return err
	}
	if b.dump, err = exec.CommandContext(b.ctx, b.shell, b.shellFile(), ".dump").Output(); err != nil {
		return err
	}
	b.sql = filepath.Join(b.dir, "cities.sql")
	return os.WriteFile(b.sql, b.dump, 0o600)
}

// script runs a script of this module that prints one line.
func script(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (b *bulkLoad) shellFile() string { return filepath.Join(b.dir, "shell.sqlite") }

// shellLoad has the shell load the places into a new database.
func (b *bulkLoad) shellLoad(command string) error {
	if err := os.RemoveAll(b.shellFile()); err != nil {
		return err
	}
	if out, err := exec.CommandContext(b.ctx, b.shell, b.shellFile(), command).CombinedOutput(); err != nil {
		return fmt.Errorf("the sqlite3 shell: %w: %s", err, out)
	}
	return nil
}

// against has a server load the places in every way, in turns with the shell.
func (b *bulkLoad) against(api apiContender) (figures []figure, err error) {
	server, err := api.start(b.ctx, filepath.Join(b.dir, "run "+api.mode))
	if err != nil {
		return nil, err
	}
	defer server.stop()
	base := "http://" + server.address + "/v1/alice/"
	send := func(path, contentType string, body []byte) error {
		return b.send(base+path, contentType, api.token, body)
	}
	query := func(sql string) error { return send("places/query", "text/plain", []byte(sql)) }
	importing, reading := ".import --csv "+b.csv+" cities", ".read "+b.sql
	for _, way := range []struct {
		what      string
		shell     string
		make, run func() error
	}{
		{"CSV into a table", importing, func() error { return query("DROP TABLE IF EXISTS cities") }, func() error {
			return send("places/import?table=cities&format=csv", "text/csv", b.table)
		}},
		{fmt.Sprintf("INSERTs of %d rows, each durable", insertedRows), importing, func() error {
			return query("DROP TABLE IF EXISTS cities; CREATE TABLE cities(name TEXT, lat TEXT, lng TEXT, country TEXT, admin1 TEXT, admin2 TEXT)")
		}, func() error {
			for _, body := range b.inserts {
				if err := send("places/query", "application/json", body); err != nil {
					return err
				}
			}
			return nil
		}},
		{"SQL as a whole database", reading, func() error { return nil }, func() error {
			return send("whole/import?format=sql&replace=true", "application/sql", b.dump)
		}},
	} {
		f, err := b.duel(way.make, way.run, way.shell)
		if err != nil {
			return nil, err
		}
		command, _, _ := strings.Cut(way.shell, " ")
		f.what, f.atLeast = fmt.Sprintf("%d places, %s, %s / %s of the sqlite3 shell, rate", b.rows, way.what, api.name(), command), 0.30
		figures = append(figures, f)
	}
	return figures, nil
}

// duel has one way take turns with the shell.
func (b *bulkLoad) duel(make, run func() error, shell string) (figure, error) {
	var took [2][]float64
	var ratios []float64
	for round := range bulkRounds + 1 {
		if err := make(); err != nil {
			return figure{}, err
		}
		began := time.Now()
		if err := run(); err != nil {
			return figure{}, err
		}
		ours := time.Since(began)
		began = time.Now()
		if err := b.shellLoad(shell); err != nil {
			return figure{}, err
		}
		theirs := time.Since(began)
		if round > 0 { // the first is to warm up
			took[0], took[1] = append(took[0], ours.Seconds()), append(took[1], theirs.Seconds())
			ratios = append(ratios, theirs.Seconds()/ours.Seconds())
		}
	}
	slices.Sort(ratios)
	n := len(ratios)
	return figure{
		value: median(ratios), low: ratios[n/4], high: ratios[3*n/4],
		note: spread(took[0], "%.2f") + " and " + spread(took[1], "%.2f") + " s",
	}, nil
}

func (b *bulkLoad) send(url, contentType, token string, body []byte) error {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, answer)
	}
	return err
}
