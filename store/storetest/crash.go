package storetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/store"
)

// A child is the test binary once more, told by these variables what to do with
// which database until it is killed.
const (
	childTask = "AYB_STORETEST_CHILD"
	childURL  = "AYB_STORETEST_URL"
)

var crashTests = []test{
	{"what_was_acknowledged_survives_a_kill", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		for range 3 {
			child, output := startChild(t, f.db, "write")
			var acknowledged []catalog.Slug
			lines := bufio.NewScanner(output)
			for lines.Scan() {
				acknowledged = append(acknowledged, catalog.Slug(lines.Text()))
				if len(acknowledged) == 25 {
					must(t, child.Process.Kill())
				}
			}
			_ = child.Wait() // it was killed
			if len(acknowledged) < 25 {
				t.Fatalf("the child ended after %d writes", len(acknowledged))
			}
			s := f.open(t, nil)
			for _, slug := range acknowledged {
				_, err := s.Entity(ctx, slug)
				must(t, err)
			}
		}
	}},
	{"a_kill_while_opening_leaves_no_half_schema_and_no_lock", func(t *testing.T, f *fixture) {
		seed := mathrand.Uint64()
		t.Logf("seed %d", seed)
		random := mathrand.New(mathrand.NewPCG(seed, 0))
		for range 6 {
			db := f.fresh(t)
			child, output := startChild(t, db, "open")
			_, err := bufio.NewReader(output).ReadString('\n') // it is about to open
			must(t, err)
			timer := time.AfterFunc(time.Duration(random.IntN(60))*time.Millisecond, func() { _ = child.Process.Kill() })
			_, _ = io.Copy(io.Discard, output)
			timer.Stop()
			_ = child.Wait() // it was killed, or had finished
			s, err := store.Open(context.Background(), db.URL, nil)
			must(t, err)
			must(t, s.CreateEntity(context.Background(), catalog.Entity{ID: f.newID(), Slug: "usable"}))
			must(t, s.Close())
		}
	}},
}

func startChild(t *testing.T, db *Database, task string) (*exec.Cmd, io.Reader) {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	child := exec.Command(os.Args[0], "-test.run=^"+top+"$", "-test.count=1")
	child.Env = append(os.Environ(), childTask+"="+task, childURL+"="+db.URL)
	output, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	return child, output
}

// runAsChild does what a parent has asked for, if one has.
func runAsChild(t *testing.T) bool {
	task := os.Getenv(childTask)
	if task == "" {
		return false
	}
	ctx := context.Background()
	if task == "open" {
		fmt.Println("opening")
	}
	s, err := store.Open(ctx, os.Getenv(childURL), nil)
	must(t, err)
	for task == "write" {
		e := catalog.Entity{ID: catalog.NewID(time.Now(), rand.Reader), Slug: catalog.Slug(strings.ToLower(rand.Text()))}
		must(t, s.CreateEntity(ctx, e))
		fmt.Println(e.Slug)
	}
	return true
}
