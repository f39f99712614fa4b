//go:build linux && !race

package worker

const slow = 1
