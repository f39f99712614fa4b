package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ayb"
	"ayb/attack"
)

// attackCommand is the argument with which this program is the attackers.
const attackCommand = "attack"

// attackFilter is an environment variable: only attacks whose name holds its value
// are carried out. It finds out which of them harm the neighbour.
const attackFilter = "AYB_BENCH_ATTACKS"

// attackingTenants is how many owners attack at once, each with one attack of the
// corpus after the other.
const attackingTenants = 4

// attackRoles are the accounts of each of them, by the word that cases use.
var attackRoles = map[string]ayb.Access{"owner": ayb.NoAccess, "reader": ayb.ReadOnly, "writer": ayb.ReadWrite, "manager": ayb.Manager}

func tokensFile(data string) string { return data + "-attackers.json" }

func attacker(tenant int, role string) string { return fmt.Sprintf("attacker%d-%s", tenant, role) }

// admitAttackers makes the accounts of the attackers, with a database for each
// attack, and leaves their tokens in a file.
func admitAttackers(ctx context.Context, data string) (err error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	cases, err := sqlCases()
	if err != nil {
		return err
	}
	tokens := map[string]string{}
	for tenant := range attackingTenants {
		for role := range attackRoles {
			slug := attacker(tenant, role)
			if _, err := eng.CreateEntity(ctx, ayb.System, slug, nil); err != nil {
				return err
			}
			if tokens[slug], _, err = eng.CreateToken(ctx, ayb.System, slug, nil); err != nil {
				return err
			}
		}
		for _, c := range cases {
			if err := prepareCase(ctx, eng, tenant, c); err != nil {
				return err
			}
		}
	}
	text, err := json.Marshal(tokens)
	if err != nil {
		return err
	}
	return os.WriteFile(tokensFile(data), text, 0o600)
}

// prepareCase makes the database that a case attacks and shares it with the
// attacker's other accounts, so that the attacks themselves are nothing but SQL.
func prepareCase(ctx context.Context, eng *ayb.Engine, tenant int, c *attack.Case) error {
	ref := caseRef(tenant, c)
	if _, err := eng.CreateDatabase(ctx, ayb.System, ref, nil); err != nil {
		return err
	}
	for role, access := range attackRoles {
		if access == ayb.NoAccess {
			continue
		}
		if err := eng.Share(ctx, ayb.System, ref, attacker(tenant, role), access); err != nil {
			return err
		}
	}
	return nil
}

// caseRef names the database of a tenant that a case attacks. What an earlier
// round has left in it stays.
func caseRef(tenant int, c *attack.Case) string {
	return attacker(tenant, "owner") + "/" + c.Area + "-" + c.Name
}

// attackers is the process that attacks.
type attackers struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	said   *bufio.Reader
	done   string // what they say that they have done
}

// startAttackers starts a process in which all attackers are. They stand for
// clients on other machines, so where the system has a program "nice", they take
// processor time after the server and whoever is measured.
func startAttackers(ctx context.Context, address, data string) (*attackers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := []string{self, attackCommand, address, tokensFile(data)}
	if nice, err := exec.LookPath("nice"); err == nil {
		command = append([]string{nice}, command...)
	}
	a := &attackers{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	a.cmd.Stderr = os.Stderr
	orders, err := a.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	said, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.orders, a.said = orders, bufio.NewReader(said)
	return a, a.cmd.Start()
}

// tell has them go or stop, and returns when they do.
func (a *attackers) tell(order string) error {
	if _, err := fmt.Fprintln(a.orders, order); err != nil {
		return err
	}
	line, err := a.said.ReadString('\n')
	a.done = strings.TrimSpace(line)
	return err
}

func (a *attackers) stop() {
	a.cmd.Process.Kill()
	a.cmd.Wait()
}

// An assault is one attacking owner with accounts of their making.
type assault struct {
	tenant  int
	address string
	tokens  map[string]string
	cases   []*attack.Case
	made    int // attacks
	texts   *atomic.Int64
}

// serveAttackers carries out what is ordered on standard input, until that ends.
func serveAttackers(address, tokensFile string) error {
	cases, err := sqlCases()
	if err != nil {
		return err
	}
	var tokens map[string]string
	text, err := os.ReadFile(tokensFile)
	if err == nil {
		err = json.Unmarshal(text, &tokens)
	}
	if err != nil {
		return err
	}
	var texts atomic.Int64
	var assaults []*assault
	for tenant := range attackingTenants {
		order := rand.New(rand.NewPCG(uint64(tenant), 1)).Perm(len(cases))
		a := &assault{tenant: tenant, address: address, tokens: tokens, texts: &texts}
		for _, i := range order {
			a.cases = append(a.cases, cases[i])
		}
		assaults = append(assaults, a)
	}
	stop := func() {}
	var all sync.WaitGroup
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		stop()
		all.Wait()
		if lines.Text() == "go" {
			var ctx context.Context
			ctx, stop = context.WithCancel(context.Background())
			for _, a := range assaults {
				all.Go(func() { a.run(ctx) })
			}
		}
		carriedOut := 0
		for _, a := range assaults {
			carriedOut += a.made
		}
		fmt.Printf("%d attacks of %d kinds, %d texts\n", carriedOut, len(cases), texts.Load())
	}
	stop()
	return nil
}

// sqlCases returns the attacks that are SQL over HTTP and nothing else, so that
// they can be carried out against any server.
func sqlCases() (cases []*attack.Case, err error) {
	all, err := attack.Read(os.DirFS(filepath.Join("testdata", "attacks")))
	for _, c := range all {
		if c.Open == "" && isSQL(c) && strings.Contains(c.ID(), os.Getenv(attackFilter)) {
			cases = append(cases, c)
		}
	}
	return cases, err
}

func isSQL(c *attack.Case) bool {
	for i := range c.Steps {
		s := &c.Steps[i]
		body, err := attack.Expand(s.Body, nil)
		if _, known := attackRoles[s.Who]; err != nil || !known || s.What != "sql" || s.On != "alice/test" {
			return false
		}
		s.Body = body
	}
	return true
}

// run carries out one case after the other until its context ends.
func (a *assault) run(ctx context.Context) {
	for ctx.Err() == nil {
		c := a.cases[a.made%len(a.cases)]
		a.made++
		ref := caseRef(a.tenant, c)
		var background sync.WaitGroup
		for _, s := range c.Steps {
			for n := 0; n < s.Times && ctx.Err() == nil; n++ {
				var copies sync.WaitGroup
				for i := range s.AtOnce {
					copies.Go(func() { a.send(ctx, ref, &s, n*s.AtOnce+i) })
				}
				if s.Background {
					background.Go(copies.Wait)
				} else {
					copies.Wait()
				}
			}
		}
		background.Wait()
	}
}

// send sends one text and reads what comes of it, whatever that is: the attacks'
// own tests judge it.
func (a *assault) send(ctx context.Context, ref string, s *attack.Step, n int) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body := strings.ReplaceAll(s.Body, "@N@", fmt.Sprint(n))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.address+"/v1/"+ref+"/query", strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+a.tokens[attacker(a.tenant, s.Who)])
	for _, arg := range s.Args {
		switch arg {
		case "json":
			req.Header.Set("Content-Type", "application/json")
		case "stream":
			req.Header.Set("Accept", "application/x-ndjson")
		}
	}
	a.texts.Add(1)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}
