package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const want = "PostgreSQL\n"

func TestProgram(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "run", ".").CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("go run .: %v, %q; want %q", err, out, want)
	}
}

// The same program in a module of its own, which finds ayb the way the README
// says.
func TestProgram_in_another_module(t *testing.T) {
	ayb, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"main.go": string(program),
		"go.mod":  "module example.org/shop\n\ngo 1.26.0\n\nrequire ayb v0.0.0\n\nreplace ayb => " + ayb + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"mod tidy", "run ."} {
		cmd := exec.CommandContext(t.Context(), "go", strings.Fields(args)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", args, err, out)
		}
		if args == "run ." && string(out) != want {
			t.Errorf("go run . printed %q, want %q", out, want)
		}
	}
}
