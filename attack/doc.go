// Package attack reads the descriptions of attacks in testdata/attacks, each of
// which names the wall it runs into. Its tests carry every attack out against a
// whole server, and once more with the wall taken down: then it must succeed, or
// it proves nothing.
package attack
