package main

import (
	"math"
	"strings"
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
	best, distance := "", math.MaxInt
	for _, candidate := range names {
		if d := unlike(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if distance > max(2, len(name[len(parent(name)):])/3) {
		return ""
	}
	return best
}

// unlike says how much two paths differ: in the letters of the last part, and by
// one for each different table.
func unlike(a, b string) int {
	tableA, tableB := parent(a), parent(b)
	keyA, keyB := strings.TrimPrefix(a[len(tableA):], "."), strings.TrimPrefix(b[len(tableB):], ".")
	d := edits(keyA, keyB)
	if strings.HasSuffix(keyB, "_"+keyA) {
		d = 1 // host, for smtp_host
	}
	if tableA != tableB {
		d += min(2, edits(tableA, tableB))
	}
	return d
}

// edits is the number of letters to add, remove or change to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
