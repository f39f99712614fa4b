//go:build !linux

package sched

import (
	"errors"
	"time"
)

// Processors are processors of the machine.
type Processors struct{}

// First fails: there is no way here.
func First() error { return errors.ErrUnsupported }

// Own fails.
func Own() (Processors, error) { return Processors{}, errors.ErrUnsupported }

// Confine fails.
func Confine(int, Processors) error { return errors.ErrUnsupported }

// Lazily calls start: there is no way here.
func Lazily(_ time.Duration, start func() error) error { return start() }

// Computed fails.
func Computed(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// Innermost returns the process.
func Innermost(process int) int { return process }

// Count returns 0.
func (Processors) Count() int { return 0 }

// IsSet returns false.
func (Processors) IsSet(int) bool { return false }

// Clear does nothing.
func (Processors) Clear(int) {}
