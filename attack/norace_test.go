//go:build !race

package attack

// slowness is by how much the program is slower than usual, and bulk by how much it is
// larger.
const (
	slowness = 1
	bulk     = 1
)
