package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCompletion_offers_what_may_follow(t *testing.T) {
	home := "HOME=" + t.TempDir()
	for _, test := range []struct {
		line string // the last word is completed
		want string
	}{
		{"cl", "client"},
		{"client li", "list_tokens list list_snapshots list_database_permissions"},
		{"client list --f", "--format"},
		{"client list --format ", "table csv json jsonl"},
		{"client list --format=j", "--format=json --format=jsonl"},
		{"client list --format csv --", "--help"},
		{"client create_database a/b sqlite ", "no-access fork read-only"},
		{"client register a a@example.org o", "organization"},
		{"client --u", "--url"},
		{"client update_profile a --links x --d", "--display_name --description"},
		{"client update_profile a --links ", ""},
		{"client help sh", "share shared"},
		{"help serv", "server"},
		{"completion ", "bash zsh fish"},
		{"server --", "--config --help"},
		{"client --config ", "files"},
		{"client query a/b --file ", "files"},
		{"client query a/b --output=", "files"},
		{"nonsense ", ""},
		{"client list a b ", ""},
		{"client nonsense --", ""},
	} {
		status, out, errout := runCommand([]string{home}, append([]string{"complete", "zsh", "--"}, strings.Split(test.line, " ")...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var got []string
		for _, line := range lines[1:] {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if lines[0] == "files" {
			got = []string{"files"}
		}
		if status != 0 || errout != "" || !reflect.DeepEqual(got, strings.Fields(test.want)) && len(got)+len(test.want) > 0 {
			t.Errorf("%q: %q, want %s; %d %s", test.line, got, test.want, status, errout)
		}
	}
}

func TestCompletion_offers_nothing_of_a_server_that_is_no_name(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"slug":"x","profile":{},"databases":[{"slug":"$(id)","database_type":"sqlite"},{"slug":"a;id","database_type":"sqlite"},
			{"slug":"a\u001b[31m","database_type":"sqlite"},{"slug":"a\nb","database_type":"sqlite"},{"slug":"fine","database_type":"sqlite"}]}`)
	}))
	defer server.Close()
	status, out, errout := runCommand([]string{"HOME=" + t.TempDir(), "AYB_SERVER_URL=" + server.URL}, "complete", "bash", "--", "ayb client query x/")
	if status != 0 || out != "words\nx/fine\n" || errout != "" {
		t.Errorf("%d %q %q", status, out, errout)
	}
}

func TestShellWords_splits_as_a_shell_does(t *testing.T) {
	for line, want := range map[string][]string{
		"":                      {""},
		"ayb":                   {"ayb"},
		"ayb ":                  {"ayb", ""},
		"ayb  client\tli":       {"ayb", "client", "li"},
		`ayb "a b" 'c "d' e\ f`: {"ayb", "a b", `c "d`, "e f"},
		`ayb "a \" b`:           {"ayb", `a " b`},
		`ayb '' x`:              {"ayb", "", "x"},
		`ayb --format=`:         {"ayb", "--format="},
	} {
		if got := shellWords(line); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// bash presses the key itself, with a server from which to take names.
func TestCompletion_works_in_bash(t *testing.T) {
	t.Parallel()
	bash := require(t, "bash")
	p := startServer(t, t.TempDir(), "AYB__LIMITS__REQUEST_RATE=1000")
	token := p.account("alice")
	for _, name := range []string{"flowers", "fruits", "trees"} {
		p.must("POST", "/v1/alice/"+name+"/create", "", "db-type", "sqlite", "authorization", "Bearer "+token)
	}
	environ := []string{"HOME=" + t.TempDir(), "AYB_SERVER_URL=" + p.url, "AYB_API_TOKEN=" + token, "no_proxy=*"}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "a file.sql"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ line, want string }{
		{"ayb cl", "client"},
		{"ayb client query alice/f", "alice/flowers alice/fruits"},
		{"ayb client query alice/flowers --format=c", "csv"},
		{"ayb client --url " + p.url + " list --fo", "--format"},
		{"ayb client --url=" + p.url + " share alice/trees bob read", "read-only read-write"},
		{"ayb client query alice/trees --file a", "a file.sql"},
		{"ayb client query nobody/", ""},
	} {
		script := `source <(ayb completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
read -ra COMP_WORDS <<<"${1//[=:]/ & }"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ayb
printf '%s\n' "${COMPREPLY[@]}"`
		cmd := command(t, directory, environ, "version")
		shell := exec.CommandContext(t.Context(), bash, "--norc", "-c", script, "bash", test.line)
		shell.Dir, shell.Env = directory, append(cmd.Env, fmt.Sprintf("PATH=%s:%s", filepath.Dir(cmd.Path), os.Getenv("PATH")))
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", test.line, err, out)
		}
		got := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(got)
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %s", test.line, got, test.want)
		}
	}
	// A question from the shell changes nothing.
	if list, _ := filepath.Glob(filepath.Join(strings.TrimPrefix(environ[0], "HOME="), ".config", "*", "*")); list != nil {
		t.Errorf("there are settings now: %v", list)
	}
}

func TestCompletion_works_in_fish(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("fish is not installed")
	}
	for line, want := range map[string]string{
		"ayb client create_d":        "create_database\tMake a database.\n",
		"ayb client list --format=j": "--format=json\n--format=jsonl\n",
		"ayb nonsense ":              "",
	} {
		cmd := command(t, t.TempDir(), nil, "version")
		shell := exec.CommandContext(t.Context(), fish, "--no-config", "-c", "ayb completion fish | source; complete -C $argv[1]", line)
		shell.Env = append(cmd.Env, "HOME="+t.TempDir(), fmt.Sprintf("PATH=%s:%s", filepath.Dir(cmd.Path), os.Getenv("PATH")))
		if out, err := shell.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %q, want %q; %v", line, out, want, err)
		}
	}
}

// The other shells check at least that their scripts can be read, where they are
// installed.
func TestCompletion_scripts_are_read_by_their_shells(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		status, script, errout := runCommand(nil, "completion", shell)
		if status != 0 || errout != "" || !strings.HasPrefix(script, "#") || !strings.Contains(script, "complete "+shell+" -- ") {
			t.Errorf("%s: %d %s\n%s", shell, status, errout, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		cmd := exec.CommandContext(t.Context(), path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
