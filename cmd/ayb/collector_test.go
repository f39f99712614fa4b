package main

import "testing"

func TestCollector_waits_for_as_much_garbage_as_is_in_use_and_not_for_little(t *testing.T) {
	for _, c := range []struct {
		inUse uint64
		want  int
	}{{0, 3200}, {1 << 20, 3200}, {8 << 20, 400}, {spareHeap, 100}, {4 << 30, 100}} {
		if got := garbagePercent(c.inUse); got != c.want {
			t.Errorf("with %d MiB in use it waits for %d%%, want %d%%", c.inUse>>20, got, c.want)
		}
	}
}
