package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/httpapi/wire"
)

// streams measures a query of 100,000 rows over HTTP until its last byte, against
// stepping through the same rows and appending the same JSON to a buffer that nobody
// reads: as the classic answer, which is sent when it is whole, and as a stream.
func streams(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "stream")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "bare.sqlite")
	if err := fillBare(file, fillPlaces); err != nil {
		return nil, err
	}
	for _, mode := range []string{"in-process", "process"} {
		api, err := newAPIContender(ctx, program, mode, dir)
		if err != nil {
			return nil, err
		}
		made, err := streamFigures(ctx, dir, api, file)
		if err != nil {
			return nil, err
		}
		figures = append(figures, made...)
	}
	return figures, nil
}

func streamFigures(ctx context.Context, dir string, api apiContender, file string) ([]figure, error) {
	server, err := api.start(ctx, filepath.Join(dir, api.mode))
	if err != nil {
		return nil, err
	}
	defer server.stop()
	stmt, err := prepareBare(file+"?mode=ro", scan)
	if err != nil {
		return nil, err
	}
	var bare, classic, stream, first []float64
	var took, stepping time.Duration // of processors: the server for its classic answers, and stepping
	for round := range rounds + 1 {
		began, own := time.Now(), spent()
		n, err := appendRows(stmt)
		if err != nil {
			return nil, err
		}
		alone := time.Since(began).Seconds()
		own, before := spent()-own, spentBy(server.cmd.Process.Pid)
		_, whole, err := api.download(ctx, server.address, "application/json", int64(n)/2)
		if err != nil {
			return nil, err
		}
		served := spentBy(server.cmd.Process.Pid) - before
		soon, all, err := api.download(ctx, server.address, wire.ContentTypeStream, int64(n)/2)
		if err != nil {
			return nil, err
		}
		if round > 0 { // the first is to warm up
			took, stepping = took+served, stepping+own
			bare, classic = append(bare, alone), append(classic, whole.Seconds()/alone)
			stream, first = append(stream, all.Seconds()/alone), append(first, soon.Seconds()/all.Seconds())
		}
	}
	line := func(what string, ratios []float64) figure {
		return figure{
			what: "100,000 rows as " + what + " over HTTP / stepping and appending, " + api.name(), value: median(ratios), atMost: 1.4,
			note: fmt.Sprintf("of %.0f ms", median(bare)*1e3),
		}
	}
	classicLine := line("JSON", classic)
	if took > 0 {
		classicLine.note += fmt.Sprintf("; of processor time, %.0f ms of the server and its workers and %.0f ms", took.Seconds()*1e3/rounds, stepping.Seconds()*1e3/rounds)
	}
	return []figure{
		classicLine, line("a stream", stream),
		{what: "first byte of the stream, as a share of the time to the last, " + api.name(), value: median(first), atMost: 0.02},
	}, nil
}

// download asks for all places, in at least so many bytes, and returns when the first
// byte of the body came, and the last.
func (c apiContender) download(ctx context.Context, address, accept string, least int64) (first, all time.Duration, err error) {
	body := strings.NewReader(`{"sql":"` + scan + `"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+queryPath, body)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	var one [1]byte
	if _, err := io.ReadFull(resp.Body, one[:]); err != nil {
		return 0, 0, err
	}
	first = time.Since(began)
	length, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || length < least) {
		err = fmt.Errorf("%s answered %s, %d bytes", c.name(), resp.Status, length)
	}
	return first, time.Since(began), err
}

// appendRows steps through all rows and appends them as JSON to a buffer that is
// used again and again. It returns how many bytes that were.
func appendRows(stmt *sqlite3.Stmt) (total int, err error) {
	buf := make([]byte, 0, 64<<10)
	for stmt.Step() {
		buf = append(buf, '[')
		for i := range 5 {
			if i > 0 {
				buf = append(buf, ',')
			}
			switch stmt.ColumnType(i) {
			case sqlite3.INTEGER:
				buf = strconv.AppendInt(buf, stmt.ColumnInt64(i), 10)
			case sqlite3.FLOAT:
				buf = strconv.AppendFloat(buf, stmt.ColumnFloat(i), 'g', -1, 64)
			default:
				buf = wire.AppendString(buf, stmt.ColumnRawText(i))
			}
		}
		if buf = append(buf, ']', ','); len(buf) > 60<<10 {
			total += len(buf)
			buf = buf[:0]
		}
	}
	return total + len(buf), stmt.Reset()
}
