// Package stress has tests that work a whole server hard: it is killed while it
// writes as fast as it can, and holds what it acknowledged against what it kept
// (TestLedger); and it serves all kinds of work at once for a long time and must not
// grow (TestMixed).
//
// They run on Linux, which tells what a process has. Both are short unless these variables of the environment say otherwise, as
// "make stress" does:
//
//	AYB_STRESS=30m         how long the mixed load lasts
//	AYB_STRESS_ROUNDS=100  how often the ledger's server is killed
package stress
