// Package hostingtest has the suite that every [hosting.Runner] passes, and a
// Runner that speaks to another over a connection.
//
// [Run] is the suite. A package that implements a Runner calls it from a test
// with a function that opens one:
//
//	func TestRunner(t *testing.T) {
//		hostingtest.Run(t, func(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
//			...
//		}, nil)
//	}
//
// The suite knows a Runner by its interface, and by the place of its files as
// [hosting.VersionPath] gives it: it puts images there, damages them and takes
// them away, as an engine or a bad disk would.
//
// [Pipe] is a Runner whose calls cross a connection as bytes. It exists so that
// neither the interface nor the suite can come to rely on shared memory.
package hostingtest
