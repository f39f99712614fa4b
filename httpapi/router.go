package httpapi

import (
	"net/url"
	"strings"
)

// maxParams is the most segments of a pattern that are parameters.
const maxParams = 3

// A router finds the route of a path. http.ServeMux is not it, because it
// answers HEAD where there is a GET, says which methods there are, cleans paths
// and redirects to what it has cleaned, all of which programs written for ayb
// could notice: here a path is matched as it was sent, or it does not exist.
type router struct {
	root node
}

// A node is what a path has come to after some of its segments.
type node struct {
	literal map[string]*node
	param   *node
	routes  map[string]*route // by method, if a pattern ends here
}

func newRouter(routes []route) *router {
	rt := &router{}
	for i := range routes {
		n := &rt.root
		for segment := range strings.SplitSeq(strings.TrimPrefix(routes[i].pattern, "/"), "/") {
			n = n.child(segment)
		}
		if n.routes == nil {
			n.routes = map[string]*route{}
		}
		n.routes[routes[i].method] = &routes[i]
	}
	return rt
}

// child returns the node that a pattern goes to by a segment, made if need be.
func (n *node) child(segment string) *node {
	if strings.HasPrefix(segment, "{") {
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	if n.literal[segment] == nil {
		n.literal[segment] = &node{}
	}
	return n.literal[segment]
}

// match returns the route of a request with an escaped path, and what its
// parameters stand for, or nil. A literal segment is preferred to a parameter
// for good: its names are reserved, so nothing is hidden behind it.
func (rt *router) match(method, path string) (*route, [maxParams]string) {
	var params [maxParams]string
	found := 0
	rest, ok := strings.CutPrefix(path, "/")
	n := &rt.root
	for more := true; ok && more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		next := n.literal[segment]
		if next == nil {
			next = n.param
			if next == nil || segment == "" {
				return nil, params
			}
			text, err := url.PathUnescape(segment)
			if err != nil {
				return nil, params
			}
			params[found], found = text, found+1
		}
		n = next
	}
	return n.routes[method], params
}
