package sandbox_test

import (
	"os"
	"testing"

	"ayb/hosting/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

func TestProbe(t *testing.T) {
	report, err := sandbox.Probe(t.Context(), os.Args[0], sandbox.Policy{})
	t.Logf("%v%v", report, err)
}
