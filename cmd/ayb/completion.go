package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"ayb/catalog"
	"ayb/client"
)

// What makes a shell ask "ayb complete".
var (
	//go:embed completion/ayb.bash
	bashCompletion string
	//go:embed completion/ayb.zsh
	zshCompletion string
	//go:embed completion/ayb.fish
	fishCompletion string
)

// completionCommand is "ayb completion".
type completionCommand struct {
	Shell string `arg:"" name:"shell" enum:"bash,zsh,fish" help:"Which shell."`
}

// Help says what to do with it.
func (completionCommand) Help() string {
	return `To try it in this shell:
  source <(ayb completion bash)
  source <(ayb completion zsh)
  ayb completion fish | source

The script says where to put it to have it in every shell.`
}

// Run prints a script.
func (cmd completionCommand) Run(s surrounding) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[cmd.Shell]
	_, err := fmt.Fprint(s.out, script)
	return err
}

// completeCommand is "ayb complete", which shells call: with the line so far, or
// its words, the last of which is to be completed. It prints "files" if the name
// of a file follows, else "words" and a candidate a line, with a tab and what it
// is for behind it where a shell shows that.
type completeCommand struct {
	Shell string   `arg:"" name:"shell" enum:"bash,zsh,fish"`
	Words []string `arg:"" optional:"" name:"words" sep:"none"`
}

// Run prints what may follow. Whatever goes wrong, it prints nothing that a person
// would have to read.
func (cmd completeCommand) Run(s surrounding, c *connection, app *kong.Kong) error {
	words := cmd.Words
	if cmd.Shell == "bash" && len(words) == 1 {
		if words = shellWords(words[0]); len(words) > 0 {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	found := completer{connection: c, reader: &argumentReader{node: app.Model.Node}}.complete(words)
	if found.files {
		fmt.Fprintln(s.out, "files")
		return nil
	}
	fmt.Fprintln(s.out, "words")
	// bash begins a new word behind these.
	behind := strings.LastIndexAny(last, "=:") + 1
	for _, candidate := range found.words {
		switch text := candidate[0]; {
		case !strings.HasPrefix(text, last):
		case cmd.Shell == "bash":
			fmt.Fprintln(s.out, text[behind:])
		default:
			fmt.Fprintf(s.out, "%s\t%s\n", text, candidate[1])
		}
	}
	return nil
}

// shellWords splits the begin of a command line as a shell would, without looking
// into variables. The last word is the one that is being typed, empty behind a
// space.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quote, inWord := rune(0), false
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\\' && quote != '\'' && i+1 < len(runes):
			i++
			word.WriteRune(runes[i])
			inWord = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	return append(words, word.String())
}

// candidates are what may follow: words with what they are for, or a file.
type candidates struct {
	files bool
	words [][2]string
}

// A completer finds out what may follow.
type completer struct {
	*connection
	reader *argumentReader
}

// complete returns what the last word may become.
func (c completer) complete(words []string) candidates {
	r := c.reader
	for _, word := range words[:len(words)-1] {
		if r.read(word) != nil || r.stop != nil {
			return candidates{}
		}
	}
	last := words[len(words)-1]
	switch {
	case r.helping:
		return candidates{words: c.commands()}
	case r.pending != nil:
		return c.values(r.pending.Value, last, "")
	case !r.plain && strings.HasPrefix(last, "-"):
		return c.options(last)
	case r.greedy != nil:
		return candidates{}
	case !r.node.Leaf():
		return candidates{words: c.commands()}
	}
	if value := r.nextArgument(); value != nil {
		return c.values(value, last, "")
	}
	return candidates{}
}

func (c completer) commands() (words [][2]string) {
	for _, child := range c.reader.node.Children {
		if !child.Hidden {
			words = append(words, [2]string{child.Name, child.Help})
		}
	}
	return append(words, [2]string{"help", "Say more about a command."})
}

// options returns the options that have not been given, or the values of the one
// that has its value in the same word.
func (c completer) options(last string) (found candidates) {
	if name, text, ok := strings.Cut(last, "="); ok {
		if flag := c.reader.find(name); flag != nil {
			return c.values(flag.Value, text, name+"=")
		}
		return found
	}
	for _, flag := range c.reader.options() {
		if !c.reader.has(flag.Value) || repeatable(flag) {
			found.words = append(found.words, [2]string{optionName(flag), flag.Help})
		}
	}
	return found
}

// values returns what a value may be, each with the prefix before it.
func (c completer) values(value *kong.Value, typed, prefix string) (found candidates) {
	var words []string
	switch value.Tag.Get("complete") {
	case "file":
		found.files = true
	case "database":
		words = c.databases(typed)
	case "entity":
		words = c.entities()
	default:
		words = enumOf(value)
	}
	for _, word := range words {
		found.words = append(found.words, [2]string{prefix + word, ""})
	}
	return found
}

// completionTime is how long a person waits for a key to answer.
const completionTime = time.Second

// ask calls the server, within bounds, if the line so far and the settings say
// which one. It changes nothing.
func (c completer) ask(question func(context.Context, *client.Client)) {
	for _, g := range c.reader.given {
		if g.value.Flag == nil || len(g.texts) == 0 {
			continue
		}
		switch g.value.Name {
		case "config":
			c.connection.options.Config = &g.texts[0]
		case "url":
			c.connection.options.URL = &g.texts[0]
		case "token":
			c.connection.options.Token = &g.texts[0]
		}
	}
	api, err := c.quietly()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, completionTime)
	defer cancel()
	question(ctx, api)
}

// maxCandidates bounds the names from a server that are offered.
const maxCandidates = 1000

// databases returns the databases of the entity that is typed, or those that
// others share.
func (c completer) databases(typed string) (names []string) {
	entity, _, ok := strings.Cut(typed, "/")
	if !ok {
		for _, name := range c.entities() {
			names = append(names, name+"/")
		}
	}
	c.ask(func(ctx context.Context, api *client.Client) {
		if !ok {
			shared, _ := api.Shared(ctx, catalog.Page{Size: maxCandidates})
			for _, s := range shared.Items {
				if named(s.Database.OwnerSlug, s.Database.Slug) {
					names = append(names, string(s.Database.OwnerSlug+"/"+s.Database.Slug))
				}
			}
			return
		}
		databases, _ := api.Databases(ctx, entity, catalog.Page{Size: maxCandidates})
		for _, db := range databases.Items {
			if named(db.Slug) {
				names = append(names, entity+"/"+string(db.Slug))
			}
		}
	})
	return names
}

// entities returns the entities that this person has to do with.
func (c completer) entities() (names []string) {
	c.ask(func(ctx context.Context, api *client.Client) {
		organizations, _ := api.Memberships(ctx, catalog.Page{Size: maxCandidates})
		for _, m := range organizations.Items {
			if named(m.OrganizationSlug) {
				names = append(names, string(m.OrganizationSlug))
			}
		}
		shared, _ := api.Shared(ctx, catalog.Page{Size: maxCandidates})
		for _, s := range shared.Items {
			if named(s.Database.OwnerSlug) {
				names = append(names, string(s.Database.OwnerSlug))
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// named reports whether a server's answer is a name. Completions are put into the
// command line of a shell as they are, where anything else might run a program.
func named(slugs ...catalog.Slug) bool {
	return !slices.ContainsFunc(slugs, func(slug catalog.Slug) bool {
		_, err := catalog.ParseDatabaseSlug(string(slug))
		return err != nil
	})
}
