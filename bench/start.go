package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// buildServer builds the program into a directory, as its releases are built.
func buildServer(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "ayb")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/ayb")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
}

// starts measures how soon the server answers, and what it occupies when there
// is nothing to do.
func starts(ctx context.Context, dir string) ([]figure, error) {
	dir = filepath.Join(dir, "start")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	var asked, first, again []time.Duration
	var idle []float64
	for i := range 15 {
		began := time.Now()
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			return nil, err
		}
		asked = append(asked, time.Since(began))
		data := filepath.Join(dir, strconv.Itoa(i))
		for _, took := range []*[]time.Duration{&first, &again} {
			d, memory, err := startToHealth(ctx, program, data)
			if err != nil {
				return nil, err
			}
			*took, idle = append(*took, d), append(idle, memory)
		}
	}
	version := median(asked)
	row := func(what string, took time.Duration) figure {
		return figure{
			what: what, value: float64(took) / float64(version), atMost: 20,
			note: fmt.Sprintf("%.1f ms and %.1f ms", took.Seconds()*1e3, version.Seconds()*1e3),
		}
	}
	return []figure{
		row("start to the first /health, new data path / ayb --version", median(first)),
		row("start to the first /health, existing data path / ayb --version", median(again)),
		{what: "memory of an idle server", value: median(idle), unit: "MB", atMost: 60, note: "resident, after the first /health"},
	}, nil
}

// startToHealth starts a server and returns how long it took until /health was
// answered, and how many megabytes of memory it occupies then.
func startToHealth(ctx context.Context, program, data string) (took time.Duration, memory float64, err error) {
	began := time.Now()
	p, err := startServer(ctx, program, data+"-log", data)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	answer, err := http.Get("http://" + p.address + "/health")
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, 0, err
	}
	if answer.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("/health answered %s", answer.Status)
	}
	return time.Since(began), residentOf(p.cmd.Process.Pid), nil
}
