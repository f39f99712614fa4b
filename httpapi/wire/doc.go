// Package wire holds the shapes of ayb's HTTP API: what the server writes and a
// client reads, with the order of keys that programs written for ayb expect. It
// knows the words and nothing of HTTP or of an engine, so that a client can link
// it alone.
//
// Small answers are structs for [Encode]. The answers to queries are written by
// functions that append, because they are the bulk of the traffic: no value of a
// row costs an allocation.
package wire
