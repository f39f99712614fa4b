package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"ayb/catalog"
	"ayb/fault"
)

// pageQuery returns the part of an address that asks for a page.
func pageQuery(page catalog.Page) string {
	values := url.Values{"limit": {strconv.Itoa(page.Limit())}}
	if page.After != "" {
		values.Set("after", page.After)
	}
	return "?" + values.Encode()
}

// getList asks for a page of a list. items returns those of an answer, nil if it
// is none, and where the next page is.
func getList[A, W, T any](ctx context.Context, c *Client, path string, page catalog.Page, items func(*A) ([]W, string), convert func(W) (T, error)) (catalog.List[T], error) {
	var answer A
	whole := func() bool { list, _ := items(&answer); return list != nil }
	if err := c.do(ctx, request{method: http.MethodGet, path: path + pageQuery(page)}, &answer, whole); err != nil {
		return catalog.List[T]{}, err
	}
	list, next := items(&answer)
	return newList(list, next, convert)
}

// newList turns the items of an answer into those of a list.
func newList[W, T any](items []W, next string, convert func(W) (T, error)) (catalog.List[T], error) {
	l := catalog.List[T]{Items: make([]T, len(items)), Next: next}
	for i, item := range items {
		var err error
		if l.Items[i], err = convert(item); err != nil {
			return catalog.List[T]{}, fault.Wrap(fault.Unavailable, err, "The server answers with words that this client does not know; a newer client may")
		}
	}
	return l, nil
}

// maxEmptyPages bounds how many pages without items are gone through in a row.
const maxEmptyPages = 100

// all goes through a list page by page. It ends after the first error.
func all[T any](ctx context.Context, get func(context.Context, catalog.Page) (catalog.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		page := catalog.Page{Size: catalog.MaxPageSize}
		for empty := 0; ; empty++ {
			l, err := get(ctx, page)
			if err == nil && l.Next != "" && (l.Next == page.After || empty >= maxEmptyPages) {
				err = fault.New(fault.Unavailable, "The server's list does not come to an end")
			}
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range l.Items {
				empty = 0
				if !yield(item, nil) {
					return
				}
			}
			if l.Next == "" {
				return
			}
			page.After = l.Next
		}
	}
}
