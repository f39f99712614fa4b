// Package metric writes numbers in the text format of Prometheus, version 0.0.4,
// which every collector reads.
package metric

import (
	"math"
	"strconv"
	"strings"
)

// ContentType is the media type of what a [Text] has written.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// A Kind says how a number moves.
type Kind string

// The kinds. A counter only grows, and begins anew with the process.
const (
	Counter      Kind = "counter"
	Gauge        Kind = "gauge"
	Distribution Kind = "histogram"
)

// A Text is metrics, written one family after the other. The zero Text is empty.
type Text struct {
	b    []byte
	name string
}

// Family begins the metrics of one name: letters, digits and underscores. The
// samples that follow are its own, and no other family may have the name.
func (t *Text) Family(name string, kind Kind, help string) {
	t.name = name
	t.b = append(t.b, "# HELP "+name+" "+helpEscapes.Replace(help)+"\n# TYPE "+name+" "+string(kind)+"\n"...)
}

// Sample adds a number to the family. Labels are names and values by turns.
func (t *Text) Sample(value float64, labels ...string) { t.line("", value, labels) }

// Histogram adds a distribution to the family: counts of what is within each of the
// upper bounds and above the one before, then of what is above all, and the sum.
func (t *Text) Histogram(bounds []float64, counts []uint64, sum float64, labels ...string) {
	all := uint64(0)
	labels = append(labels[:len(labels):len(labels)], "le", "")
	for i, n := range counts {
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		all += n
		labels[len(labels)-1] = number(bound)
		t.line("_bucket", float64(all), labels)
	}
	labels = labels[:len(labels)-2]
	t.line("_sum", sum, labels)
	t.line("_count", float64(all), labels)
}

func (t *Text) line(suffix string, value float64, labels []string) {
	t.b = append(append(t.b, t.name...), suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		sign := byte(',')
		if i == 0 {
			sign = '{'
		}
		t.b = append(append(append(t.b, sign), labels[i]...), `="`...)
		t.b = append(append(t.b, valueEscapes.Replace(labels[i+1])...), '"')
	}
	if len(labels) > 0 {
		t.b = append(t.b, '}')
	}
	t.b = append(append(append(t.b, ' '), number(value)...), '\n')
}

// Bytes returns what was written.
func (t *Text) Bytes() []byte { return t.b }

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(n float64) string {
	if math.IsInf(n, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}
