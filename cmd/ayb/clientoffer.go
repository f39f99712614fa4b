package main

import (
	"fmt"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// transferCommand is "ayb client transfer_database".
type transferCommand struct {
	databaseArgument
	Entity string `arg:"" name:"entity" complete:"entity" help:"Who is to own it from now on."`
	yesOption
}

// Help says who has to agree.
func (transferCommand) Help() string {
	return `An organization of which you are an owner or admin has the database at once.
Everybody else is offered it, and has a week to accept it:
  ayb client accept_transfer marcua/test.sqlite`
}

// Run gives a database away, or offers it.
func (cmd transferCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	if err := cmd.ask(c, fmt.Sprintf("Give %s to %s", cmd.Database, cmd.Entity)); err != nil {
		return err
	}
	offer, err := api.TransferDatabase(c.ctx, cmd.ref(), cmd.Entity)
	if err != nil {
		return err
	}
	if offer.Expires.IsZero() {
		c.say("Transferred %s to %s", cmd.Database, cmd.Entity)
		return nil
	}
	c.say("Offered %s to %s, who can accept it until %s UTC", cmd.Database, cmd.Entity, offer.Expires.UTC().Format("2006-01-02 15:04"))
	return nil
}

// offersCommand is "ayb client offers".
type offersCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"Whose: you, or an organization of yours."`
	formatOption
}

// Run lists the databases that an entity has offered and been offered.
func (cmd offersCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Database"}, {title: "Type"}, {title: "Offered to"}, {title: "Offered"}, {title: "Lapses"}}
	row := func(o catalog.Offer) listRow {
		return listRow{text(o.Database.Ref().String()), text(o.Database.Kind.String()), text(string(o.ToSlug)), moment(o.Offered), moment(o.Expires)}
	}
	return list(c, cmd.Format, columns, api.AllOffers(c.ctx, cmd.Entity), row, "No offers to or of "+cmd.Entity)
}

// An offerArgument is what the commands that answer an offer have.
type offerArgument struct {
	Database databaseName `arg:"" name:"database" help:"The database that is offered, as entity/database."`
	Entity   string       `name:"entity" placeholder:"value" complete:"entity" help:"An organization of yours that is offered it, instead of you."`
}

// offered returns the server for a command that answers an offer.
func (o offerArgument) offered(c *connection) (*client.Client, error) {
	c.advise(fault.NotFound, "what is offered is listed by: ayb client offers YOUR_NAME")
	return c.authenticated()
}

// acceptCommand is "ayb client accept_transfer".
type acceptCommand struct {
	offerArgument
	Name string `name:"name" placeholder:"value" help:"Its name from now on, without the entity, if not the one that it has."`
}

// Run takes a database that is offered.
func (cmd acceptCommand) Run(c *connection) error {
	api, err := cmd.offered(c)
	if err != nil {
		return err
	}
	c.advise(fault.Exists, "choose another name with: --name NAME")
	db, err := api.AcceptOffer(c.ctx, cmd.Entity, string(cmd.Database), cmd.Name)
	if err != nil {
		return err
	}
	c.say("Accepted %s as %s", cmd.Database, db.Ref())
	return nil
}

// declineCommand is "ayb client decline_transfer".
type declineCommand struct{ offerArgument }

// Run refuses a database that is offered.
func (cmd declineCommand) Run(c *connection) error {
	api, err := cmd.offered(c)
	if err != nil {
		return err
	}
	if err := api.DeclineOffer(c.ctx, cmd.Entity, string(cmd.Database)); err != nil {
		return err
	}
	c.say("Declined %s", cmd.Database)
	return nil
}

// withdrawCommand is "ayb client withdraw_transfer".
type withdrawCommand struct{ databaseArgument }

// Run takes an offer back.
func (cmd withdrawCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	if err := api.WithdrawOffer(c.ctx, cmd.ref()); err != nil {
		return err
	}
	c.say("Withdrew the offer of %s", cmd.Database)
	return nil
}
