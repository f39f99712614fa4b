package catalog

// A Principal is who a call is made for. Every call of the engine takes one and
// is checked against it. The zero Principal is anonymous.
//
// Principals are values that Go code makes at will: whoever can call the engine
// in process is trusted to say for whom it calls. A door makes them from what
// strangers send, and only by way of Engine.Authenticate.
type Principal struct {
	System bool   // the host itself: may do everything
	Entity ID     // zero if System or anonymous
	Slug   Slug   // of the entity, for messages
	Token  string // short half of the token used; empty if none was
	Scope  Scope  // what the token caps; zero without a token

	// Address is where the call came from, for the audit trail: an IP address,
	// or empty for a call within the process.
	Address string
}

// Anonymous reports whether the call is made for nobody in particular.
func (p Principal) Anonymous() bool { return !p.System && p.Entity.IsZero() }

// From returns a copy of p that says where the call came from.
func (p Principal) From(address string) Principal {
	p.Address = address
	return p
}
