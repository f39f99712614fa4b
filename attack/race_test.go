//go:build race

package attack

// slowness is by how much the race detector slows SQLite down.
const slowness = 8
