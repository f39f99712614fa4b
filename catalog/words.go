package catalog

import (
	"fmt"
	"slices"

	"ayb/fault"
)

// words maps a small enumeration to its wire words: the index is the number
// that is stored.
type words[T ~uint8] []string

func (w words[T]) word(v T) string {
	if int(v) < len(w) {
		return w[v]
	}
	return fmt.Sprintf("unknown(%d)", uint8(v))
}

func (w words[T]) parse(s string) (T, error) {
	if i := slices.Index(w, s); i >= 0 {
		return T(i), nil
	}
	return 0, fault.New(fault.Invalid, "Unknown value: %s", s)
}
