package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ayb/snapshot/snapshottest"
)

// The stories in testdata/scripts are told by the program itself and by curl;
// nothing in them knows that the program is written in Go. Besides the commands
// of testscript, which go doc .../testscript describes, they use:
//
//	server [NAME=VALUE...]  starts the program in $WORK, with e-mails into a file, on a
//	                        free port, and sets $URL
//	restart [NAME=VALUE...] stops it and starts it again
//	stop                    sends it SIGTERM and waits until it has ended without error
//	kill9                   kills it
//	account NAME [KIND]     registers and confirms an entity, and sets $NAME to the header
//	                        that authenticates it, $NAME_token to the token
//	token NAME              sets $TOKEN to what the last e-mail to NAME@example.org is for
//	curl ARGUMENT...        runs curl; stdout is the body of the answer
//	answer STATUS [BODY]    compares status and, if it is there, body of the last answer;
//	                        a BODY that ends in ... is how it begins
//	query NAME E/D SQL      sends SQL as an account, or as "nobody"; answer follows
//	await FILE              waits until a file has content
//	snapshots NAME E/D N    waits until an account sees N snapshots of a database
//	newer NAME E/D FILE     waits until an account sees a snapshot of a database that is not
//	                        in a file
//	configured NAME...      gives variables of the story to servers as well, from now on
//	s3 BUCKET               starts a server of S3 with a bucket, and sets the variables for it
//	drop BUCKET             removes the bucket with all that is in it
func TestScript(t *testing.T) {
	t.Parallel()
	require(t, "curl")
	builtProgram.Store(true)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	testscript.RunT(scriptT{t}, testscript.Params{
		Dir:                 "../../testdata/scripts",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, "AYB="+path, "AYB__PORT=0", "no_proxy=*")
			env.Values[storyKey{}] = &story{t: env.T().(scriptT).T, dir: env.WorkDir}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":  storyCommand((*story).start),
			"restart": storyCommand((*story).restart),
			"stop":    storyCommand((*story).stop),
			"kill9":   storyCommand((*story).kill),
			"account": storyCommand((*story).account),
			"token":   storyCommand((*story).token),
			"curl":    storyCommand((*story).curl),
			"answer":  storyCommand((*story).answer),
			"query":   storyCommand((*story).query),
			"await":   storyCommand((*story).await),

			"configured": storyCommand((*story).configured),

			"snapshots": storyCommand((*story).snapshots),
			"newer":     storyCommand((*story).newer),
			"s3":        storyCommand((*story).startS3),
			"drop":      storyCommand((*story).dropBucket),
		},
	})
}

// scriptT is a test as testscript wants it, with the test that is inside.
type scriptT struct{ *testing.T }

// Run runs a story as a test of its own.
func (t scriptT) Run(name string, run func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { run(scriptT{t}) })
}

// Verbose says whether every line of a story is shown.
func (scriptT) Verbose() bool { return testing.Verbose() }

// A story is what the commands of one script share.
type story struct {
	t      *testing.T
	dir    string
	server *process
	status string // of the last answer
	body   string
	s3     *snapshottest.Server

	environ []string // of servers from now on
}

type storyKey struct{}

// storyCommand makes a method a command that can't be negated: a story that expects
// a refusal says which one, by "answer".
func storyCommand(run func(*story, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command can't be negated")
		}
		run(ts.Value(storyKey{}).(*story), ts, args)
	}
}

// argumentCount fails the story unless the number of arguments is within bounds.
func argumentCount(ts *testscript.TestScript, args []string, least, most int) {
	if len(args) < least || len(args) > most {
		ts.Fatalf("%d arguments, want %d to %d", len(args), least, most)
	}
}

func (s *story) start(ts *testscript.TestScript, environ []string) {
	// A story makes more accounts in a moment than a person does.
	s.server = startServer(s.t, s.dir, slices.Concat([]string{"AYB__LIMITS__REQUEST_RATE=100000"}, s.environ, environ)...)
	ts.Setenv("URL", s.server.url)
	ts.Setenv("ADDRESS", strings.TrimPrefix(s.server.url, "http://"))
}

func (s *story) restart(ts *testscript.TestScript, environ []string) {
	s.stop(ts, nil)
	s.start(ts, environ)
}

func (s *story) stop(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 0, 0)
	if err := s.server.stop(syscall.SIGTERM); err != nil {
		ts.Fatalf("the server ended with %v\n%s", err, s.server.errout)
	}
}

func (s *story) kill(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 0, 0)
	s.server.stop(os.Kill)
}

// mails is where the server in this directory writes its e-mails.
func (s *story) mails() string { return filepath.Join(s.dir, "ayb_data", "emails.jsonl") }

func (s *story) account(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 2)
	name, kind := args[0], "user"
	if len(args) == 2 {
		kind = args[1]
	}
	s.server.must("POST", "/v1/register", "", "entity", name, "entity-type", kind, "email-address", name+"@example.org")
	token, err := tokenFor(s.mails(), name+"@example.org")
	ts.Check(err)
	text := s.server.must("POST", "/v1/confirm", "", "authentication-token", token)
	var confirmed struct{ Token string }
	ts.Check(json.Unmarshal([]byte(text), &confirmed))
	ts.Setenv(name, "authorization: Bearer "+confirmed.Token)
	ts.Setenv(name+"_token", confirmed.Token)
}

func (s *story) token(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 1)
	token, err := tokenFor(s.mails(), args[0]+"@example.org")
	ts.Check(err)
	ts.Setenv("TOKEN", token)
}

// tokenFor returns the token in the last e-mail to an address, read from the file
// of e-mails as any script would.
func tokenFor(path, address string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	token := ""
	for line := range strings.Lines(string(text)) {
		var mail struct {
			To      string
			Content []string
		}
		if err := json.Unmarshal([]byte(line), &mail); err != nil {
			return "", err
		}
		for _, content := range mail.Content {
			if found, ok := strings.CutPrefix(content, "\tayb client confirm "); ok && mail.To == address {
				token = found
			}
		}
	}
	if token == "" {
		return "", fmt.Errorf("no e-mail with a token for %s in\n%s", address, text)
	}
	return token, nil
}

func (s *story) curl(ts *testscript.TestScript, args []string) {
	fixed := []string{"--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}"}
	cmd := exec.Command("curl", append(fixed, args...)...)
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("curl: %v\n%s", err, out)
	}
	cut := strings.LastIndexByte(string(out), '\n')
	if cut < 0 {
		ts.Fatalf("curl gave no status: %q", out)
	}
	s.body, s.status = string(out[:cut]), string(out[cut+1:])
	fmt.Fprintln(ts.Stdout(), s.body)
	ts.Logf("[answer %s]", s.status)
}

func (s *story) answer(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 2)
	if s.status != args[0] {
		ts.Fatalf("the status is %s, want %s; the body is %s", s.status, args[0], s.body)
	}
	if len(args) < 2 {
		return
	}
	begin, open := strings.CutSuffix(args[1], "...")
	if s.body != args[1] && !(open && strings.HasPrefix(s.body, begin)) {
		ts.Fatalf("the body is\n%s\nwant\n%s", s.body, args[1])
	}
}

func (s *story) query(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 3, 3)
	line := []string{"-X", "POST", s.server.url + "/v1/" + args[1] + "/query", "-H", "Content-Type: text/plain", "--data-binary", args[2]}
	if args[0] != "nobody" {
		line = append(line, "-H", ts.Getenv(args[0]))
	}
	s.curl(ts, line)
}

func (s *story) await(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 1)
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s stays empty", args[0])
		}
	}
}

func (s *story) configured(ts *testscript.TestScript, args []string) {
	for _, name := range args {
		s.environ = append(s.environ, name+"="+ts.Getenv(name))
	}
}

func (s *story) snapshots(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 3, 3)
	s.awaitSnapshots(ts, args, args[2]+" snapshots", func(ids []string) bool { return fmt.Sprint(len(ids)) == args[2] })
}

func (s *story) newer(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 3, 3)
	known := ts.ReadFile(args[2])
	s.awaitSnapshots(ts, args, "snapshots that are newer", func(ids []string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return !strings.Contains(known, id) })
	})
}

// awaitSnapshots asks for the snapshots of a database until they are as wanted.
func (s *story) awaitSnapshots(ts *testscript.TestScript, args []string, what string, wanted func(ids []string) bool) {
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		s.curl(ts, []string{s.server.url + "/v1/" + args[1] + "/list_snapshots", "-H", ts.Getenv(args[0])})
		var ids []string
		for _, match := range snapshotIDs.FindAllStringSubmatch(s.body, -1) {
			ids = append(ids, match[1])
		}
		if wanted(ids) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("there are no %s of %s: %s\n%s", what, args[1], s.body, s.server.errout)
		}
	}
}

var snapshotIDs = regexp.MustCompile(`"snapshot_id":"([0-9a-f]{64})"`)

func (s *story) startS3(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 1)
	s.s3 = snapshottest.S3(s.t)
	s.s3.Make(s.t, args[0])
	for name, value := range map[string]string{
		"BUCKET": args[0], "ENDPOINT_URL": s.s3.Endpoint, "ACCESS_KEY_ID": s.s3.AccessKeyID, "SECRET_ACCESS_KEY": s.s3.SecretAccessKey, "FORCE_PATH_STYLE": "true",
	} {
		ts.Setenv("AYB__SNAPSHOTS__"+name, value)
		s.environ = append(s.environ, "AYB__SNAPSHOTS__"+name+"="+value)
	}
}

func (s *story) dropBucket(ts *testscript.TestScript, args []string) {
	argumentCount(ts, args, 1, 1)
	s.s3.Remove(s.t, args[0])
}
