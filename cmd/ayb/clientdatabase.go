package main

import (
	"fmt"
	"strings"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// A databaseArgument is the argument that most commands about databases have.
type databaseArgument struct {
	Database databaseName `arg:"" name:"database" complete:"database" help:"The database, as entity/database."`
}

// managed returns the server for a command that takes a manager of the database.
func (d databaseArgument) managed(c *connection) (*client.Client, error) {
	if d.Database.owner() != "" {
		c.advise(fault.Denied, "only who manages "+d.ref()+" can do that; a manager can make you one: ayb client share "+d.ref()+" YOUR_NAME manager")
	}
	return c.authenticated()
}

// owned returns the server for a command that takes the owner of the database.
func (d databaseArgument) owned(c *connection) (*client.Client, error) {
	if owner := d.Database.owner(); owner != "" {
		c.advise(fault.Denied, "only the owner, "+owner+", can do that")
	}
	return c.authenticated()
}

// ref returns the database's name.
func (d databaseArgument) ref() string { return string(d.Database) }

// createDatabaseCommand is "ayb client create_database".
type createDatabaseCommand struct {
	databaseArgument
	Type   string `arg:"" optional:"" name:"type" enum:"sqlite,duckdb" default:"sqlite" help:"What kind of database."`
	Public string `arg:"" optional:"" name:"public_sharing_level" enum:"no-access,fork,read-only" default:"no-access" help:"What everybody may do with it."`
}

// Run makes a database.
func (cmd createDatabaseCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	var opt client.DatabaseOptions
	if opt.Kind, err = catalog.ParseDatabaseKind(cmd.Type); err != nil {
		return err
	}
	if opt.Public, err = catalog.ParsePublicLevel(cmd.Public); err != nil {
		return err
	}
	if _, err := api.CreateDatabase(c.ctx, cmd.ref(), &opt); err != nil {
		return err
	}
	c.say("Successfully created %s", cmd.ref())
	return nil
}

// listCommand is "ayb client list".
type listCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"Whose databases."`
	formatOption
}

// Run lists the databases of an entity.
func (cmd listCommand) Run(c *connection) error {
	api, err := c.anybody()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Database slug"}, {title: "Type"}}
	row := func(db catalog.Database) listRow { return listRow{text(string(db.Slug)), text(db.Kind.String())} }
	return list(c, cmd.Format, columns, api.AllDatabases(c.ctx, cmd.Entity), row, "No queryable databases owned by "+cmd.Entity)
}

// databaseDetailsCommand is "ayb client database_details".
type databaseDetailsCommand struct{ databaseArgument }

// Run shows what a database is.
func (cmd databaseDetailsCommand) Run(c *connection) error {
	c.adviseOn(cmd.Database)
	api, err := c.anybody()
	if err != nil {
		return err
	}
	details, err := api.Database(c.ctx, cmd.ref())
	if err != nil {
		return err
	}
	access := map[catalog.Access]string{catalog.ReadOnly: "ReadOnly", catalog.ReadWrite: "ReadWrite"}[details.Access]
	if access == "" {
		access = "No query access"
	}
	c.say("Database: %s", cmd.ref())
	c.say("Type: %s", details.Kind)
	c.say("Access level: %s", access)
	if details.CanManage {
		c.say("You have management permissions for this database")
	}
	if details.Access >= catalog.ReadOnly {
		c.say("Size: %s", sizeOf(details.Size, details.Quota))
	}
	if details.CanManage {
		c.say("All databases of %s: %s", details.OwnerSlug, sizeOf(details.OwnerSize, details.OwnerQuota))
	}
	if !details.Proven.IsZero() {
		c.say("Proven restorable as of: %s", withFraction(details.Proven, "2006-01-02T15:04:05", "+00:00"))
	}
	return nil
}

// sizeOf writes for people how large something is, and what it may become.
func sizeOf(bytes, bound int64) string {
	if bound == 0 {
		return readable(bytes)
	}
	return readable(bytes) + " of " + readable(bound)
}

// readable writes a number of bytes with at most one digit behind the point.
func readable(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	size, power := float64(n), 0
	for size >= 1024 && power < len(sizeUnits)-1 {
		size /= 1024
		power++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", size), ".0") + " " + sizeUnits[power]
}

// renameDatabaseCommand is "ayb client rename_database".
type renameDatabaseCommand struct {
	databaseArgument
	Name string `arg:"" name:"new_name" help:"Its name from now on, without the entity."`
}

// Run renames a database.
func (cmd renameDatabaseCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	// Whoever writes the whole name, as everywhere else, means the same.
	name := strings.TrimPrefix(cmd.Name, cmd.Database.owner()+"/")
	if err := api.RenameDatabase(c.ctx, cmd.ref(), name); err != nil {
		return err
	}
	c.say("Renamed %s to %s/%s", cmd.ref(), cmd.Database.owner(), name)
	return nil
}

// deleteDatabaseCommand is "ayb client delete_database".
type deleteDatabaseCommand struct {
	databaseArgument
	yesOption
}

// Run deletes a database.
func (cmd deleteDatabaseCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	if err := cmd.ask(c, "Delete "+cmd.ref()); err != nil {
		return err
	}
	if err := api.DeleteDatabase(c.ctx, cmd.ref()); err != nil {
		return err
	}
	c.say("Deleted %s", cmd.ref())
	return nil
}

// deletedCommand is "ayb client deleted".
type deletedCommand struct {
	Entity string `arg:"" name:"entity" complete:"entity" help:"Whose databases."`
	formatOption
}

// Run lists the deleted databases of an entity, the last deleted first.
func (cmd deletedCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Database slug"}, {title: "Type"}, {title: "Deleted"}, {title: "Kept until"}}
	row := func(db client.DeletedDatabase) listRow {
		return listRow{text(string(db.Slug)), text(db.Kind.String()), moment(db.Deleted), moment(db.KeptUntil)}
	}
	return list(c, cmd.Format, columns, api.AllDeletedDatabases(c.ctx, cmd.Entity), row, "No deleted databases of "+cmd.Entity)
}

// undeleteCommand is "ayb client undelete_database".
type undeleteCommand struct{ databaseArgument }

// Run brings a database back.
func (cmd undeleteCommand) Run(c *connection) error {
	api, err := cmd.owned(c)
	if err != nil {
		return err
	}
	if _, err := api.UndeleteDatabase(c.ctx, cmd.ref()); err != nil {
		return err
	}
	c.say("Brought %s back", cmd.ref())
	return nil
}
