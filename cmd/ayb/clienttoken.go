package main

import (
	"fmt"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// listTokensCommand is "ayb client list_tokens".
type listTokensCommand struct{ formatOption }

var tokenColumns = []listColumn{
	{title: "Short token"}, {title: "Scope", null: "(all databases)"}, {title: "Permission", null: "(full access)"},
	{title: "App"}, {title: "Created"}, {title: "Expires", null: "(never)"},
}

// Run lists the tokens that are valid, newest first.
func (cmd listTokensCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	return list(c, cmd.Format, tokenColumns, api.AllTokens(c.ctx), tokenRow, "No active API tokens")
}

func tokenRow(t client.TokenDetails) listRow {
	permission := catalog.NullValue()
	if t.Scope.Access != catalog.NoAccess {
		permission = text(t.Scope.Access.String())
	}
	return listRow{text(t.Short), text(t.Database), permission, text(t.AppName), moment(t.Created), moment(t.Expires)}
}

// whoAmICommand is "ayb client whoami".
type whoAmICommand struct{ formatOption }

var identityColumns = []listColumn{
	{title: "Entity"}, {title: "Kind"}, {title: "Short token"}, {title: "Scope", null: "(all databases)"},
	{title: "Permission", null: "(full access)"}, {title: "App"}, {title: "Created"}, {title: "Expires", null: "(never)"},
}

// Run shows whom the token stands for.
func (cmd whoAmICommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	me, err := api.WhoAmI(c.ctx)
	if err != nil {
		return err
	}
	row := func(me client.Identity) listRow {
		return append(listRow{text(string(me.Slug)), text(me.Kind.String())}, tokenRow(me.Token)...)
	}
	return list(c, cmd.Format, identityColumns, only(me), row, "")
}

// createTokenCommand is "ayb client create_token".
type createTokenCommand struct {
	Entity   string       `name:"entity" placeholder:"value" complete:"entity" help:"An organization of yours, instead of you."`
	Database databaseName `name:"database" placeholder:"E/D" complete:"database" help:"The only database that the token is for."`
	Access   string       `name:"access" placeholder:"value" enum:",read-only,read-write,manager" default:"" help:"The most it may do with a database."`
	AppName  string       `name:"app_name" placeholder:"value" help:"What it is for, as list_tokens shows it."`
	Expires  string       `name:"expires" placeholder:"when" help:"When it lapses: after a time such as 12h or 30d, or at one such as 2030-01-31 or 2030-01-31T12:00:00Z."`
}

// Help shows how it is used.
func (createTokenCommand) Help() string {
	return `The token is all that is printed, and is shown this once.

Examples:
  ayb client create_token --database marcua/test.sqlite --access read-only --app_name dashboard --expires 90d
  TOKEN=$(ayb client create_token)`
}

// Run makes a token.
func (cmd createTokenCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	opt := client.TokenOptions{Database: string(cmd.Database), AppName: cmd.AppName}
	if cmd.Access != "" {
		if opt.Access, err = catalog.ParseAccess(cmd.Access); err != nil {
			return err
		}
	}
	if cmd.Expires != "" {
		if opt.Expires, err = parseExpiry(cmd.Expires, time.Now()); err != nil {
			return err
		}
	}
	c.advise(fault.Conflict, "list them with: ayb client list_tokens, and revoke one with: ayb client revoke_token SHORT_TOKEN")
	secret, _, err := api.CreateToken(c.ctx, cmd.Entity, &opt)
	if err != nil {
		return err
	}
	c.say("%s", secret)
	if isTerminal(c.out) {
		fmt.Fprintln(c.errout, "Keep it: it is not shown again.")
	}
	return nil
}

// parseExpiry reads a time, or a duration from now on. Errors: Invalid.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if d, ok := parseDuration(text); ok && d > 0 {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "%.100q is neither a time such as 2030-01-31 or 2030-01-31T12:00:00Z, nor a duration such as 12h or 30d", text)
}

// revokeTokenCommand is "ayb client revoke_token".
type revokeTokenCommand struct {
	Short string `arg:"" name:"short_token" help:"The token, as list_tokens shows it."`
}

// Run revokes a token, named by its short form or given whole.
func (cmd revokeTokenCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	if err := api.RevokeToken(c.ctx, cmd.Short); err != nil {
		return err
	}
	c.say("Successfully revoked token %s", cmd.Short)
	return nil
}
