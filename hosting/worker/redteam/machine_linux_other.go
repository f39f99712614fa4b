//go:build linux && !amd64

package main

// machineAttempts are those that only this kind of processor offers.
func machineAttempts() []attempt { return nil }
