package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func readDeployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An instruction is a line of a Dockerfile.
type instruction struct{ name, rest string }

// instructions parses a Dockerfile; none of its lines are continued.
func instructions(text string) (list []instruction) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		list = append(list, instruction{name, strings.TrimSpace(rest)})
	}
	return list
}

// last returns the rest of the last instruction of a name.
func last(list []instruction, name string) string {
	for _, i := range slices.Backward(list) {
		if i.name == name {
			return i.rest
		}
	}
	return ""
}

// jsonWords returns the words of an instruction in its JSON form.
func jsonWords(t *testing.T, text string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s is not in the form that needs no shell: %v", text, err)
	}
	return list
}

// isUnderstood reports whether the program knows a command with its flags.
func isUnderstood(args []string) bool {
	status, _, _ := runCommand(nil, append(args, "--help")...)
	return status == exitOK
}

func TestDeploy_Dockerfile(t *testing.T) {
	all := instructions(readDeployed(t, "deploy/Dockerfile"))
	t.Run("builds a static program with the Go of go.mod", func(t *testing.T) {
		goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readDeployed(t, "go.mod"))[1]
		if !slices.Contains(all, instruction{"FROM", "golang:" + goVersion + " AS build"}) || !slices.Contains(all, instruction{"ENV", "CGO_ENABLED=0"}) {
			t.Errorf("it does not build with golang:%s and CGO_ENABLED=0", goVersion)
		}
	})
	stage := all[slices.IndexFunc(all, func(i instruction) bool { return i.rest == "scratch" }):]
	t.Run("holds nothing else, and runs as a user without rights", func(t *testing.T) {
		if last(all, "FROM") != "scratch" {
			t.Errorf("the last stage is from %s", last(all, "FROM"))
		}
		if user := last(stage, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
			t.Errorf("the user is %q, which is not a number above 0", user)
		}
	})
	t.Run("configures the server rightly", func(t *testing.T) {
		t.Chdir(t.TempDir())
		c, err := loadConfig("", strings.Fields(last(stage, "ENV")))
		if err != nil {
			t.Fatal(err)
		}
		if c.DataPath != last(stage, "VOLUME") || c.DataPath != last(stage, "WORKDIR") {
			t.Errorf("the data is in %s, the volume is %s, the working directory is %s", c.DataPath, last(stage, "VOLUME"), last(stage, "WORKDIR"))
		}
		if c.address() != "0.0.0.0:"+last(stage, "EXPOSE") {
			t.Errorf("it listens on %s and exposes %s", c.address(), last(stage, "EXPOSE"))
		}
	})
	t.Run("runs commands that there are", func(t *testing.T) {
		entry := jsonWords(t, last(stage, "ENTRYPOINT"))
		if !slices.Equal(entry, []string{"/ayb"}) || !isUnderstood(jsonWords(t, last(stage, "CMD"))) {
			t.Errorf("it runs %v %s", entry, last(stage, "CMD"))
		}
		_, check, _ := strings.Cut(last(stage, "HEALTHCHECK"), " CMD ")
		if args := jsonWords(t, check); args[0] != "/ayb" || !isUnderstood(args[1:]) {
			t.Errorf("its health is asked by %v", args)
		}
	})
	t.Run("waits for the health check's own bound", func(t *testing.T) {
		match := regexp.MustCompile(`--timeout=(\S+)`).FindStringSubmatch(last(stage, "HEALTHCHECK"))
		if d, err := time.ParseDuration(match[1]); err != nil || d <= healthTime {
			t.Errorf("it waits for %s, and the check may take %v", match[1], healthTime)
		}
	})
}

// unit parses a unit of systemd into the values of each key.
func unit(text string) map[string][]string {
	keys := map[string][]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && line[0] != '#' {
			keys[key] = append(keys[key], value)
		}
	}
	return keys
}

func TestDeploy_systemd_unit(t *testing.T) {
	text := readDeployed(t, "deploy/ayb.service")
	keys := unit(text)
	t.Run("gives the server nothing but its data", func(t *testing.T) {
		for key, value := range map[string]string{
			"DynamicUser": "yes", "StateDirectory": "ayb", "StateDirectoryMode": "0700", "UMask": "0077",
			"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
			"ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes", "ProtectControlGroups": "yes",
			"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "AmbientCapabilities": "", "RestrictSUIDSGID": "yes", "RestrictNamespaces": "user net pid ipc uts mnt",
			"MemoryDenyWriteExecute": "yes", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "LimitCORE": "0",
		} {
			if !slices.Equal(keys[key], []string{value}) {
				t.Errorf("%s is %q, want %q", key, keys[key], value)
			}
		}
		if !slices.Equal(keys["SystemCallFilter"], []string{"@system-service @mount capset landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp sethostname", "~@keyring"}) {
			t.Errorf("the system calls are %q", keys["SystemCallFilter"])
		}
		if keys["ProtectHostname"] != nil {
			t.Error("ProtectHostname keeps workers from naming their own namespaces")
		}
	})
	t.Run("runs a command that there is, on the copy of a secret file", func(t *testing.T) {
		words := strings.Fields(keys["ExecStart"][0])
		if words[0] != "/usr/local/bin/ayb" || !isUnderstood(words[1:]) || words[len(words)-1] != "%d/ayb.toml" {
			t.Errorf("it runs %v", words)
		}
		if !slices.Equal(keys["LoadCredential"], []string{"ayb.toml:/etc/ayb/ayb.toml"}) {
			t.Errorf("the configuration is %q", keys["LoadCredential"])
		}
	})
	t.Run("waits for the server's own bound", func(t *testing.T) {
		if d, err := time.ParseDuration(keys["TimeoutStopSec"][0]); err != nil || d <= stopTime {
			t.Errorf("it waits for %v, and the server may take %v", d, stopTime)
		}
	})
	t.Run("is understood by systemd", func(t *testing.T) {
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Skip("systemd is not here")
		}
		path := filepath.Join(t.TempDir(), "ayb.service")
		runnable := strings.Replace(text, "ExecStart=/usr/local/bin/ayb", "ExecStart=/bin/true", 1) // it must be there
		if err := os.WriteFile(path, []byte(runnable), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput(); err != nil || strings.Contains(string(out), "ayb.service") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	})
}
