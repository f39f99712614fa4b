// Package auth holds the proofs and the rules of ayb: API tokens, the tokens that
// are sent by e-mail, and the one table that says who may do what. It keeps
// nothing and looks nothing up; what it needs to know comes in as arguments, so
// that every rule can be tested by itself.
//
// [Allow] is the only place that decides. A door or a method that wants to know
// whether something is permitted asks it, and never compares access levels on
// its own.
package auth
