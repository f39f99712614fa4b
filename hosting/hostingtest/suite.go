package hostingtest

import (
	"testing"

	"ayb/hosting"
)

// Open opens a Runner that works within limits and keeps its files under dir,
// laid out as [hosting.VersionPath] says. The suite closes the Runner, and
// sometimes opens a second one on the same directory after that. Open ends the
// test if it fails.
type Open func(t *testing.T, dir string, limits hosting.Limits) hosting.Runner

// Options say in what a Runner may differ from others. Nil, like the zero
// Options, stands for a Runner that runs everything within its own process.
type Options struct {
	// Kills says that the Runner can end what no interrupt stops, and
	// therefore allows the functions json_patch and decimal_*.
	Kills bool
}

// A suite is what all checks have in common.
type suite struct {
	open Open
	opts Options
}

// A check tests one claim, by which it is named.
type check struct {
	name string
	run  func(t *testing.T, s *suite)
}

// Run checks that the Runners that open makes keep every promise of
// [hosting.Runner]. It takes some 20 seconds on two cores,
// and some minutes with the race detector.
func Run(t *testing.T, open Open, opts *Options) {
	s := &suite{open: open}
	if opts != nil {
		s.opts = *opts
	}
	subjects := []struct {
		name   string
		checks []check
	}{
		{"query", queryChecks()},
		{"write", writeChecks()},
		{"class", classChecks()},
		{"text", textChecks()},
		{"bounds", boundsChecks()},
		{"size", sizeChecks()},
		{"queue", queueChecks()},
		{"log", logChecks()},
		{"stream", streamChecks()},
		{"unwritten", unwrittenChecks()},
		{"extension", extensionChecks()},
		{"guard", guardChecks()},
		{"session", sessionChecks()},
		{"session_bounds", sessionBoundsChecks()},
		{"copy", copyChecks()},
		{"adopt", adoptChecks()},
		{"damage", damageChecks()},
		{"release", releaseChecks()},
		{"life", lifeChecks()},
		{"model", modelChecks()},
	}
	for _, subject := range subjects {
		t.Run(subject.name, func(t *testing.T) {
			for _, c := range subject.checks {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
		})
	}
}
