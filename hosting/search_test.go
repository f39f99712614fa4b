package hosting

import (
	"bytes"
	"math/rand"
	"testing"
	"time"
)

func TestSearcher_finds_what_bytes_Index_finds(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for range 20_000 {
		letters := 1 + rnd.Intn(3)
		unit := make([]byte, 1+rnd.Intn(40))
		for i := range unit {
			unit[i] = 'a' + byte(rnd.Intn(letters))
		}
		hay := bytes.Repeat(unit, 1+rnd.Intn(30))
		for range rnd.Intn(4) {
			hay[rnd.Intn(len(hay))] = 'a' + byte(rnd.Intn(letters))
		}
		from := rnd.Intn(len(hay))
		needle := bytes.Clone(hay[from : from+1+rnd.Intn(len(hay)-from)])
		if rnd.Intn(2) == 0 {
			needle[rnd.Intn(len(needle))] = 'a' + byte(rnd.Intn(letters))
		}
		s := newSearcher(needle)
		if got, want := s.index(hay), bytes.Index(hay, needle); got != want {
			t.Fatalf("%q in %q: %d, want %d", needle, hay, got, want)
		}
	}
}
