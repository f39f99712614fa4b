package snapshot

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ayb/catalog"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// TestPolicy_properties lives through random histories of one database, with a
// clock that jumps, and prunes after each snapshot as the engine does.
func TestPolicy_properties(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		if err := live(random); err != nil {
			t.Fatal(err)
		}
	}
}

func live(random *rand.Rand) error {
	p := Policy{Max: random.IntN(4), KeepReplaced: time.Hour}
	var list []catalog.Snapshot
	now := noon
	for step := range 30 {
		if now = now.Add(time.Duration(random.IntN(40)) * time.Minute); random.IntN(8) == 0 {
			now = now.Add(-time.Duration(random.IntN(1000)) * time.Hour)
		}
		taking := Taking{Kind: catalog.SnapshotKind(random.IntN(3)), Taken: Stamp(list, now)}
		s := taking.snapshot(Image{ID: fmt.Sprint(random.IntN(8)), Size: 1})
		if i := slices.IndexFunc(list, func(o catalog.Snapshot) bool { return o.ID == s.ID }); i >= 0 {
			s = again(list[i], s)
			list = slices.Delete(list, i, i+1)
		}
		list = append(list, s)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		excess := p.Excess(list, now)
		if err := checkExcess(p, list, excess, s, now); err != nil {
			return fmt.Errorf("step %d, %+v at %v: %w\nlist: %+v\nexcess: %+v", step, p, now, err, list, excess)
		}
		list = slices.DeleteFunc(list, func(s catalog.Snapshot) bool { return slices.Contains(excess, s) })
	}
	return nil
}

func checkExcess(p Policy, list, excess []catalog.Snapshot, newest catalog.Snapshot, now time.Time) error {
	rounds := 0
	for _, s := range list {
		goes := slices.Contains(excess, s)
		switch fresh := !s.Replaced.IsZero() && now.Sub(s.Replaced) < p.KeepReplaced; {
		case goes && s.ID == newest.ID:
			return fmt.Errorf("the newest goes")
		case goes && s.Kind == catalog.Manual:
			return fmt.Errorf("a manual one goes")
		case goes && fresh:
			return fmt.Errorf("what was just replaced goes")
		case goes && p.Max == 0 && !s.Round.IsZero():
			return fmt.Errorf("one goes although all are kept")
		case !goes && s.Kind != catalog.Manual && !fresh && s.Round.IsZero():
			return fmt.Errorf("what was replaced long ago stays")
		case !goes && s.Kind != catalog.Manual && !fresh && !s.Round.IsZero():
			rounds++
		}
	}
	if p.Max > 0 && rounds > p.Max {
		return fmt.Errorf("%d of rounds stay", rounds)
	}
	if !slices.IsSortedFunc(excess, func(a, b catalog.Snapshot) int { return a.Taken.Compare(b.Taken) }) {
		return fmt.Errorf("they are not in order")
	}
	return p.goesOldestFirst(list, excess)
}

// goesOldestFirst checks that of the snapshots of rounds no newer one goes while
// an older one stays without another reason.
func (p Policy) goesOldestFirst(list, excess []catalog.Snapshot) error {
	for _, gone := range excess {
		for _, kept := range list {
			isRounds := !gone.Round.IsZero() && !kept.Round.IsZero() && kept.Kind != catalog.Manual && kept.Replaced.IsZero()
			if isRounds && !slices.Contains(excess, kept) && kept.Round.Before(gone.Round) {
				return fmt.Errorf("%s goes before %s", gone.ID, kept.ID)
			}
		}
	}
	return nil
}

func TestPolicy_by_example(t *testing.T) {
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	round := func(id string, h int) catalog.Snapshot {
		return catalog.Snapshot{ID: id, Taken: at(h), Round: at(h)}
	}
	replaced := catalog.Snapshot{ID: "replaced", Kind: catalog.Replaced, Taken: at(1), Replaced: at(1)}
	manual := catalog.Snapshot{ID: "manual", Kind: catalog.Manual, Taken: at(0)}
	both := catalog.Snapshot{ID: "both", Kind: catalog.Replaced, Taken: at(2), Round: at(0), Replaced: at(2)}
	list := []catalog.Snapshot{round("c", 4), replaced, manual, round("a", 1), both, round("b", 3)}
	for _, c := range []struct {
		p    Policy
		now  time.Time
		want string
	}{
		{Policy{2, 10 * time.Hour}, at(5), "[a]"},
		{Policy{2, 10 * time.Hour}, at(11), "[replaced a]"},
		{Policy{2, 10 * time.Hour}, at(12), "[replaced a both]"},
		{Policy{1, 10 * time.Hour}, at(-1000), "[a b]"}, // the clock was put back
		{Policy{9, time.Hour}, at(9), "[replaced]"},
		{Policy{0, 10 * time.Hour}, at(5), "[]"},
		{Policy{0, 0}, at(5), "[replaced]"},
		{Policy{-3, 10 * time.Hour}, at(5), "[]"},
	} {
		ids := []string{}
		for _, s := range c.p.Excess(list, c.now) {
			ids = append(ids, s.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("%+v at %v: %s, want %s", c.p, c.now, got, c.want)
		}
	}
}

func TestStamp_is_after_all_there_is(t *testing.T) {
	list := []catalog.Snapshot{{Taken: noon}, {Taken: noon.Add(-time.Hour), Replaced: noon.Add(time.Minute)}}
	if got := Stamp(list, noon.Add(time.Hour)); got != noon.Add(time.Hour) {
		t.Error(got)
	}
	if got, want := Stamp(list, noon.Add(-time.Hour)), noon.Add(time.Minute+time.Millisecond); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Stamp(nil, noon); got != noon {
		t.Error(got)
	}
}
