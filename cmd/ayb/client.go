package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// clientCommand is "ayb client".
type clientCommand struct {
	Config *string `placeholder:"FILE" variable:"AYB_CLIENT_CONFIG_FILE" complete:"file" help:"The file that remembers the server and the tokens."`
	URL    *string `name:"url" placeholder:"VALUE" variable:"AYB_SERVER_URL" help:"The server; the first one that is given is remembered."`
	Token  *string `placeholder:"VALUE" variable:"AYB_API_TOKEN" help:"The API token, if not the one that is remembered for the server."`

	Register        registerCommand        `cmd:"" name:"register" group:"Your account" help:"Make an account, for yourself or an organization."`
	Confirm         confirmCommand         `cmd:"" name:"confirm" group:"Your account" help:"Finish registering or logging in, with the token from the e-mail."`
	LogIn           logInCommand           `cmd:"" name:"log_in" group:"Your account" help:"Log in from another machine: sends an e-mail."`
	LogOut          logOutCommand          `cmd:"" name:"log_out" group:"Your account" help:"Revoke the token in use, and forget it."`
	Status          statusCommand          `cmd:"" name:"status" group:"Your account" help:"Show server, token and configuration file, and whether they work."`
	WhoAmI          whoAmICommand          `cmd:"" name:"whoami" group:"Your account" help:"Show whom the token in use stands for, and what it may do."`
	UpdateProfile   updateProfileCommand   `cmd:"" name:"update_profile" group:"Your account" help:"Change a profile."`
	ListTokens      listTokensCommand      `cmd:"" name:"list_tokens" group:"Your account" help:"List your API tokens."`
	CreateToken     createTokenCommand     `cmd:"" name:"create_token" group:"Your account" help:"Make an API token, for a program or with less access."`
	RevokeToken     revokeTokenCommand     `cmd:"" name:"revoke_token" group:"Your account" help:"Revoke an API token."`
	RenameEntity    renameEntityCommand    `cmd:"" name:"rename_entity" group:"Your account" help:"Give an account another name."`
	DeleteEntity    deleteEntityCommand    `cmd:"" name:"delete_entity" group:"Your account" help:"Delete an account with all its databases."`
	CreateDatabase  createDatabaseCommand  `cmd:"" name:"create_database" group:"Databases" help:"Make a database."`
	List            listCommand            `cmd:"" name:"list" group:"Databases" help:"List the databases of somebody."`
	Query           queryCommand           `cmd:"" name:"query" group:"Databases" help:"Run SQL; without any, begin an interactive session."`
	Cancel          cancelCommand          `cmd:"" name:"cancel" group:"Databases" help:"Cancel a running query."`
	Export          exportCommand          `cmd:"" name:"export" group:"Databases" help:"Save a whole database as a file."`
	Import          importCommand          `cmd:"" name:"import" group:"Databases" help:"Make a database of a file."`
	DatabaseDetails databaseDetailsCommand `cmd:"" name:"database_details" group:"Databases" help:"Show what a database is, and what you may do with it."`
	RenameDatabase  renameDatabaseCommand  `cmd:"" name:"rename_database" group:"Databases" help:"Give a database another name."`
	TransferDB      transferCommand        `cmd:"" name:"transfer_database" group:"Databases" help:"Give a database to somebody else."`
	Offers          offersCommand          `cmd:"" name:"offers" group:"Databases" help:"List the databases that you offer to others, and others to you."`
	AcceptTransfer  acceptCommand          `cmd:"" name:"accept_transfer" group:"Databases" help:"Take a database that somebody offers you."`
	DeclineTransfer declineCommand         `cmd:"" name:"decline_transfer" group:"Databases" help:"Refuse a database that somebody offers you."`
	WithdrawOffer   withdrawCommand        `cmd:"" name:"withdraw_transfer" group:"Databases" help:"Take back the offer of a database."`
	DeleteDatabase  deleteDatabaseCommand  `cmd:"" name:"delete_database" group:"Databases" help:"Delete a database."`
	Deleted         deletedCommand         `cmd:"" name:"deleted" group:"Databases" help:"List the databases that can be brought back."`
	UndeleteDB      undeleteCommand        `cmd:"" name:"undelete_database" group:"Databases" help:"Bring a deleted database back."`
	ListSnapshots   listSnapshotsCommand   `cmd:"" name:"list_snapshots" group:"Databases" help:"List the snapshots of a database."`
	CreateSnapshot  createSnapshotCommand  `cmd:"" name:"create_snapshot" group:"Databases" help:"Take a snapshot of a database, which stays until you delete it."`
	DeleteSnapshot  deleteSnapshotCommand  `cmd:"" name:"delete_snapshot" group:"Databases" help:"Delete a snapshot."`
	RestoreSnapshot restoreSnapshotCommand `cmd:"" name:"restore_snapshot" group:"Databases" help:"Put a database back to what it was."`
	UpdateDatabase  updateDatabaseCommand  `cmd:"" name:"update_database" group:"Sharing" help:"Say what everybody may do with a database."`
	Share           shareCommand           `cmd:"" name:"share" group:"Sharing" help:"Say what somebody may do with a database."`
	ListPermissions listPermissionsCommand `cmd:"" name:"list_database_permissions" group:"Sharing" help:"List whom a database is shared with."`
	Shared          sharedCommand          `cmd:"" name:"shared" group:"Sharing" help:"List the databases that others share with you."`
	Profile         profileCommand         `cmd:"" name:"profile" group:"Sharing" help:"Show somebody's profile."`
	Members         membersCommand         `cmd:"" name:"members" group:"Organizations" help:"List the members of an organization."`
	AddMember       addMemberCommand       `cmd:"" name:"add_member" group:"Organizations" help:"Make somebody a member, or change their role."`
	RemoveMember    removeMemberCommand    `cmd:"" name:"remove_member" group:"Organizations" help:"End a membership."`
	Memberships     membershipsCommand     `cmd:"" name:"memberships" group:"Organizations" help:"List the organizations that you belong to."`
	SetDefaultURL   setDefaultURLCommand   `cmd:"" name:"set_default_url" group:"This program" help:"Remember another server."`
	ConfigPath      configPathCommand      `cmd:"" name:"config_path" group:"This program" help:"Print where the configuration file is."`
}

// Help shows how it begins.
func (clientCommand) Help() string {
	return `Options stand before the command. A hyphen is as good as an underscore in names.

Examples:
  ayb client --url http://127.0.0.1:5433 register marcua marcua@example.org
  ayb client confirm TOKEN_FROM_EMAIL
  ayb client create_database marcua/test.sqlite
  ayb client query marcua/test.sqlite "SELECT 1 AS one"
  ayb client help query`
}

// A connection is what a command of the client works with: the settings, and the
// server once a command asks for it.
type connection struct {
	surrounding
	options  *clientCommand
	ctx      context.Context // ends when a person interrupts the program
	file     settingsFile
	settings *clientSettings // nil until a command asks for them
	url      string
	token    string
	server   *client.Client
	advice   map[fault.Kind]string // what to do next, if the command knows better than the kind
}

// option returns the value of an option, or of its variable.
func (c *connection) option(value *string, variable string) *string {
	if value != nil {
		return value
	}
	if text, ok := c.variable(variable); ok {
		return &text
	}
	return nil
}

// settle reads the settings, and has Ctrl-C end the context.
func (c *connection) settle() (err error) {
	path := settingsPath(c.surrounding)
	if name := c.option(c.options.Config, "AYB_CLIENT_CONFIG_FILE"); name != nil {
		if path = *name; path == "" {
			return fault.New(fault.Invalid, "The name of the configuration file is empty; leave out --config and AYB_CLIENT_CONFIG_FILE for the default")
		}
	}
	c.file = settingsFile{path}
	var restore func()
	c.ctx, restore = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(c.ctx, restore) // a second one ends the program at once
	signal.Ignore(syscall.SIGPIPE)    // writing tells
	c.settings, err = c.file.load()
	return err
}

// anybody returns the server, with a token if there is one. A server that is
// given while none is remembered is remembered from then on.
func (c *connection) anybody() (*client.Client, error) {
	api, err := c.quietly()
	if given := c.option(c.options.URL, "AYB_SERVER_URL"); err == nil && given != nil && c.settings.DefaultURL == nil {
		c.remember(*given)
	}
	return api, err
}

// stranger is anybody, without a token: for what people do who have none, or none
// that works any more.
func (c *connection) stranger() (*client.Client, error) {
	none := ""
	c.options.Token = &none
	return c.anybody()
}

// quietly is anybody, and remembers nothing.
func (c *connection) quietly() (*client.Client, error) {
	if err := c.settle(); err != nil {
		return nil, err
	}
	if given := c.option(c.options.URL, "AYB_SERVER_URL"); given != nil {
		c.url = *given
	} else if c.settings.DefaultURL != nil {
		c.url = *c.settings.DefaultURL
	} else {
		c.advise(fault.Invalid, "remember one with: ayb client set_default_url http://127.0.0.1:5433")
		return nil, fault.New(fault.Invalid, "Server URL is required through --url parameter, AYB_SERVER_URL environment variable, or default_url in %s", c.file)
	}
	if token := c.option(c.options.Token, "AYB_API_TOKEN"); token != nil {
		c.token = *token
	} else {
		c.token = c.settings.token(c.url)
	}
	var err error
	c.server, err = client.New(client.Config{URL: c.url, Token: c.token, UserAgent: "ayb/" + version})
	return c.server, err
}

// remember saves the server. That it can't be saved is no reason not to do what
// was asked.
func (c *connection) remember(url string) {
	err := c.file.update(func(s *clientSettings) {
		if s.DefaultURL == nil {
			s.DefaultURL = &url
		}
	})
	if err != nil {
		fmt.Fprintf(c.errout, "Warning: %s is not remembered as the server. %s\n", visible(url), visible(fault.Message(err)))
	}
}

// authenticated returns the server, for a command that needs a token.
func (c *connection) authenticated() (*client.Client, error) {
	api, err := c.anybody()
	if err == nil && c.token == "" {
		return nil, errNoToken
	}
	return api, err
}

// errNoToken says that there is nothing to authenticate with.
var errNoToken error = fault.New(fault.Unauthenticated, "Calling endpoint that requires client API token, but none provided")

// close gives up what the connection holds.
func (c *connection) close() {
	if c.server != nil {
		c.server.Close()
	}
}

// say prints a line on the standard output. Nothing in it, wherever it comes from,
// can command a terminal.
func (c *connection) say(format string, args ...any) {
	fmt.Fprintln(c.out, visible(fmt.Sprintf(format, args...)))
}

// A databaseName is an argument that names a database.
type databaseName string

// UnmarshalText reads entity/database.
func (d *databaseName) UnmarshalText(text []byte) error {
	if !databasePattern.Match(text) {
		return fault.New(fault.Invalid, "Argument must be formatted as 'entity/database'")
	}
	*d = databaseName(text)
	return nil
}

// owner returns the entity in the name.
func (d databaseName) owner() string {
	ref, err := catalog.ParseRef(string(d))
	if err != nil {
		return ""
	}
	return string(ref.Entity)
}

// report writes why a command failed and what to do next, and returns the exit
// status.
func (c *connection) report(err error) int {
	printed, _ := c.out.(*checkedWriter)
	switch {
	case err == nil, printed != nil && printed.err != nil && errors.Is(err, printed.err):
		return exitOK // the writer tells for itself
	case errors.As(err, new(*usageError)):
		fmt.Fprintf(c.errout, "error: %s\n", visibleLines(err.Error()))
		return exitUsage
	case c.ctx == nil: // not a command of the client
		report(c.errout, err)
		return exitError
	case isInterruption(err):
		return exitInterrupted
	case isBrokenPipe(err):
		return exitUnread
	case errors.Is(err, errReported):
		return exitError
	}
	fmt.Fprintf(c.errout, "Error: %s\n", visibleLines(fault.Message(err)))
	if hint := c.hint(err); hint != "" {
		fmt.Fprintf(c.errout, "hint: %s\n", visible(hint))
	}
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	return exitError
}
