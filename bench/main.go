// Command bench measures ayb against what it is made of: the bare SQLite driver,
// and a bare handler of net/http around it. Most figures are ratios, from rounds
// that alternate between the two sides, so that a machine that is slower for a
// while is slower for both.
//
//	make bench
//	go run ./bench http start
//
// It prints a table. A figure that is not within its bar is marked MISSED; on a
// machine that does other work, look at the range too before it is believed.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
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
		{"query", queries}, {"scan", scans}, {"open", opens}, {"program", programs}, {"http", httpQueries}, {"write", writes}, {"beside", readersBeside}, {"stream", streams}, {"bulk", bulk}, {"peers", peers}, {"start", starts}, {"density", densities}, {"many", hundredThousand}, {"million", millions}, {"neighbour", neighbours}, {"snapshot", snapshots}, {"copies", copies},
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
	dir, err := os.MkdirTemp("", "ayb-bench-")
	if err != nil {
		log.Fatal(err)
	}
	err = measureAll(context.Background(), dir, os.Args[1:], os.Stdout)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

// named are the measurements that are made only if they are named: one is built from
// the network, the other needs a disk with room for millions of directories.
var named = []string{"peers", "million"}

// measureAll measures what is named, without names everything, with its files
// below dir, and writes the table.
func measureAll(ctx context.Context, dir string, names []string, w io.Writer) error {
	fmt.Fprintf(w, "%s, %s/%s, %d processors, %s\n\n", time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmeasured\tbar\t")
	for _, m := range measurements() {
		if len(names) > 0 && !slices.Contains(names, m.name) || len(names) == 0 && slices.Contains(named, m.name) {
			continue
		}
		figures, err := m.measure(ctx, dir)
		if err != nil {
			return err
		}
		for _, f := range figures {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.what, f.measured(), f.bar(), f.note)
		}
	}
	return table.Flush()
}
