package ayb

import "context"

// Tidy does what the engine does every hour.
func (e *Engine) Tidy(ctx context.Context) { e.tidy(ctx) }
