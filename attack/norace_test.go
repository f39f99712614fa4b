//go:build !race

package attack

// slowness is by how much the program is slower than usual.
const slowness = 1
