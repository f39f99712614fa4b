package ayb

import "context"

// Tidy does what the engine does every hour.
func (e *Engine) Tidy(ctx context.Context) { e.tidy(ctx) }

// Round does what the engine does every Interval of its snapshots.
func (e *Engine) Round(ctx context.Context) { e.round(ctx) }

// RoundOfMetadata does what a round does after its databases.
func (e *Engine) RoundOfMetadata(ctx context.Context) { e.roundOfMetadata(ctx) }

// OnStep has what is written in between told, one database after the other, so that a
// test can kill there.
func (o *RecoverOptions) OnStep(step func(name string)) { o.step, o.atOnce = step, 1 }
