package hostingtest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func damageChecks() []check {
	return []check{
		{"a_healthy_database_passes", healthy},
		{"damage_is_found", damage},
		{"damaged_files_harm_nobody", brokenImages},
	}
}

func healthy(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('x')")
	for _, depth := range []hosting.CheckDepth{hosting.QuickCheck, hosting.IntegrityCheck} {
		if err := d.Check(t.Context(), d.job.DB, depth); err != nil {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// damage puts a database with a broken page and one that is no database at all
// in a Runner's way.
func damage(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t SELECT hex(zeroblob(500)) || x FROM ("+endlessRows+" LIMIT 500)")
	image, _ := d.image(hosting.CopyPages)
	size := int(binary.BigEndian.Uint16(image[16:]))
	for i := 4 * size; i < len(image); i += 3 * size {
		copy(image[i:], bytes.Repeat([]byte{0xa5}, size))
	}
	for name, image := range map[string][]byte{"broken pages": image, "no database": bytes.Repeat([]byte("not a database "), 1000)} {
		c := d.unmade()
		c.place(image)
		for _, depth := range []hosting.CheckDepth{hosting.QuickCheck, hosting.IntegrityCheck} {
			err := c.Check(t.Context(), c.job.DB, depth)
			d.discreet(err)
			wantKind(t, name, err, fault.Internal, fault.Unavailable)
		}
		err := c.try(hosting.Read, "SELECT sum(length(a)) FROM t NOT INDEXED")
		wantKind(t, name, err, fault.Internal, fault.Unavailable, fault.Invalid)
	}
	d.expect("500", "SELECT count(*) FROM t")
}

// brokenImages flips bytes of an image and uses what is left of it. Whatever
// comes of that, it is an answer or a fault, and other databases do not notice.
func brokenImages(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueryTime: 5 * time.Second}).database(`CREATE TABLE t (k INTEGER PRIMARY KEY, a); CREATE INDEX i ON t (a);
		CREATE VIRTUAL TABLE f USING fts5 (x); CREATE VIRTUAL TABLE r USING rtree (id, a, b);
		INSERT INTO t (a) SELECT hex(zeroblob(x % 300)) FROM (` + endlessRows + ` LIMIT 200);
		INSERT INTO f SELECT 'duck number ' || k FROM t; INSERT INTO r SELECT k, k, k + 1 FROM t`)
	image, _ := d.image(hosting.CopyVacuum)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		broken := bytes.Clone(image)
		for range 1 + random.IntN(100) {
			broken[random.IntN(len(broken))] ^= byte(1 << random.IntN(8))
		}
		b := d.unmade()
		b.place(broken)
		for _, sql := range []string{
			"SELECT sum(length(a)) FROM t", "SELECT k FROM t ORDER BY a LIMIT 1", "SELECT count(*) FROM f WHERE f MATCH 'duck'", "SELECT count(*) FROM r WHERE a > 5",
			"UPDATE t SET a = 'x' WHERE k % 7 = 0", "INSERT INTO f VALUES ('goose')", "DELETE FROM r WHERE id = 3", "SELECT name FROM sqlite_schema",
		} {
			err := b.try(hosting.Write, sql)
			if err != nil {
				// A header of a later version may be read only.
				wantKind(t, sql, err, fault.Internal, fault.Invalid, fault.Unavailable, fault.TooLarge, fault.Denied, fault.TimedOut, fault.ReadOnly)
			}
			if err != nil && fault.Message(err) == "internal error" {
				t.Errorf("%s: a defect, not a finding: %v", sql, err)
			}
		}
		d.discreet(b.Check(t.Context(), b.job.DB, hosting.QuickCheck))
	}
	d.expect("200", "SELECT count(*) FROM t")
}
