package main

import (
	"math"
	"strings"

	"ayb/internal/distance"
)

// maxSuggested bounds the names for which a suggestion is looked for.
const maxSuggested = 100

// nearest returns the name that is most like the one given; empty if none comes
// near it.
func nearest(name string, names []string) string {
	if len(name) > maxSuggested {
		return ""
	}
	name = strings.ToLower(name)
	best, least := "", math.MaxInt
	for _, candidate := range names {
		if d := unlike(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	if least > max(2, len(name[len(parent(name)):])/3) {
		return ""
	}
	return best
}

// unlike says how much two paths differ: in the letters of the last part, and by
// one for each different table.
func unlike(a, b string) int {
	tableA, tableB := parent(a), parent(b)
	keyA, keyB := strings.TrimPrefix(a[len(tableA):], "."), strings.TrimPrefix(b[len(tableB):], ".")
	d := distance.Edits(keyA, keyB)
	if strings.HasSuffix(keyB, "_"+keyA) {
		d = 1 // host, for smtp_host
	}
	if tableA != tableB {
		d += min(2, distance.Edits(tableA, tableB))
	}
	return d
}
