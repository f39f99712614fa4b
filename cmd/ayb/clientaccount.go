package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// registerCommand is "ayb client register".
type registerCommand struct {
	Entity string `arg:"" name:"entity" help:"The name of the account."`
	Email  string `arg:"" name:"email_address" help:"Where the e-mail with the token goes."`
	Type   string `arg:"" optional:"" name:"type" enum:"user,organization" default:"user" help:"What the account is."`
}

// Help shows how it is used.
func (registerCommand) Help() string {
	return `Examples:
  ayb client --url http://127.0.0.1:5433 register marcua marcua@example.org
  ayb client register club club@example.org organization`
}

// Run asks for an account.
func (cmd registerCommand) Run(c *connection) error {
	api, err := c.stranger()
	if err != nil {
		return err
	}
	kind, err := catalog.ParseEntityKind(cmd.Type)
	if err != nil {
		return err
	}
	c.advise(fault.Exists, "if it is yours, log in with: ayb client log_in "+cmd.Entity)
	if err := api.Register(c.ctx, cmd.Entity, cmd.Email, kind); err != nil {
		return err
	}
	c.say("Check your email to finish registering %s", cmd.Entity)
	return nil
}

// confirmCommand is "ayb client confirm".
type confirmCommand struct {
	Token string `arg:"" name:"authentication_token" help:"The token from the e-mail; it works once."`
}

// Run exchanges the token for one of the API, and keeps that. The token works
// once: if what it was exchanged for can't be kept, it is shown at least.
func (cmd confirmCommand) Run(c *connection) error {
	api, err := c.stranger()
	if err != nil {
		return err
	}
	c.advise(fault.Unauthenticated, "a token works once and not for long; get another e-mail with: ayb client log_in NAME")
	confirmed, err := api.Confirm(c.ctx, cmd.Token)
	if err != nil {
		return err
	}
	err = c.file.update(func(s *clientSettings) { s.Authentication[c.url] = confirmed.Token })
	if err != nil {
		c.say("Successfully authenticated %s with token %s, which is not saved", confirmed.Entity, confirmed.Token)
		c.advise(fault.KindOf(err), "keep the token, and give it with --token or in AYB_API_TOKEN")
		return err
	}
	c.say("Successfully authenticated %s and saved token %s", confirmed.Entity, confirmed.Token)
	return nil
}

// logInCommand is "ayb client log_in".
type logInCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"The name of the account."`
}

// Run asks for an e-mail.
func (cmd logInCommand) Run(c *connection) error {
	api, err := c.stranger()
	if err != nil {
		return err
	}
	c.advise(fault.NotFound, "make an account with: ayb client register "+cmd.Entity+" EMAIL")
	if err := api.LogIn(c.ctx, cmd.Entity); err != nil {
		return err
	}
	c.say("Check your email to finish logging in %s", cmd.Entity)
	return nil
}

// logOutCommand is "ayb client log_out".
type logOutCommand struct{}

// Run revokes the token and forgets it. One that does not work any more is only
// forgotten.
func (logOutCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	err = api.LogOut(c.ctx)
	if err != nil && !errors.Is(err, fault.Unauthenticated) && !errors.Is(err, fault.NotFound) {
		return err
	}
	if c.settings.holds(c.token) {
		if err := c.file.update(func(s *clientSettings) { s.forget(c.token) }); err != nil {
			return err
		}
	}
	c.say("Successfully logged out")
	return nil
}

// statusCommand is "ayb client status".
type statusCommand struct{}

// Run shows what the client works with. It fails if that does not work.
func (statusCommand) Run(c *connection) error {
	api, err := c.anybody()
	if err != nil {
		return err
	}
	c.say("Configuration file: %s", c.file.path)
	c.say("Server: %s", c.url)
	if err := api.Health(c.ctx); err != nil {
		return err
	}
	if c.token == "" {
		return errNoToken
	}
	if _, err := api.Shared(c.ctx, catalog.Page{Size: 1}); err != nil && !errors.Is(err, fault.Denied) {
		return err
	}
	c.say("Token: %s, valid", shortToken(c.token))
	return nil
}

// shortToken returns the part of a token that is no secret.
func shortToken(token string) string {
	if parts := strings.Split(token, "_"); len(parts) == 3 {
		return parts[1]
	}
	return "not of the form ayb_..._..."
}

// profileCommand is "ayb client profile".
type profileCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"Whose profile."`
	formatOption
}

var profileColumns = []listColumn{
	{title: "Display name", null: "null"}, {title: "Description", null: "null"}, {title: "Organization", null: "null"},
	{title: "Location", null: "null"}, {title: "Links"},
}

// Run shows a profile.
func (cmd profileCommand) Run(c *connection) error {
	api, err := c.anybody()
	if err != nil {
		return err
	}
	entity, err := api.Entity(c.ctx, cmd.Entity)
	if err != nil {
		return err
	}
	return list(c, cmd.Format, profileColumns, only(entity.Profile), profileRow, "")
}

// only returns a list of one item.
func only[T any](item T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) { yield(item, nil) }
}

func profileRow(p catalog.Profile) listRow {
	links := make([]string, len(p.Links))
	for i, link := range p.Links {
		links[i] = link.URL
		if link.Verified {
			links[i] += " (verified)"
		}
	}
	return listRow{
		text(p.DisplayName), text(p.Description), text(p.Organization), text(p.Location),
		catalog.TextValue(strings.Join(links, ",")),
	}
}

// updateProfileCommand is "ayb client update_profile".
type updateProfileCommand struct {
	Entity       string    `arg:"" name:"entity" complete:"entity" help:"Whose profile."`
	DisplayName  *string   `name:"display_name" placeholder:"value" help:"The name that people read; an empty one is unset, as with all others."`
	Description  *string   `name:"description" placeholder:"value" help:"One sentence."`
	Organization *string   `name:"organization" placeholder:"value" help:"Where you belong."`
	Location     *string   `name:"location" placeholder:"value" help:"Where you are."`
	Links        *linkList `name:"links" placeholder:"value" greedy:"" help:"All links, up to the next option; none removes them."`
}

// Help shows how it is used.
func (updateProfileCommand) Help() string {
	return `Options that are left out leave things as they are.

Examples:
  ayb client update_profile marcua --display_name 'Adam Marcus' --links http://marcua.net
  ayb client update_profile marcua --links`
}

// A linkList is the value of an option that takes several words: JSON.
type linkList []string

// UnmarshalText reads what argumentReader.line writes.
func (l *linkList) UnmarshalText(text []byte) error { return json.Unmarshal(text, (*[]string)(l)) }

// Run changes a profile.
func (cmd updateProfileCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	err = api.UpdateProfile(c.ctx, cmd.Entity, client.ProfileUpdate{
		DisplayName: cmd.DisplayName, Description: cmd.Description, Organization: cmd.Organization, Location: cmd.Location,
		Links: (*[]string)(cmd.Links),
	})
	if err != nil {
		return err
	}
	c.say("Successfully updated profile")
	return nil
}

// renameEntityCommand is "ayb client rename_entity".
type renameEntityCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"The account."`
	Name   string `arg:"" name:"new_name" help:"Its name from now on; its databases move with it."`
}

// Run renames an account.
func (cmd renameEntityCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	if err := api.RenameEntity(c.ctx, cmd.Entity, cmd.Name); err != nil {
		return err
	}
	c.say("Renamed %s to %s", cmd.Entity, cmd.Name)
	return nil
}

// deleteEntityCommand is "ayb client delete_entity".
type deleteEntityCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"The account."`
	yesOption
}

// Run deletes an account.
func (cmd deleteEntityCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	if err := cmd.ask(c, fmt.Sprintf("Delete %s with all its databases", cmd.Entity)); err != nil {
		return err
	}
	if err := api.DeleteEntity(c.ctx, cmd.Entity); err != nil {
		return err
	}
	c.say("Deleted %s", cmd.Entity)
	return nil
}
