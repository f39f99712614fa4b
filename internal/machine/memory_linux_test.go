package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory_is_not_nothing(t *testing.T) {
	if m := Memory(); m < 64<<20 {
		t.Errorf("%d bytes", m)
	}
}

func TestReadBound(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int64{"1073741824\n": 1 << 30, "max\n": 0, "": 0, "0\n": 0, "-1\n": 0} {
		file := filepath.Join(dir, "bound")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := readBound(file); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %t", text, got, ok)
		}
	}
	if _, ok := readBound(filepath.Join(dir, "absent")); ok {
		t.Error("a file that is not there has a bound")
	}
}
