package main

import (
	"regexp"
	"strconv"
	"testing"
)

// TestWorker_is_small holds that what packages make for themselves at the start of
// a worker process stays little, whatever the server links.
func TestWorker_is_small(t *testing.T) {
	const most = 640 << 10 // bytes; 450 KB when this was written, 1,260 of all packages
	worker := command(t, t.TempDir(), []string{"GODEBUG=inittrace=1"}, "ayb-worker")
	said, _ := worker.CombinedOutput() // it ends at once: it was told nothing else
	made := 0
	for _, init := range regexp.MustCompile(`(?m)^init .* (\d+) bytes, \d+ allocs$`).FindAllSubmatch(said, -1) {
		bytes, err := strconv.Atoi(string(init[1]))
		if err != nil {
			t.Fatal(err)
		}
		made += bytes
	}
	if made == 0 || made > most {
		t.Errorf("a worker made %d bytes at its start, want at most %d:\n%s", made, most, said)
	}
}
