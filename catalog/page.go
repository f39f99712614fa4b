package catalog

// The bounds of a page.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
)

// A Page asks for a part of a list. The zero Page asks for the first
// [DefaultPageSize] items.
type Page struct {
	Size  int    // how many items at the most, 1 to MaxPageSize; 0: DefaultPageSize
	After string // the Next of the page before; empty: from the beginning
}

// Limit returns the number of items to return, within the bounds.
func (p Page) Limit() int {
	if p.Size <= 0 {
		return DefaultPageSize
	}
	return min(p.Size, MaxPageSize)
}

// A List is one page of a list.
type List[T any] struct {
	Items []T
	Next  string // give it as Page.After to go on; empty: this was the last page
}
