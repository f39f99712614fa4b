// Command bench measures what ayb adds to the bare SQLite driver, in ratios:
// each figure comes from rounds that alternate between the two, so that a
// machine that is slower for a while is slower for both.
//
//	make bench
//
// It prints a table and exits with status 1 if a ratio is beyond its bar.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"runtime"
	"text/tabwriter"
	"time"
)

// A figure is one line of the table.
type figure struct {
	what  string
	value float64
	unit  string
	bar   float64 // the most it may be; 0: there is none
	note  string
}

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ayb-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s, %s/%s, %d processors, %s\n\n", time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmeasured\tbar\t")
	beyond := false
	for _, measure := range []func(context.Context, string) ([]figure, error){queries, scans, opens, programs} {
		figures, err := measure(ctx, dir)
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range figures {
			verdict := ""
			if f.bar > 0 {
				verdict = fmt.Sprintf("at most %.4g", f.bar)
			}
			if f.bar > 0 && f.value > f.bar {
				verdict += "  BEYOND"
				beyond = true
			}
			fmt.Fprintf(table, "%s\t%.4g %s\t%s\t%s\n", f.what, f.value, f.unit, verdict, f.note)
		}
		table.Flush()
	}
	if beyond {
		os.RemoveAll(dir)
		os.Exit(1)
	}
}
