// Command saas is a small web application that gives each customer a database of
// their own: notes that no other customer can reach, whatever the application's
// SQL gets wrong, because every request is made with a token that is limited to
// one database.
//
//	go run ./examples/saas
//	curl -X POST localhost:8080/customers/acme        # prints acme's token
//	curl -H "Authorization: Bearer $TOKEN" -d 'buy milk' localhost:8080/customers/acme/notes
//	curl -H "Authorization: Bearer $TOKEN" localhost:8080/customers/acme/notes
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"ayb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	data := flag.String("data", "./saas_data", "directory for the data")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *data); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, data string) error {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: data})
	if err != nil {
		return err
	}
	defer eng.Close()
	app, err := newApp(ctx, eng)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: listen, Handler: app.routes(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	log.Printf("listening on http://%s", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// An app owns the databases of all its customers.
type app struct {
	eng   *ayb.Engine
	owner ayb.Principal
}

const owner = "notes-app"

func newApp(ctx context.Context, eng *ayb.Engine) (*app, error) {
	ent, err := eng.CreateEntity(ctx, ayb.System, owner, &ayb.EntityOptions{Kind: ayb.Organization})
	if errors.Is(err, ayb.ErrExists) { // not the first start
		ent, err = eng.Entity(ctx, ayb.System, owner)
	}
	return &app{eng: eng, owner: eng.Owner(ent)}, err
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /customers/{customer}", a.signUp)
	mux.HandleFunc("POST /customers/{customer}/notes", a.add)
	mux.HandleFunc("GET /customers/{customer}/notes", a.list)
	return mux
}

// signUp makes a customer's database and answers the token that opens it, and
// nothing else.
func (a *app) signUp(w http.ResponseWriter, r *http.Request) {
	ctx, ref := r.Context(), owner+"/"+r.PathValue("customer")
	if _, err := a.eng.CreateDatabase(ctx, a.owner, ref, nil); err != nil {
		fail(w, err)
		return
	}
	if _, err := a.eng.Query(ctx, a.owner, ref, "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP)"); err != nil {
		fail(w, err)
		return
	}
	secret, _, err := a.eng.CreateToken(ctx, a.owner, owner, &ayb.TokenOptions{Database: ref, Access: ayb.ReadWrite})
	if err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintln(w, secret)
}

func (a *app) add(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "The note is too long", http.StatusRequestEntityTooLarge)
		return
	}
	result, err := a.query(r, "INSERT INTO note(text) VALUES (?) RETURNING id, at", string(text))
	if err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
	answer(w, map[string]any{"id": result.Rows[0][0].Any(), "at": result.Rows[0][1].Any()})
}

func (a *app) list(w http.ResponseWriter, r *http.Request) {
	result, err := a.query(r, "SELECT id, text, at FROM note ORDER BY id DESC LIMIT 100")
	if err != nil {
		fail(w, err)
		return
	}
	notes := []map[string]any{}
	for _, row := range result.Rows {
		notes = append(notes, map[string]any{"id": row[0].Any(), "text": row[1].Any(), "at": row[2].Any()})
	}
	answer(w, notes)
}

// query runs SQL on the customer's database as whoever the request's token
// stands for. There is no check of ours to forget: the engine refuses a token of
// another customer.
func (a *app) query(r *http.Request, sql string, args ...any) (*ayb.Result, error) {
	who, err := a.eng.Authenticate(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		return nil, err
	}
	return a.eng.Query(r.Context(), who, owner+"/"+r.PathValue("customer"), sql, args...)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err)
	}
}

// fail answers an error by its kind, with the sentence meant for users.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch ayb.KindOf(err) {
	case ayb.ErrInvalid:
		status = http.StatusBadRequest
	case ayb.ErrUnauthenticated:
		status = http.StatusUnauthorized
	case ayb.ErrDenied, ayb.ErrReadOnly:
		status = http.StatusForbidden
	case ayb.ErrExists:
		status = http.StatusConflict
	case ayb.ErrBusy:
		status = http.StatusServiceUnavailable
	default:
		log.Print(err)
	}
	http.Error(w, ayb.Message(err), status)
}
