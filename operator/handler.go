package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"ayb"
	"ayb/fault"
)

// maxBody bounds the bodies of requests, in bytes.
const maxBody = 1 << 20

// A route is one thing that the operator can ask for.
type route struct {
	pattern string // as http.ServeMux has them
	do      func(*request) (any, error)
}

// routes are all there are. What a route returns is the answer, as JSON.
func routes() []route {
	return []route{
		{"GET /usage", (*request).usages},
		{"GET /usage/{entity}", (*request).usage},
		{"PATCH /quota/{entity}", (*request).setQuota},
		{"GET /usage/{entity}/{database}", (*request).databaseUsage},
		{"PATCH /quota/{entity}/{database}", (*request).setDatabaseQuota},
		{"GET /databases/{entity}", (*request).databases},
		{"POST /drills/{entity}/{database}", (*request).drill},
	}
}

// A request is one request, made as the system.
type request struct {
	*http.Request
	eng *ayb.Engine
}

// New returns the handler of the operator's routes over an engine. Serve it where
// nobody but the operator can reach it, as behind [Listener.Guard]. logger takes a line for each request; nil:
// silence.
func New(eng *ayb.Engine, logger *slog.Logger) http.Handler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	for _, route := range routes() {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			answer, err := route.do(&request{r, eng})
			logger.InfoContext(r.Context(), "operator", "route", route.pattern, "path", r.URL.Path, "error", err)
			send(w, answer, err)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		send(w, nil, fault.New(fault.Unsupported, "The server has no %s %s for its operator; it may be of another version than this program", r.Method, r.URL.Path))
	})
	return mux
}

// A failure is the body of an answer that is no success.
type failure struct {
	Kind    fault.Kind `json:"kind"`
	Message string     `json:"message"`
	Cause   string     `json:"cause,omitempty"` // the operator may read it
}

func send(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		f := failure{Kind: fault.KindOf(err), Message: fault.Message(err)}
		if e, ok := errors.AsType[*fault.Error](err); ok && e.Err != nil {
			f.Cause = e.Err.Error()
		}
		status, answer = http.StatusUnprocessableEntity, f
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("operator: %T is no JSON: %v", answer, err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // if nobody reads it, nobody is to be told
}

// decode reads the body into v, which has all the keys there may be. Errors:
// Invalid.
func (r *request) decode(v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The body of the request can't be read; the server may be of another version than this program")
	}
	return nil
}

// page reads which part of a list is asked for. Errors: Invalid.
func (r *request) page() (page ayb.Page, err error) {
	query := r.URL.Query()
	page.After = query.Get("after")
	if text := query.Get("limit"); text != "" {
		if page.Size, err = strconv.Atoi(text); err != nil {
			return page, fault.Wrap(fault.Invalid, err, "limit must be a number")
		}
	}
	return page, nil
}
