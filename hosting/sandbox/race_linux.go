//go:build race

package sandbox

// raceDetector says whether this program was built with the race detector.
const raceDetector = true
