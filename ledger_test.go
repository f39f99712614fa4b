package ayb_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"ayb"
)

// The ledger: a process creates databases and writes to them as fast as it can
// and says on its standard output what it was promised. It is killed, and what it
// said must be true.

const (
	ledgerWriters = 8
	ledgerPerBase = 40 // texts before a writer goes on to its next database
	ledgerAcks    = 1000
)

// writeLedger is the process that is killed.
func writeLedger(t *testing.T, dir string) {
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: dir})
	must(t, err)
	alice, err := eng.Entity(t.Context(), ayb.System, "alice")
	must(t, err)
	var writers sync.WaitGroup
	for w := range ledgerWriters {
		writers.Go(func() {
			ledgerWriter(t, eng, eng.Owner(alice), fmt.Sprintf("alice/%s-%d", os.Getenv("AYB_TEST_ROUND"), w))
		})
	}
	writers.Wait()
}

func ledgerWriter(t *testing.T, eng *ayb.Engine, alice ayb.Principal, prefix string) {
	for n := 0; ; n++ {
		ref := fmt.Sprintf("%s-%d", prefix, n)
		if _, err := eng.CreateDatabase(t.Context(), alice, ref, nil); err != nil {
			t.Errorf("%s: %v", ref, err)
			return
		}
		fmt.Printf("ack %s 0\n", ref)
		for text := 1; text <= ledgerPerBase; text++ {
			sql := "CREATE TABLE IF NOT EXISTS kept(text INTEGER, part INTEGER); INSERT INTO kept VALUES (?, 1); INSERT INTO kept VALUES (?, 2), (?, 3)"
			args := []any{text, text, text}
			if text%2 == 0 {
				sql, args = "INSERT INTO kept VALUES (?1, 1), (?1, 2), (?1, 3)", []any{text}
			}
			if _, err := eng.Query(t.Context(), alice, ref, sql, args...); err != nil {
				t.Errorf("%s, text %d: %v", ref, text, err)
				return
			}
			fmt.Printf("ack %s %d\n", ref, text)
		}
	}
}

func TestEngine_keeps_what_it_acknowledged(t *testing.T) {
	if dir := os.Getenv("AYB_TEST_LEDGER"); dir != "" {
		writeLedger(t, dir)
		return
	}
	dir := t.TempDir()
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: dir})
	must(t, err)
	_, err = eng.CreateEntity(t.Context(), ayb.System, "alice", nil)
	must(t, err)
	must(t, eng.Close())
	ledger := map[string]int{} // by database, the last text that was acknowledged; 0: its creation
	for round := range 3 {
		acks := killed(t, dir, round, ledger)
		t.Logf("round %d: %d acknowledgements in %d databases", round, acks, len(ledger))
		audit(t, dir, ledger)
	}
}

// killed runs the process until it was promised enough, kills it in the middle of
// its work, and takes down every promise that it managed to tell.
func killed(t *testing.T, dir string, round int, ledger map[string]int) (acks int) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestEngine_keeps_what_it_acknowledged$")
	cmd.Env = append(os.Environ(), "AYB_TEST_LEDGER="+dir, fmt.Sprintf("AYB_TEST_ROUND=%d", round))
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	var other strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a last line that was cut off is no promise
		}
		must(t, err)
		var ref string
		var text int
		if n, _ := fmt.Sscanf(line, "ack %s %d\n", &ref, &text); n != 2 {
			other.WriteString(line)
			continue
		}
		ledger[ref] = text
		if acks++; acks == ledgerAcks {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || acks < ledgerAcks {
		t.Fatalf("the process ended by itself after %d acknowledgements: %v\n%s", acks, err, &other)
	}
	return acks
}

// audit opens what the killed process left and holds it against the ledger.
func audit(t *testing.T, dir string, ledger map[string]int) {
	t.Helper()
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: dir})
	must(t, err)
	defer func() { must(t, eng.Close()) }()
	alice, err := eng.Entity(t.Context(), ayb.System, "alice")
	must(t, err)
	for ref, text := range ledger {
		ask := func(sql string) [][]ayb.Value {
			t.Helper()
			result, err := eng.Query(t.Context(), eng.Owner(alice), ref, sql)
			if err != nil {
				t.Fatalf("%s: %s: %v", ref, sql, err)
			}
			return result.Rows
		}
		if text > 0 {
			if kept := ask("SELECT count(DISTINCT text) FROM kept")[0][0].Int64(); kept < int64(text) || kept > int64(text)+1 {
				t.Errorf("%s: %d texts are there, %d were acknowledged", ref, kept, text)
			}
			if half := ask("SELECT text, count(*) FROM kept GROUP BY text HAVING count(*) <> 3"); len(half) > 0 {
				t.Errorf("%s: texts were kept in part: %v", ref, half)
			}
		}
		if check := ask("PRAGMA integrity_check")[0][0].String(); check != "ok" {
			t.Errorf("%s: %s", ref, check)
		}
	}
}
