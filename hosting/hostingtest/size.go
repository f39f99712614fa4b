package hostingtest

import (
	"fmt"
	"testing"

	"ayb/fault"
	"ayb/hosting"
)

func sizeChecks() []check {
	return []check{
		{"the_size_of_a_database_is_told_without_asking_it", sizeTold},
		{"databases_that_grow_at_once_have_one_bound", growTogether},
		{"what_was_not_committed_takes_no_room", roomAgain},
		{"a_full_owner_can_make_room", makeRoom},
	}
}

const sizeSchema = "CREATE TABLE t (k INTEGER PRIMARY KEY, a)"

// fill returns SQL that needs a bit more than so many bytes.
func fill(bytes int) string { return fmt.Sprintf("INSERT INTO t (a) VALUES (zeroblob(%d))", bytes) }

// size returns what the database says of its own size.
func (d *database) size() int64 {
	d.t.Helper()
	var size int64
	if _, err := fmt.Sscan(d.read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"), &size); err != nil {
		d.t.Fatal(err)
	}
	return size
}

// told compares what Size and OwnerSize tell with what the databases say.
func (d *database) told(t *testing.T, when string, all ...*database) {
	t.Helper()
	sum := int64(0)
	for _, d := range all {
		size, err := hosting.Size(d.dir, d.job.DB)
		if want := d.size(); err != nil || size != want {
			t.Errorf("%s: told %d, is %d, %v", when, size, want, err)
		}
		sum += size
	}
	if got, _, err := hosting.OwnerSize(t.Context(), d.dir, d.job.Owner); err != nil || got != sum {
		t.Errorf("%s: the owner's size is told as %d, is %d, %v", when, got, sum, err)
	}
}

func sizeTold(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	a := h.unmade()
	if size, err := hosting.Size(a.dir, a.job.DB); size != 0 || err != nil {
		t.Errorf("without a file: %d, %v", size, err)
	}
	a.make("")
	a.told(t, "new", a)
	a.write(sizeSchema)
	b := a.sibling(sizeSchema)
	for _, bytes := range []int{1, 5_000, 300_000, 6_000_000, 10} { // also past a checkpoint
		a.write(fill(min(bytes, 900_000)))
		for range bytes / 900_000 {
			a.write(fill(900_000))
		}
		a.told(t, fmt.Sprintf("with %d bytes more", bytes), a, b)
	}
	a.write("DELETE FROM t WHERE length(a) > 1000")
	a.told(t, "with rows deleted", a, b)
	a.write("VACUUM")
	a.told(t, "after VACUUM", a, b)
	open := a.session(hosting.Write)
	open.exec("BEGIN", fill(900_000), fill(900_000), fill(900_000))
	a.told(t, "while a transaction is under way", a, b)
	open.exec("ROLLBACK")
	a.told(t, "after a rollback", a, b)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	again := s.hostAt(t, h.dir, hosting.Limits{})
	a.on(again).told(t, "after a restart", a.on(again), b.on(again))
}

// growTogether has databases of one owner commit what each alone had room for.
func growTogether(t *testing.T, s *suite) {
	const bound = 1 << 20
	first := s.database(t, sizeSchema)
	all := []*database{first, first.sibling(sizeSchema), first.sibling(sizeSchema), first.sibling(sizeSchema)}
	var open []*session
	for _, d := range all {
		d.job.Quota.OwnerBytes = bound
		open = append(open, d.session(hosting.Write))
		open[len(open)-1].exec("BEGIN", fill(600_000))
	}
	committed := 0
	for _, session := range open {
		if err := session.try("COMMIT"); err == nil {
			committed++
		} else {
			wantKind(t, "a commit for which there is no room", err, fault.TooLarge)
		}
		if session.InTransaction() {
			session.exec("ROLLBACK")
		}
	}
	if committed != 1 {
		t.Errorf("%d transactions of 600 kB found room in 1 MiB, want 1", committed)
	}
	first.told(t, "after the commits", all...)

	err := together(2*len(all), func(i int) error {
		d := all[i%len(all)]
		for range 50 {
			if err := d.try(hosting.Write, fill(10_000)); err != nil && fault.KindOf(err) != fault.TooLarge {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sum := int64(0)
	for _, d := range all {
		sum += d.size()
		d.refuse(hosting.Write, fill(20_000), fault.TooLarge)
	}
	if sum > bound || sum < bound-20_000 {
		t.Errorf("the databases have %d bytes together, and may have %d", sum, bound)
	}
	first.told(t, "when all are full", all...)
}

func roomAgain(t *testing.T, s *suite) {
	a := s.database(t, sizeSchema)
	b := a.sibling(sizeSchema)
	a.job.Quota.OwnerBytes, b.job.Quota.OwnerBytes = 1<<20, 1<<20
	for range 5 {
		open := a.session(hosting.Write)
		open.exec("BEGIN", fill(500_000), "ROLLBACK", "BEGIN", fill(500_000))
		if err := open.Close(); err != nil {
			t.Fatal(err)
		}
		a.refuse(hosting.Write, fill(500_000)+"; SELECT nonsense", fault.Invalid)
		b.refuse(hosting.Write, fill(900_000)+"; "+fill(900_000), fault.TooLarge)
	}
	b.write(fill(900_000))
	a.refuse(hosting.Write, fill(200_000), fault.TooLarge)
	a.told(t, "at the end", a, b)
}

func makeRoom(t *testing.T, s *suite) {
	a := s.database(t, sizeSchema)
	b := a.sibling(sizeSchema)
	a.write(fill(400_000))
	b.write(fill(400_000))
	a.job.Quota.OwnerBytes, b.job.Quota.OwnerBytes = 512<<10, 512<<10 // less than there is
	a.refuse(hosting.Write, fill(10_000), fault.TooLarge)
	b.write("DELETE FROM t")
	a.refuse(hosting.Write, fill(10_000), fault.TooLarge)
	b.write("VACUUM")
	a.write(fill(10_000))
	a.told(t, "at the end", a, b)
}
