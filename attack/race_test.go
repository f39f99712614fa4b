//go:build race

package attack

// What the race detector makes of the program: all bounds on time are so many times
// longer, those of the server too, and those on memory so many times larger.
const (
	slowness = 8
	bulk     = 4
)
