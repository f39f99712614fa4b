package hosting

import "testing"

func TestBatches_count_by_powers_of_two(t *testing.T) {
	r := &InProcess{}
	for _, writes := range []int{1, 1, 2, 3, 4, 5, 256, 257, 100_000} {
		r.stats.batch(writes)
	}
	got := r.Stats().Batches
	want := Batches{Counts: [10]uint64{2, 1, 2, 1, 0, 0, 0, 0, 1, 2}, Writes: 100_529}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sum := got
	if sum.Add(got); sum.Writes != 2*got.Writes || sum.Counts[9] != 4 {
		t.Errorf("twice that is %+v", sum)
	}
}
