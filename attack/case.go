package attack

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Case is one attack, as its file describes it.
type Case struct {
	Area  string // the directory: what the attack is after
	Name  string
	Title string // what is tried, and why it must fail

	// Walls are those that the attack runs into. With all of them down it
	// succeeds; where there are several, each holds alone.
	Walls []string

	Set     map[string]string // settings that differ from those of all cases
	Modes   []string          // in which the attack fails; empty: all
	Because string            // why not in the others
	Memory  int64             // how much the program may grow, in bytes; 0: the bound of all cases
	Within  time.Duration     // how long a step of the attack may take; 0: the bound of all cases
	Open    string            // why the attack still succeeds; empty: it does not
	Damages bool              // the attacker's own database may be damaged

	Steps []Step
}

// A Step is one thing that somebody does, with what is to come of it.
type Step struct {
	Line   int    // in the file
	Attack bool   // part of the attack, not of its preparation
	Who    string // owner, reader, writer, manager, stranger, anonymous, host
	What   string // sql, session, http, ...
	Args   []string
	On     string // the database
	Times  int    // one after another
	AtOnce int    // side by side

	Background bool // the next step begins without waiting for the end
	Body       string
	Want       []Want // any of them; none: success
	Never      []string
	Save       map[string]string // of a regular expression's group, by name
}

// A Want is an answer that a step may have.
type Want struct {
	Mode  string // holds in this mode only; empty: in all
	Some  bool   // at least one of the answers of a repeated step
	What  string // ok, rows, a kind of failure, or a status of HTTP
	Words string // what the answer holds; with rows, the rows
}

// ID returns area/name.
func (c *Case) ID() string { return c.Area + "/" + c.Name }

// HoldsIn reports whether the attack fails in a mode.
func (c *Case) HoldsIn(mode string) bool {
	return len(c.Modes) == 0 || slices.Contains(c.Modes, mode)
}

// Read returns all cases below the root of a file system, in order.
func Read(dir fs.FS) ([]*Case, error) {
	files, err := fs.Glob(dir, "*/*.txt")
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		c, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		c.Area, c.Name = path.Dir(file), strings.TrimSuffix(path.Base(file), ".txt")
		cases = append(cases, c)
	}
	return cases, nil
}

// Parse reads the description of one case. testdata/attacks/README.md says how
// it is written.
func Parse(text string) (*Case, error) {
	c := &Case{Set: map[string]string{}}
	p := parser{c: c}
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		p.line = i + 1
		if err := p.read(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	p.close()
	switch {
	case c.Title == "":
		return nil, fmt.Errorf("it has no title")
	case len(c.Walls) == 0:
		return nil, fmt.Errorf("it names no wall")
	case !slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Attack }):
		return nil, fmt.Errorf("nobody attacks")
	case len(c.Modes) > 0 && c.Because == "":
		return nil, fmt.Errorf("it does not say why it holds in some modes only")
	}
	return c, nil
}

// A parser reads a file line by line: the title, the header, the steps.
type parser struct {
	c      *Case
	line   int
	header bool // the title is complete
	attack bool // the attack has begun
	step   *Step
	body   []string
}

func (p *parser) read(line string) error {
	switch {
	case strings.HasPrefix(line, "== "):
		p.close()
		return p.begin(strings.TrimPrefix(line, "== "))
	case p.step != nil && strings.HasPrefix(line, "=> "):
		return p.want(strings.TrimPrefix(line, "=> "))
	case p.step != nil && strings.HasPrefix(line, "=! "):
		p.step.Never = append(p.step.Never, strings.TrimPrefix(line, "=! "))
	case p.step != nil && strings.HasPrefix(line, "-> "):
		name, pattern, _ := strings.Cut(strings.TrimPrefix(line, "-> "), " ")
		p.step.Save[name] = pattern
	case p.step != nil:
		p.body = append(p.body, line)
	case !p.header && line != "":
		p.c.Title = strings.TrimSpace(p.c.Title + " " + strings.TrimSpace(line))
	case !p.header:
		p.header = p.c.Title != ""
	case line != "":
		return p.field(line)
	}
	return nil
}

// close completes the step that is being read.
func (p *parser) close() {
	if p.step == nil {
		return
	}
	p.step.Body = strings.Trim(strings.Join(p.body, "\n"), "\n")
	p.c.Steps = append(p.c.Steps, *p.step)
	p.step, p.body = nil, nil
}

// field reads a line of the header.
func (p *parser) field(line string) (err error) {
	name, value, ok := strings.Cut(line, ":")
	if value = strings.TrimSpace(value); !ok || value == "" {
		return fmt.Errorf("%q is no field", line)
	}
	c := p.c
	switch name {
	case "wall":
		c.Walls = splitList(value)
	case "set":
		for _, setting := range splitList(value) {
			name, value, ok := strings.Cut(setting, "=")
			if !ok {
				return fmt.Errorf("%q sets nothing", setting)
			}
			c.Set[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	case "modes":
		c.Modes = splitList(value)
	case "because":
		c.Because = value
	case "memory":
		c.Memory, err = parseMiB(value)
	case "within":
		c.Within, err = time.ParseDuration(value)
	case "open":
		c.Open = value
	case "damages":
		c.Damages = true
	default:
		return fmt.Errorf("there is no field %q", name)
	}
	return err
}

func splitList(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

func parseMiB(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "MiB")), 10, 64)
	return n << 20, err
}

// verbs are what somebody can do besides sending SQL.
var verbs = []string{"session", "http", "stall", "unread", "alike", "await", "craft", "keep", "place", "link", "advance", "sessions", "renew", "mail", "probe"}

// begin reads the first line of a step: who does what, and how often.
func (p *parser) begin(line string) error {
	words := strings.Fields(line)
	if words[0] == "attack" {
		p.attack = true
		return nil
	}
	s := &Step{Line: p.line, Attack: p.attack, Who: words[0], What: "sql", On: "alice/test", Times: 1, AtOnce: 1, Save: map[string]string{}}
	p.step = s
	if s.Who == "await" {
		s.What = "await"
	}
	for words = words[1:]; len(words) > 0; words = words[1:] {
		var err error
		switch word := words[0]; {
		case word == "background":
			s.Background = true
		case word == "on" && len(words) > 1:
			s.On, words = words[1], words[1:]
		case word == "times" && len(words) > 1:
			s.Times, err = strconv.Atoi(words[1])
			words = words[1:]
		case word == "at" && len(words) > 2:
			s.AtOnce, err = strconv.Atoi(words[2])
			words = words[2:]
		case s.What == "sql" && slices.Contains(verbs, word):
			s.What = word
		default:
			s.Args = append(s.Args, word)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// want reads a line of what is to come of a step.
func (p *parser) want(line string) error {
	w := Want{}
	if mode, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(mode, "[") {
		w.Mode, line = mode[1:], rest
	}
	if rest, ok := strings.CutPrefix(line, "some "); ok {
		w.Some, line = true, rest
	}
	w.What, w.Words, _ = strings.Cut(line, ":")
	w.Words = strings.TrimSpace(w.Words)
	p.step.Want = append(p.step.Want, w)
	return nil
}
