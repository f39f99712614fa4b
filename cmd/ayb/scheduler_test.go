package main

import (
	"runtime"
	"testing"
)

func TestScheduler_leaves_an_operators_choice_alone(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "3")
	if widenScheduler(); runtime.GOMAXPROCS(0) != before {
		t.Errorf("%d, want %d", runtime.GOMAXPROCS(0), before)
	}
	t.Setenv("GOMAXPROCS", "")
	if widenScheduler(); runtime.GOMAXPROCS(0) != threadsEach*before {
		t.Errorf("%d, want %d", runtime.GOMAXPROCS(0), threadsEach*before)
	}
}
