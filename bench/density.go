package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ayb"
)

// denseTenants is how many owners have a worker at the same time.
const denseTenants = 100

// densities measures what a tenant costs a server that has walls around workers:
// the memory of a hundred workers that have each answered a query, and the time of
// the query that starts one, against the start of the program alone.
func densities(ctx context.Context, dir string) (_ []figure, err error) {
	dir = filepath.Join(dir, "density")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	tokens, err := admitTenants(ctx, data)
	if err != nil {
		return nil, err
	}
	server, err := startServer(ctx, program, dir, data, "AYB__ISOLATION__MODE=process")
	if err != nil {
		return nil, err
	}
	defer server.stop()
	conn, err := net.Dial("tcp", server.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	a := &asker{conn: conn, buf: make([]byte, 4<<10)}
	var cold, warm, bare []time.Duration
	for i, token := range tokens {
		began := time.Now()
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			return nil, err
		}
		bare = append(bare, time.Since(began))
		for _, took := range []*[]time.Duration{&cold, &warm} {
			a.request = post(a.request[:0], "/v1/"+tenant(i)+"/test/query", token, []byte(`{"sql":"SELECT a FROM t"}`))
			began := time.Now()
			if _, err := a.ask(); err != nil {
				return nil, err
			}
			*took = append(*took, time.Since(began))
		}
	}
	workers, err := childrenOf(server.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if len(workers) != denseTenants {
		return nil, fmt.Errorf("the server has %d workers, want %d", len(workers), denseTenants)
	}
	memory, err := proportional(workers)
	if err != nil {
		return nil, err
	}
	ms := func(d []time.Duration) float64 { return median(d).Seconds() * 1e3 }
	return []figure{
		{
			what: fmt.Sprintf("memory of %d workers behind walls that have answered a query", denseTenants), value: memory["Pss"], unit: "MB", atMost: 300,
			note: fmt.Sprintf("PSS in all; %.1f MB of its own in each; the server has %.0f MB", memory["Private_Dirty"]/denseTenants, residentOf(server.cmd.Process.Pid)),
		},
		{
			what: "first query of a tenant without a worker / ayb --version", value: ms(cold) / ms(bare), atMost: 6,
			note: fmt.Sprintf("%.1f ms and %.1f ms; the second query %.2f ms", ms(cold), ms(bare), ms(warm)),
		},
	}, nil
}

func tenant(i int) string { return fmt.Sprintf("tenant%03d", i) }

// admitTenants makes the accounts of the tenants, with a database for each, and
// returns their tokens.
func admitTenants(ctx context.Context, data string) (tokens []string, err error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: data})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	for i := range denseTenants {
		if _, err := eng.CreateEntity(ctx, ayb.System, tenant(i), nil); err != nil {
			return nil, err
		}
		token, _, err := eng.CreateToken(ctx, ayb.System, tenant(i), nil)
		if err != nil {
			return nil, err
		}
		ref := tenant(i) + "/test"
		if _, err := eng.CreateDatabase(ctx, ayb.System, ref, nil); err != nil {
			return nil, err
		}
		if _, err := eng.Query(ctx, ayb.System, ref, "CREATE TABLE t(a); INSERT INTO t VALUES (1)"); err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// childrenOf returns the processes that a process has started. Errors: of the
// system, which tells on Linux only.
func childrenOf(pid int) (children []int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err == nil && len(lists) == 0 {
		err = errors.ErrUnsupported
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that has ended has no children
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			children = append(children, child)
		}
	}
	return children, err
}

// proportional returns the megabytes of memory that processes have together, by the
// names of the kernel's summary. In "Pss", what several share counts once in all.
func proportional(pids []int) (sum map[string]float64, err error) {
	sum = map[string]float64{}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			var kb float64
			name, rest, _ := strings.Cut(line, ":")
			if _, err := fmt.Sscanf(rest, "%f kB", &kb); err == nil {
				sum[name] += kb / 1024
			}
		}
	}
	return sum, nil
}
