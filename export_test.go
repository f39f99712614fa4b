package ayb

import "context"

// Tidy does what the engine does every hour.
func (e *Engine) Tidy(ctx context.Context) { e.tidy(ctx) }

// Round does what the engine does every Interval of its snapshots.
func (e *Engine) Round(ctx context.Context) { e.round(ctx) }

// RoundOfMetadata does what a round does after its databases.
func (e *Engine) RoundOfMetadata(ctx context.Context) { e.roundOfMetadata(ctx) }
