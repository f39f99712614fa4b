package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is what was measured, where, and of what.
type report struct {
	began   time.Time
	facts   [][2]string // what is known of the machine and of what is measured
	chapter []chapter
}

// A chapter is one measurement of a report.
type chapter struct {
	name    string
	took    time.Duration
	figures []figure
	err     error
}

// newReport begins a report of what a command measures, with its files below dir.
func newReport(command, dir string) *report {
	r := &report{began: time.Now().UTC()}
	fact := func(name, value string) {
		if value != "" {
			r.facts = append(r.facts, [2]string{name, value})
		}
	}
	fact("command", "`"+command+"`")
	fact("commit", commit())
	fact("processors", strings.TrimSpace(fmt.Sprintf("%d %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"))))
	fact("memory", field("/proc/meminfo", "MemTotal"))
	fact("system", strings.TrimSpace(runtime.GOOS+"/"+runtime.GOARCH+" "+line("/proc/sys/kernel/osrelease")))
	fact("file system", fileSystem(dir))
	fact("Go", runtime.Version())
	fact("load before", line("/proc/loadavg"))
	return r
}

// print writes the figures of a chapter for a person who waits for them.
func (c chapter) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "%s, %s\tmeasured\twanted\t\n", c.name, c.took.Round(time.Second))
	for _, f := range c.figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.what, f.measured(), f.bar(), f.note)
	}
	if c.err != nil {
		fmt.Fprintf(table, "FAILED\t%v\t\t\n", c.err)
	}
	fmt.Fprintln(table)
	return table.Flush()
}

// markdown returns the whole report.
func (r *report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Measured on %s\n\nSee [docs/benchmarks.md](../../docs/benchmarks.md) for what the names mean. Figures are medians; in brackets is the range of the middle half of the\nrounds, in which the sides of a ratio take turns.\n\n| | |\n| --- | --- |\n", r.began.Format(time.DateOnly))
	for _, fact := range r.facts {
		fmt.Fprintf(&b, "| %s | %s |\n", fact[0], cell(fact[1]))
	}
	for _, c := range r.chapter {
		fmt.Fprintf(&b, "\n## %s\n\nIt took %s.\n", c.name, c.took.Round(time.Second))
		if c.err != nil {
			fmt.Fprintf(&b, "\n**FAILED**: %s\n", cell(c.err.Error()))
		}
		if len(c.figures) == 0 {
			continue
		}
		b.WriteString("\n| what | measured | wanted | |\n| --- | --- | --- | --- |\n")
		for _, f := range c.figures {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(f.what), cell(f.measured()), strings.Replace(cell(f.bar()), "MISSED", "**MISSED**", 1), cell(f.note))
		}
	}
	return b.Bytes()
}

// cell makes a text one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// write writes the report into a directory and returns the file.
func (r *report) write(dir, machine string) (path string, err error) {
	if machine == "" {
		machine = fmt.Sprintf("%s-%s-%d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	}
	path = filepath.Join(dir, r.began.Format(time.DateOnly)+"-"+machine+".md")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return path, err
	}
	return path, os.WriteFile(path, r.markdown(), 0o644)
}

// commit returns what is measured, empty if git does not tell.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	text := strings.TrimSpace(string(id))
	if err != nil || len(changes) > 0 {
		text += ", and changes"
	}
	return text
}

// line returns the first line of a file, empty if there is none.
func line(path string) string {
	text, _ := os.ReadFile(path)
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

// field returns what a file of lines "name: value" says of a name first.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fileSystem returns the kind of the file system that a directory is on, empty if the
// operating system does not tell.
func fileSystem(dir string) (kind string) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return ""
	}
	defer f.Close()
	longest := -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		place := strings.TrimSuffix(fields[1], "/")
		if (dir == place || strings.HasPrefix(dir, place+"/")) && len(place) >= longest {
			longest, kind = len(place), fields[2]
		}
	}
	return kind
}
