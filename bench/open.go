package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"ayb"
)

// opens measures what open databases cost.
func opens(ctx context.Context, dir string) (_ []figure, err error) {
	const databases = 1000
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: filepath.Join(dir, "open")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	alice, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	if err != nil {
		return nil, err
	}
	who := eng.Owner(alice)
	debug.FreeOSMemory()
	before := resident()
	for i := range databases {
		ref := fmt.Sprintf("alice/%d.sqlite", i)
		if _, err := eng.CreateDatabase(ctx, who, ref, nil); err != nil {
			return nil, err
		}
		for _, sql := range []string{"CREATE TABLE t(a); INSERT INTO t VALUES (1)", "SELECT a FROM t"} {
			if _, err := eng.Query(ctx, who, ref, sql); err != nil {
				return nil, err
			}
		}
	}
	debug.FreeOSMemory()
	const connections = 2 * databases // one to write and one to read
	return []figure{
		{what: "1,000 open databases: memory", value: resident() - before, unit: "MB", atMost: 0.45*connections + 100, note: fmt.Sprintf("%d connections", connections)},
	}, nil
}

// programs looks at what an embedding program links.
func programs(ctx context.Context, dir string) ([]figure, error) {
	deps, err := exec.CommandContext(ctx, "go", "list", "-deps", "./examples/embed").Output()
	if err != nil {
		return nil, err
	}
	clouds := 0
	for pkg := range strings.Lines(string(deps)) {
		// gocloud.dev/blob itself takes what it knows of errors from google.golang.org/grpc.
		for _, sdk := range []string{"github.com/aws/", "cloud.google.com/", "github.com/Azure/"} {
			if strings.HasPrefix(pkg, sdk) {
				clouds++
			}
		}
	}
	if clouds > 0 {
		return nil, fmt.Errorf("examples/embed links %d packages of cloud SDKs", clouds)
	}
	program := filepath.Join(dir, "embed")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./examples/embed").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		return nil, err
	}
	return []figure{{what: "size of examples/embed, built plainly", value: float64(info.Size()) / (1 << 20), unit: "MB", atMost: 35, note: "no package of a cloud SDK"}}, nil
}
