// Command bench measures ayb against what it is made of: the bare SQLite driver,
// and a bare handler of net/http around it. Most figures are ratios, from rounds
// that alternate between the two sides, so that a machine that is slower for a
// while is slower for both.
//
//	make bench
//	go run ./bench http start
//
// It prints tables; make bench, or -o, also writes them to bench/results. A figure
// that is not within its bar is marked MISSED; on a machine that does other work,
// look at the range too before it is believed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"
)

// A figure is one line of the table.
type figure struct {
	what      string
	value     float64
	low, high float64 // between which half of the rounds were; 0: not known
	unit      string
	atMost    float64 // the bar, 0: there is none
	atLeast   float64 // a bar from below
	note      string
}

// measured returns the value, with its range if that is known.
func (f figure) measured() string {
	text := fmt.Sprintf("%.3g", f.value)
	if f.high > 0 {
		text += fmt.Sprintf(" (%.3g to %.3g)", f.low, f.high)
	}
	return strings.TrimSpace(text + " " + f.unit)
}

// bar returns the bar, and whether it was missed.
func (f figure) bar() string {
	text, missed := "", false
	switch {
	case f.atMost > 0:
		text, missed = fmt.Sprintf("at most %.4g", f.atMost), f.value > f.atMost
	case f.atLeast > 0:
		text, missed = fmt.Sprintf("at least %.4g", f.atLeast), f.value < f.atLeast
	}
	if missed {
		text += "  MISSED"
	}
	return text
}

// A measurement gives some lines of the table.
type measurement struct {
	name    string
	measure func(ctx context.Context, dir string) ([]figure, error)
}

func measurements() []measurement {
	return []measurement{
		{"query", queries}, {"scan", scans}, {"open", opens}, {"program", programs}, {"http", httpQueries}, {"write", writes}, {"disk", disks}, {"beside", readersBeside}, {"stream", streams}, {"bulk", bulk}, {"peers", peers}, {"start", starts}, {"density", densities}, {"crowded", crowded}, {"many", hundredThousand}, {"million", millions}, {"neighbour", neighbours}, {"snapshot", snapshots}, {"copies", copies},
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == bareCommand {
		log.Fatal(serveBare(os.Args[2:]))
	}
	if len(os.Args) == 4 && os.Args[1] == attackCommand {
		if err := serveAttackers(os.Args[2], os.Args[3]); err != nil {
			log.Fatal(err)
		}
		return
	}
	out := flag.String("o", "", "the `directory` into which to write the report; empty: none is written")
	machine := flag.String("machine", "", "what the report calls this machine in its name; empty: its system and processors")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bench [flags] [name ...]\n\nMeasures what is named, without names everything but %s. The names are\n%s.\n\n", strings.Join(named, " and "), strings.Join(names(), ", "))
		flag.PrintDefaults()
	}
	flag.Parse()
	for _, name := range flag.Args() {
		if !slices.Contains(names(), name) {
			log.Fatalf("there is no measurement named %s; there are %s", name, strings.Join(names(), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "ayb-bench-")
	if err != nil {
		log.Fatal(err)
	}
	err = measureAll(context.Background(), dir, flag.Args(), *out, *machine)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

// names lists the measurements.
func names() (list []string) {
	for _, m := range measurements() {
		list = append(list, m.name)
	}
	return list
}

// named are the measurements that are made only if they are named: this one needs a
// disk with room for millions of directories.
var named = []string{"million"}

// measureAll measures what is chosen, without names everything, with its files
// below dir. It prints figures as they come, and writes them to a file in out unless
// that is empty. What fails keeps nothing else from being measured.
func measureAll(ctx context.Context, dir string, chosen []string, out, machine string) (failed error) {
	command := strings.TrimSpace("go run ./bench " + strings.Join(chosen, " "))
	if len(chosen) == 0 && out != "" {
		command = "make bench"
	}
	r := newReport(command, dir)
	for _, fact := range r.facts {
		fmt.Printf("%s: %s\n", fact[0], fact[1])
	}
	fmt.Println()
	for _, m := range measurements() {
		if len(chosen) > 0 && !slices.Contains(chosen, m.name) || len(chosen) == 0 && slices.Contains(named, m.name) {
			continue
		}
		c := chapter{name: m.name}
		began := time.Now()
		if c.figures, c.err = m.measure(ctx, dir); c.err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, c.err))
		}
		c.took = time.Since(began)
		if err := c.print(os.Stdout); err != nil {
			return err
		}
		if r.chapter = append(r.chapter, c); out == "" {
			continue
		}
		if path, err := r.write(out, machine); err != nil {
			return err
		} else if len(r.chapter) == 1 {
			fmt.Printf("written to %s, as is what follows\n\n", path)
		}
	}
	return failed
}
