package main

import (
	"ayb/catalog"
	"ayb/client"
)

// updateDatabaseCommand is "ayb client update_database".
type updateDatabaseCommand struct {
	databaseArgument
	Public    string `required:"" name:"public_sharing_level" placeholder:"value" enum:"no-access,fork,read-only" help:"What everybody may do with it."`
	Anonymous string `name:"anonymous_queries" placeholder:"value" enum:",true,false" default:"" help:"Whether people without an account may query it while it is read-only to all."`
}

// Run changes what everybody may do with a database.
func (cmd updateDatabaseCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	level, err := catalog.ParsePublicLevel(cmd.Public)
	if err != nil {
		return err
	}
	update := client.DatabaseUpdate{Public: &level}
	if cmd.Anonymous != "" {
		anonymous := cmd.Anonymous == "true"
		update.AnonymousQueries = &anonymous
	}
	if err := api.UpdateDatabase(c.ctx, cmd.ref(), update); err != nil {
		return err
	}
	c.say("Database %s updated successfully", cmd.Database)
	return nil
}

// shareCommand is "ayb client share".
type shareCommand struct {
	databaseArgument
	Entity string `arg:"" name:"entity" complete:"entity" help:"With whom."`
	Level  string `arg:"" name:"sharing_level" enum:"no-access,read-only,read-write,manager" help:"What they may do; no-access takes all away."`
}

// Help shows how it is used.
func (shareCommand) Help() string {
	return `Examples:
  ayb client share marcua/test.sqlite alice read-only
  ayb client share marcua/test.sqlite alice no-access`
}

// Run changes what somebody may do with a database.
func (cmd shareCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	access, err := catalog.ParseAccess(cmd.Level)
	if err != nil {
		return err
	}
	if err := api.Share(c.ctx, cmd.ref(), cmd.Entity, access); err != nil {
		return err
	}
	c.say("Permissions for %s on %s updated successfully", cmd.Entity, cmd.Database)
	return nil
}

// listPermissionsCommand is "ayb client list_database_permissions".
type listPermissionsCommand struct {
	databaseArgument
	formatOption
}

// Run lists whom a database is shared with.
func (cmd listPermissionsCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Entity"}, {title: "Sharing level"}}
	row := func(g catalog.Grant) listRow { return listRow{text(string(g.Slug)), text(g.Access.String())} }
	return list(c, cmd.Format, columns, api.AllGrants(c.ctx, cmd.ref()), row, "No shared permissions for "+cmd.ref())
}

// sharedCommand is "ayb client shared".
type sharedCommand struct{ formatOption }

// Run lists what others share.
func (cmd sharedCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Database"}, {title: "Type"}, {title: "Sharing level"}}
	row := func(s catalog.Share) listRow {
		db := s.Database
		return listRow{text(string(db.OwnerSlug + "/" + db.Slug)), text(db.Kind.String()), text(s.Access.String())}
	}
	return list(c, cmd.Format, columns, api.AllShared(c.ctx), row, "No databases are shared with you")
}

// membersCommand is "ayb client members".
type membersCommand struct {
	Organization string `arg:"" name:"organization" complete:"entity" help:"The organization."`
	formatOption
}

// Run lists the members of an organization.
func (cmd membersCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Entity"}, {title: "Role"}, {title: "Joined"}}
	row := func(m catalog.Membership) listRow {
		return listRow{text(string(m.EntitySlug)), text(m.Role.String()), moment(m.Joined)}
	}
	return list(c, cmd.Format, columns, api.AllMembers(c.ctx, cmd.Organization), row, "No members in "+cmd.Organization)
}

// membershipsCommand is "ayb client memberships".
type membershipsCommand struct{ formatOption }

// Run lists the organizations of the caller.
func (cmd membershipsCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	columns := []listColumn{{title: "Organization"}, {title: "Role"}, {title: "Joined"}}
	row := func(m catalog.Membership) listRow {
		return listRow{text(string(m.OrganizationSlug)), text(m.Role.String()), moment(m.Joined)}
	}
	return list(c, cmd.Format, columns, api.AllMemberships(c.ctx), row, "You are not a member of any organization")
}

// addMemberCommand is "ayb client add_member".
type addMemberCommand struct {
	Organization string `arg:"" name:"organization" complete:"entity" help:"The organization."`
	Entity       string `arg:"" name:"entity" complete:"entity" help:"Who belongs to it."`
	Role         string `arg:"" optional:"" name:"role" enum:"member,admin,owner" default:"member" help:"What they may do in it."`
}

// Help says what the roles mean.
func (addMemberCommand) Help() string {
	return `A member reads and writes all databases of the organization. An admin also makes and shares them, and adds members.
An owner may do everything.`
}

// Run gives somebody a role in an organization.
func (cmd addMemberCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	role, err := catalog.ParseRole(cmd.Role)
	if err != nil {
		return err
	}
	if err := api.SetMember(c.ctx, cmd.Organization, cmd.Entity, role); err != nil {
		return err
	}
	c.say("Role of %s in %s is %s", cmd.Entity, cmd.Organization, role)
	return nil
}

// removeMemberCommand is "ayb client remove_member".
type removeMemberCommand struct {
	Organization string `arg:"" name:"organization" complete:"entity" help:"The organization."`
	Entity       string `arg:"" name:"entity" complete:"entity" help:"Who does not belong to it any more."`
}

// Run ends a membership.
func (cmd removeMemberCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	if err := api.RemoveMember(c.ctx, cmd.Organization, cmd.Entity); err != nil {
		return err
	}
	c.say("Removed %s from %s", cmd.Entity, cmd.Organization)
	return nil
}
