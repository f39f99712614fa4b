package hostingtest_test

import (
	"testing"

	"ayb/hosting"
	"ayb/hosting/hostingtest"
)

func openInProcess(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
	t.Helper()
	r, err := hosting.NewInProcess(hosting.Config{Dir: dir, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInProcess(t *testing.T) { hostingtest.Run(t, openInProcess, nil) }

func TestPipe(t *testing.T) {
	hostingtest.Run(t, func(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
		return hostingtest.Pipe(openInProcess(t, dir, limits))
	}, nil)
}
