package hosting

import "bytes"

// shortNeedle is a length up to which bytes.Index, whose time may grow with the
// product of both lengths, is fast whatever it is given.
const shortNeedle = 32

// A searcher finds a needle in time proportional to the haystack, whatever the
// two hold, and without memory of its own: by the two-way algorithm of
// Crochemore and Perrin. The searches of package bytes are not used for long
// needles, because periodic ones make them quadratic, which strangers would use.
type searcher struct {
	needle []byte
	middle int  // where the needle's right half begins, which is compared first
	shift  int  // how far to go on after the right half has matched
	period bool // shift is the needle's period: what was compared need not be again
}

// newSearcher prepares the search for needle, which is not empty.
func newSearcher(needle []byte) searcher {
	s := searcher{needle: needle}
	if len(needle) <= shortNeedle {
		return s
	}
	var period int
	s.middle, period = maximalSuffix(needle, false)
	if m, p := maximalSuffix(needle, true); m > s.middle {
		s.middle, period = m, p
	}
	if s.middle+period <= len(needle) && bytes.Equal(needle[:s.middle], needle[period:period+s.middle]) {
		s.shift, s.period = period, true
	} else {
		s.shift = max(s.middle, len(needle)-s.middle) + 1
	}
	return s
}

// index returns where the needle first stands in hay, -1 if nowhere.
func (s *searcher) index(hay []byte) int {
	if len(s.needle) <= shortNeedle {
		return bytes.Index(hay, s.needle)
	}
	known := 0 // so many bytes at hay[at:] are known to equal the needle's
	for at := 0; at <= len(hay)-len(s.needle); {
		window := hay[at : at+len(s.needle)]
		right := max(s.middle, known)
		for right < len(window) && window[right] == s.needle[right] {
			right++
		}
		if right < len(window) {
			at += right - s.middle + 1
			known = 0
			continue
		}
		left := s.middle
		for left > known && window[left-1] == s.needle[left-1] {
			left--
		}
		if left <= known {
			return at
		}
		at += s.shift
		if s.period {
			known = len(window) - s.shift
		}
	}
	return -1
}

// maximalSuffix returns where the greatest suffix of x begins, in the order of
// bytes or in the reverse order, and the period of that suffix.
func maximalSuffix(x []byte, reverse bool) (start, period int) {
	start, period = 0, 1
	for candidate, same := 1, 0; candidate+same < len(x); {
		a, b := x[candidate+same], x[start+same]
		switch {
		case a == b && same+1 == period:
			candidate += period
			same = 0
		case a == b:
			same++
		case a < b != reverse:
			candidate += same + 1
			same = 0
			period = candidate - start
		default:
			start = candidate
			candidate++
			same, period = 0, 1
		}
	}
	return start, period
}
