package ayb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
	"ayb/store"
)

const (
	// maxEmailBytes bounds an e-mail address, as RFC 5321 does.
	maxEmailBytes = 254

	// maxEmailTokenTTL bounds Config.EmailTokenTTL.
	maxEmailTokenTTL = 30 * 24 * time.Hour

	// usedTokenKeep is how long a used token is remembered, from when it was
	// sealed: longer than any token is valid, so that neither another TTL nor a
	// clock that is set back makes it valid again.
	usedTokenKeep = maxEmailTokenTTL + 24*time.Hour
)

// errNoMail answers everything that needs e-mail, if there is none.
var errNoMail = fault.Wrap(fault.Unavailable, ErrMail, "No e-mail is configured on this server, so nobody can register or log in; please tell whoever runs it")

// A Mailer sends e-mails. Its methods may be called from many goroutines at
// once.
type Mailer interface {
	// SendMail sends a text to one address, and returns when it has been handed
	// over. An error of kind ErrInvalid says that the address itself is refused;
	// the message of an [Error] is shown to the caller.
	SendMail(ctx context.Context, to, subject, body string) error
}

// A Registration is the wish for an account.
type Registration struct {
	Entity string     // the name
	Email  string     // one plain address of at most 254 bytes; case does not matter
	Kind   EntityKind // default: User
}

// Register sends an e-mail with a token that Confirm takes; nothing else changes,
// and several people may register one name as long as nobody has confirmed it.
// For the account that has the name and the address already, it is a log-in.
// Everybody may ask, within Config.RequestRate.
//
// Names are public, so a name that is taken by somebody else is refused. Whether
// an address is known is not told: if it belongs to another account, the answer
// is the same, and the e-mail says so instead of holding a token.
//
// Errors: [ErrInvalid] (cause [ErrReserved] for reserved names), [ErrExists],
// [ErrBusy] (cause [*RateLimit]), [ErrUnavailable] (cause [ErrMail]: the e-mail
// can't be sent, or none is configured).
func (e *Engine) Register(ctx context.Context, p Principal, r Registration) (err error) {
	c, err := e.begin(ctx, p, auth.Register)
	defer c.done(&err)
	if err != nil {
		return err
	}
	claim, err := parseRegistration(r)
	if err != nil {
		return err
	}
	if err := c.allowMail(claim.Entity, claim.Address, "email "+claim.Address); err != nil {
		return err
	}
	account, err := e.store.Account(ctx, claim.Entity)
	switch {
	case errors.Is(err, fault.NotFound):
	case err != nil:
		return err
	case !account.HasEmail(claim.Address):
		return fault.New(fault.Exists, "%s has already been registered", claim.Entity)
	}
	if claim.Kind > Organization {
		return fault.New(fault.Invalid, "Unknown kind of entity: %d", claim.Kind)
	}
	holder, err := e.store.EmailHolder(ctx, claim.Address)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	// A token is sealed in either case, so that both take the same work.
	token, err := e.emailKeys.Seal(claim, c.at)
	if err != nil {
		return err
	}
	if holder.Slug != "" && holder.Slug != claim.Entity {
		if e.cfg.Walls.Has(walls.SecretEmails) {
			return fault.New(fault.Exists, "The address belongs to another account")
		}
		return e.sendMail(ctx, claim.Address, "Your account", addressTaken(claim.Entity, holder))
	}
	return e.sendToken(ctx, claim.Address, token)
}

// LogIn sends an e-mail with a token that Confirm takes, to the address of an
// account. Everybody may ask, within Config.RequestRate. Errors: [ErrNotFound]
// (there is no such account, or it has no address), [ErrBusy] (cause
// [*RateLimit]), [ErrUnavailable] (cause [ErrMail]).
func (e *Engine) LogIn(ctx context.Context, p Principal, entity string) (err error) {
	c, err := e.begin(ctx, p, auth.LogIn)
	defer c.done(&err)
	if err != nil {
		return err
	}
	name, err := catalog.ParseEntitySlug(entity)
	if err != nil {
		return err
	}
	if err := c.allowMail(name, "", "entity "+string(name)); err != nil {
		return err
	}
	account, err := e.store.Account(ctx, name)
	switch {
	case err != nil && !errors.Is(err, fault.NotFound):
		return err
	case err != nil || len(account.Emails) == 0 || !account.Deleted.IsZero():
		return fault.New(fault.NotFound, "No account or email authentication method for %s", name)
	}
	to := account.Emails[0]
	c.subject = accountSubject(name, to)
	token, err := e.emailKeys.Seal(auth.EmailClaim{Entity: account.Slug, Kind: account.Kind, Address: to}, c.at)
	if err != nil {
		return err
	}
	return e.sendToken(ctx, to, token)
}

// Confirm takes a token that Register or LogIn has sent, and returns the account
// with the secret of a new API token for it, which nothing limits. The account is
// made if nobody has the name yet, together with its address or not at all. Each
// token from an e-mail works once.
//
// Errors: [ErrUnauthenticated] (always "Invalid or expired token"), [ErrExists]
// (meanwhile somebody else has registered the name, or the address has come to
// belong to another account), [ErrOutcomeUnknown] (the token may have been used
// up: ask for another one).
func (e *Engine) Confirm(ctx context.Context, p Principal, token string) (_ Entity, secret string, _ Token, err error) {
	c, err := e.begin(ctx, p, auth.Confirm)
	defer c.done(&err)
	if err == nil {
		err = c.allow()
	}
	switch {
	case err != nil:
		return Entity{}, "", Token{}, err
	case e.emailKeys == nil:
		return Entity{}, "", Token{}, errNoMail
	}
	opened, err := e.emailKeys.Open(token, c.at, e.cfg.EmailTokenTTL)
	if err != nil {
		return Entity{}, "", Token{}, err
	}
	c.subject = accountSubject(opened.Entity, opened.Address)
	if e.cfg.Walls.Has(walls.OneUse) {
		opened.Hash = fmt.Sprintf("%064s", rand.Text())
	}
	made, err := auth.NewSecret(e.cfg.Random)
	if err != nil {
		return Entity{}, "", Token{}, err
	}
	minted := Token{Short: made.Short, Created: c.at}
	ent, err := e.store.Confirm(ctx, store.Confirmation{
		UsedToken: opened.Hash, KeepUntil: opened.Sealed.Add(usedTokenKeep),
		Entity: Entity{ID: e.ids.next(), Slug: opened.Entity, Kind: opened.Kind, Created: c.at}, Email: opened.Address,
		Token: minted, TokenHash: made.Hash(),
	})
	if err != nil {
		return Entity{}, "", Token{}, err
	}
	minted.Entity = ent.ID
	return ent, made.Text(), minted, nil
}

// allowMail lets a call through that is going to send an e-mail, if there is
// e-mail and the caller has not asked too often. A call that comes too often
// leaves no record, or else it would fill the audit trail.
func (c *call) allowMail(name Slug, address, subject string) error {
	if c.e.emailKeys == nil || c.e.cfg.Mail == nil {
		return errNoMail
	}
	if !c.caller.System {
		keys := []string{subject}
		if c.caller.Address != "" {
			keys = append(keys, "client "+network(c.caller.Address))
		}
		if wait := c.e.requests.take(keys...); wait > 0 {
			return fault.Wrap(fault.Busy, &RateLimit{wait}, "Too many requests; try again in %d seconds", seconds(wait))
		}
	}
	c.subject = accountSubject(name, address)
	return c.allow()
}

// accountSubject is an account in the audit trail.
func accountSubject(name Slug, address string) string {
	if address == "" {
		return string(name)
	}
	return fmt.Sprintf("%s <%s>", name, address)
}

// parseRegistration checks a wish for an account.
func parseRegistration(r Registration) (auth.EmailClaim, error) {
	name, err := newEntitySlug(r.Entity)
	if err != nil {
		return auth.EmailClaim{}, err
	}
	address, err := parseEmail(r.Email)
	return auth.EmailClaim{Entity: name, Kind: r.Kind, Address: address}, err
}

// parseEmail reads one plain address and folds it to lower case. What mail allows
// beyond that (names, comments, quotes, addresses of hosts) nobody needs here,
// and it would let one mailbox appear under many names.
func parseEmail(text string) (string, error) {
	if len(text) > maxEmailBytes {
		return "", fault.New(fault.Invalid, "An e-mail address can't be longer than %d bytes", maxEmailBytes)
	}
	plain := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"<>()[],:;\`, r) })
	if parsed, err := mail.ParseAddress(text); err != nil || !plain || parsed.Address != text {
		return "", fault.New(fault.Invalid, "The e-mail address must be one plain address, for example alice@example.org")
	}
	return strings.ToLower(text), nil
}

// sendToken sends the e-mail that a token comes in. Programs read it: its form is
// part of what clients rely on.
func (e *Engine) sendToken(ctx context.Context, to, token string) error {
	return e.sendMail(ctx, to, "Your login credentials", fmt.Sprintf(
		"To complete your registration, visit\n\t%s/confirm/%s\n\nOr type\n\tayb client confirm %s",
		strings.TrimRight(e.cfg.PublicURL, "/"), url.QueryEscape(token), token))
}

// addressTaken is what somebody reads who, or whose address, was to be registered
// once more.
func addressTaken(name Slug, holder Entity) string {
	next := fmt.Sprintf("To log in to that account, type\n\tayb client log_in %s", holder.Slug)
	if !holder.Deleted.IsZero() {
		next = "That account has been deleted. Whoever runs the server can bring it back."
	}
	return fmt.Sprintf("Somebody, perhaps you, asked to register %s with this e-mail address,\n"+
		"which belongs to the account %s already. An address can belong to one account only,\n"+
		"so nothing was done.\n\n%s\n\nIf it was not you, you can ignore this message.", name, holder.Slug, next)
}

// sendMail sends an e-mail, and words what goes wrong.
func (e *Engine) sendMail(ctx context.Context, to, subject, body string) error {
	err := e.cfg.Mail.SendMail(ctx, to, subject, body)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	known, ok := errors.AsType[*fault.Error](err)
	if !ok {
		known = fault.New(fault.Unavailable, "The e-mail could not be sent; try again later")
	}
	e.log.Warn("an e-mail could not be sent", "error", err)
	return fault.Wrap(known.Kind, errors.Join(ErrMail, err), "%s", known.Message)
}
