package metric_test

import (
	"bytes"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"ayb/internal/metric"
)

func TestText(t *testing.T) {
	text := &metric.Text{}
	text.Family("ayb_things_total", metric.Counter, "Things, with a \\ and\na second line.")
	text.Sample(1, "kind", `a "b" \ c`+"\n", "other", "x")
	text.Sample(0.25)
	text.Family("ayb_wait_seconds", metric.Distribution, "Waiting.")
	text.Histogram([]float64{0.5, 1}, []uint64{2, 0, 3}, 1e21, "kind", "a")
	text.Family("ayb_now", metric.Gauge, "Now.")
	text.Sample(-1e-9)
	const want = `# HELP ayb_things_total Things, with a \\ and\na second line.
# TYPE ayb_things_total counter
ayb_things_total{kind="a \"b\" \\ c\n",other="x"} 1
ayb_things_total 0.25
# HELP ayb_wait_seconds Waiting.
# TYPE ayb_wait_seconds histogram
ayb_wait_seconds_bucket{kind="a",le="0.5"} 2
ayb_wait_seconds_bucket{kind="a",le="1"} 2
ayb_wait_seconds_bucket{kind="a",le="+Inf"} 5
ayb_wait_seconds_sum{kind="a"} 1e+21
ayb_wait_seconds_count{kind="a"} 5
# HELP ayb_now Now.
# TYPE ayb_now gauge
ayb_now -1e-09
`
	if got := string(text.Bytes()); got != want {
		t.Errorf("wrote\n%s\nwant\n%s", got, want)
	}
	problems, err := promlint.New(bytes.NewReader(text.Bytes())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the format's own checker says %v, %v", problems, err)
	}
}
