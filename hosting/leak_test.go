package hosting

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ayb/fault"
)

// SQL can overflow the stack of SQLite's WebAssembly, which is a panic from
// which the connection does not recover. Its memory, descriptors and locks must
// not stay behind.
func TestInProcess_broken_connection_leaves_nothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		t.Skip("this system does not tell what a process holds")
	}
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	deep := "'$" + strings.Repeat(".a", 2000) + "'"
	attacks := []string{
		"SELECT json_set('{}', " + deep + ", 1)",
		"SELECT json_extract(json_set('{}', " + deep + ", 1), " + deep + ")",
		strings.Repeat("SELECT * FROM (SELECT 1 UNION ALL ", 190) + "SELECT 1" + strings.Repeat(")", 190),
	}
	attack := func() (broken int) {
		for _, sql := range attacks {
			for _, form := range []string{"%s", "INSERT INTO t %s", "INSERT INTO t VALUES (1); INSERT INTO t %s"} {
				if _, err := h.query(Write, fmt.Sprintf(form, sql)); strings.Contains(fault.Message(err), "nested too deeply") {
					broken++
				}
			}
		}
		h.count(0)
		return broken
	}
	if attack() == 0 {
		t.Fatal("nothing broke: the test tests nothing")
	}
	maps, files := held(t)
	for range 20 {
		attack()
	}
	h.must("INSERT INTO t VALUES (1)") // nobody holds a lock
	mapsAfter, filesAfter := held(t)
	if mapsAfter > maps+10 || filesAfter > files+3 {
		t.Errorf("%d mappings and %d descriptors, before %d and %d", mapsAfter, filesAfter, maps, files)
	}
}

// held returns how many mappings and descriptors the process has.
func held(t *testing.T) (maps, files int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n"), len(list)
}
