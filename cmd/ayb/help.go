package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp prints what a command is for, what it takes and what it consists of.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage: %s\n", node.Help, usageLine(node))
	writeCommands(&b, node)
	var rows [][2]string
	for _, value := range node.Positional {
		name := "<" + value.Name + ">"
		if !value.Required {
			name = "[" + value.Name + "]"
		}
		rows = append(rows, [2]string{name, valueHelp(value)})
	}
	writeRows(&b, "Arguments", rows)
	writeRows(&b, "Options", optionRows(&argumentReader{node: node}))
	if node.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(node.Detail))
	}
	_, err := io.WriteString(ctx.Stdout, b.String())
	return err
}

// writeCommands lists the commands within a command, by group.
func writeCommands(b *strings.Builder, node *kong.Node) {
	var titles []string
	groups := map[string][][2]string{}
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		title := "Commands"
		if child.Group != nil {
			title = child.Group.Title
		}
		if groups[title] == nil {
			titles = append(titles, title)
		}
		groups[title] = append(groups[title], [2]string{child.Name, child.Help})
	}
	for _, title := range titles {
		writeRows(b, title, groups[title])
	}
}

func optionRows(r *argumentReader) (rows [][2]string) {
	for _, flag := range r.options() {
		name := "    " + optionWithValue(flag)
		if flag.Short != 0 {
			name = fmt.Sprintf("-%c, %s", flag.Short, optionWithValue(flag))
		}
		rows = append(rows, [2]string{name, valueHelp(flag.Value)})
	}
	return rows
}

// valueHelp returns what a value is for, what it may be and where else it may be
// given.
func valueHelp(value *kong.Value) string {
	words := []string{value.Help}
	if value.HasDefault && value.Default != "" {
		words = append(words, "[default: "+value.Default+"]")
	}
	for _, variable := range append(value.Tag.Envs, value.Tag.GetAll("variable")...) {
		words = append(words, "[env: "+variable+"]")
	}
	return strings.Join(append(words, possible(value)...), " ")
}

// writeRows writes two columns below a title.
func writeRows(b *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	const widest = 34
	width := 0
	for _, row := range rows {
		if len(row[0]) <= widest {
			width = max(width, len(row[0]))
		}
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, row := range rows {
		if len(row[0]) > width {
			fmt.Fprintf(b, "  %s\n  %*s", row[0], width, "")
		} else {
			fmt.Fprintf(b, "  %-*s", width, row[0])
		}
		fmt.Fprintf(b, "  %s\n", strings.TrimSpace(row[1]))
	}
}
