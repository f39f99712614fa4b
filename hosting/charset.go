package hosting

// A charset is the set of characters that trim takes away. A character is a
// byte, or a byte from 0xC0 on with all continuation bytes behind it, so in
// invalid UTF-8 one may begin another; then the first in the list counts.
type charset struct {
	single  [256]int       // place in the list, from 1, of each character of one byte
	longer  map[string]int // of each character of more bytes
	lengths map[int]bool   // of the characters in longer
}

// newCharset reads the list, which ends at the first NUL.
func newCharset(list []byte) *charset {
	set := &charset{longer: map[string]int{}, lengths: map[int]bool{}}
	for place := 1; len(list) > 0 && list[0] != 0; place++ {
		n := charLen(list)
		char := string(list[:n])
		switch {
		case n > 1 && set.longer[char] == 0:
			set.longer[char] = place
			set.lengths[n] = true
		case n == 1 && set.single[char[0]] == 0:
			set.single[char[0]] = place
		}
		list = list[n:]
	}
	return set
}

// charLen returns the length of the character at the start of s.
func charLen(s []byte) int {
	n := 1
	for s[0] >= 0xC0 && n < len(s) && isContinuation(s[n]) {
		n++
	}
	return n
}

// place returns the place of char in the list, 0 if it is not in it.
func (set *charset) place(char []byte) int {
	if len(char) == 1 {
		return set.single[char[0]]
	}
	if !set.lengths[len(char)] {
		return 0
	}
	return set.longer[string(char)]
}

// trimLeft drops the characters of the set from the start of s.
func (set *charset) trimLeft(s []byte) []byte {
	for len(s) > 0 {
		best, taken := 0, 0
		for n := charLen(s); n > 0; n-- {
			if p := set.place(s[:n]); p > 0 && (best == 0 || p < best) {
				best, taken = p, n
			}
		}
		if best == 0 {
			break
		}
		s = s[taken:]
	}
	return s
}

// trimRight drops the characters of the set from the end of s.
func (set *charset) trimRight(s []byte) []byte {
	lead := len(s) // where the last character of s begins, if that is below len(s)
	for len(s) > 0 {
		if lead >= len(s) {
			for lead = len(s) - 1; lead > 0 && isContinuation(s[lead]); lead-- {
			}
		}
		last := len(s) - 1
		best, from := set.place(s[last:]), last
		if s[lead] >= 0xC0 {
			if p := set.place(s[lead:]); p > 0 && (best == 0 || p < best) {
				best, from = p, lead
			}
		}
		if best == 0 {
			break
		}
		s = s[:from]
	}
	return s
}
