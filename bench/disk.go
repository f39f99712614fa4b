package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// diskRounds is how often the two take turns.
const diskRounds = 7

// disks measures what shared commits are worth on a disk that takes 2 ms for a flush,
// as one without a cache of its own does: 64 clients write one row each at a time, with
// shared commits and with a commit for each. It is a benchmark of package hosting,
// because nothing outside can make the disk slow.
func disks(ctx context.Context, dir string) ([]figure, error) {
	dir = filepath.Join(dir, "disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "hosting.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./hosting").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the tests of package hosting: %w: %s", err, out)
	}
	rates, syncs := map[string][]float64{}, map[string][]float64{}
	var ratios []float64
	for range diskRounds {
		run := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", "^BenchmarkInsert_slow_disk$", "-test.benchtime", "500ms")
		run.Dir, run.Env = "hosting", append(os.Environ(), "TMPDIR="+dir)
		out, err := run.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("the benchmark of package hosting: %w: %s", err, out)
		}
		found := benchmarkLine.FindAllSubmatch(out, -1)
		if len(found) != 2 {
			return nil, fmt.Errorf("the benchmark of package hosting is not understood: %s", out)
		}
		for _, f := range found {
			name := string(f[1])
			sync, _ := strconv.ParseFloat(string(f[2]), 64)
			rate, _ := strconv.ParseFloat(string(f[3]), 64)
			rates[name], syncs[name] = append(rates[name], rate), append(syncs[name], sync)
		}
		last := len(rates["batched"]) - 1
		ratios = append(ratios, rates["batched"][last]/rates["alone"][last])
	}
	slices.Sort(ratios)
	n := len(ratios)
	return []figure{{
		what: "durable INSERT, 64 clients, flushes of 2 ms, shared commits / each alone, rate", value: median(ratios), low: ratios[n/4], high: ratios[3*n/4], atLeast: 20,
		note: fmt.Sprintf("%s and %s a second; %.3f and %.3f flushes for each", spread(rates["batched"], "%.0f"), spread(rates["alone"], "%.0f"), median(syncs["batched"]), median(syncs["alone"])),
	}}, nil
}

var benchmarkLine = regexp.MustCompile(`BenchmarkInsert_slow_disk/(\w+)\S*\s.*?([\d.]+) syncs/op\s+([\d.]+) writes/s`)
