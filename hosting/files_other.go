//go:build !unix

package hosting

// noFollow has no meaning here.
const noFollow = 0

// nonBlock has no meaning here.
const nonBlock = 0

// isOutOfMemory reports whether the operating system refused memory.
func isOutOfMemory(error) bool { return false }
