package ayb

import (
	"context"

	"ayb/auth"
)

// AuditLog returns what has been done and refused, newest first, up to this
// call. Queries that were allowed are not in it; see [Engine.QueryCounts]. For
// the system only.
func (e *Engine) AuditLog(ctx context.Context, p Principal, filter AuditFilter, page Page) (_ List[AuditRecord], err error) {
	c, err := e.authorizeHost(ctx, p, auth.ReadAudit, "")
	defer c.done(&err)
	if err != nil {
		return List[AuditRecord]{}, err
	}
	if err := e.journal.flush(ctx); err != nil {
		return List[AuditRecord]{}, err
	}
	return e.store.Audit(ctx, filter, page)
}

// QueryCounts returns how many queries were allowed in each minute, newest
// first, up to this call. For the system only.
func (e *Engine) QueryCounts(ctx context.Context, p Principal, filter AuditFilter, page Page) (_ List[QueryCount], err error) {
	c, err := e.authorizeHost(ctx, p, auth.ReadAudit, "")
	defer c.done(&err)
	if err != nil {
		return List[QueryCount]{}, err
	}
	if err := e.journal.flush(ctx); err != nil {
		return List[QueryCount]{}, err
	}
	return e.store.QueryCounts(ctx, filter, page)
}
