// Package operator is the door for whoever runs a server: what [ayb.System] may
// do, over HTTP, on a socket in the data path that the server's own user alone
// can open, to whoever can read the key beside it. It is never served on a network;
// [Listen] makes nothing but such sockets, and there are no accounts here: whoever
// gets in is the host.
//
// [New] is the handler, and the table in it is all there is to add to for one
// more route. A [Client] asks it, through the socket of a running server
// ([Dial]), or in a program that has the engine open itself ([Within]).
package operator
