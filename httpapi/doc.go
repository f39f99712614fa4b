// Package httpapi is the JSON API of ayb as an [http.Handler]: requests are
// decoded, made to the engine for whoever sent them, and answered. It decides
// nothing about who may do what; the engine does.
//
//	http.Handle("/", httpapi.New(eng, nil))
//
// The embedding program owns the listener and the server around the handler. Of
// a server that strangers reach, ReadHeaderTimeout, IdleTimeout and
// MaxHeaderBytes should be set; ReadTimeout and WriteTimeout should not, because
// a streamed answer may take long: the handler itself bounds how long a client
// may take to send a body and to accept each piece of an answer.
//
// Every route is described in docs/api.md. The shapes of bodies are in package
// httpapi/wire, which a client can import without an engine.
package httpapi
