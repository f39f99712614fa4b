package wire_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// TestShapes holds the bytes of every shape: the order of keys is part of what
// programs rely on.
func TestShapes(t *testing.T) {
	at := time.Date(2026, 3, 15, 16, 25, 56, 706_720_000, time.UTC)
	db := catalog.Database{OwnerSlug: "alice", Slug: "Test.sqlite", Public: catalog.PublicReadOnly}
	for _, c := range []struct {
		name  string
		shape any
		want  string
	}{
		{"error", wire.Error{Type: wire.Other, Message: `a < b & "c"`, Kind: fault.Invalid}, `{"type":"Other","message":"a < b & \"c\"","kind":"invalid"}`},
		{"error about a record", wire.Error{Type: wire.RecordNotFound, ID: "a/b", RecordType: "database", Message: "m", Kind: fault.NotFound},
			`{"type":"RecordNotFound","id":"a/b","record_type":"database","message":"m","kind":"not_found"}`},
		{"error of SQLite", wire.Error{Type: wire.Other, Message: "m", Kind: fault.Invalid, Code: 2067, Statement: 3}, `{"type":"Other","message":"m","kind":"invalid","sqlite_code":2067,"statement":3}`},
		{"created database", wire.NewCreatedDatabase(db), `{"entity":"alice","database":"Test.sqlite","database_type":"sqlite"}`},
		{"details", wire.NewDatabaseDetails(db, catalog.ReadWrite, true),
			`{"entity_slug":"alice","database_slug":"Test.sqlite","database_type":"sqlite","highest_query_access_level":"ReadWrite","can_manage_database":true,"public_sharing_level":"read-only","anonymous_queries":false}`},
		{"details without access", wire.NewDatabaseDetails(db, catalog.NoAccess, false),
			`{"entity_slug":"alice","database_slug":"Test.sqlite","database_type":"sqlite","highest_query_access_level":null,"can_manage_database":false,"public_sharing_level":"read-only","anonymous_queries":false}`},
		{"entity", wire.Entity{Slug: "alice", Profile: wire.NewProfile(catalog.Profile{DisplayName: "A", Links: []catalog.Link{{URL: "https://a", Verified: true}}}), Databases: wire.List([]catalog.Database{db}, wire.NewDatabase)},
			`{"slug":"alice","profile":{"display_name":"A","description":null,"organization":null,"location":null,"links":[{"url":"https://a","verified":true}]},"databases":[{"slug":"Test.sqlite","database_type":"sqlite"}],"permissions":{"can_create_database":false}}`},
		{"entity without anything", wire.Entity{Slug: "a", Profile: wire.NewProfile(catalog.Profile{}), Databases: wire.List(nil, wire.NewDatabase), Next: "x"},
			`{"slug":"a","profile":{"display_name":null,"description":null,"organization":null,"location":null,"links":[]},"databases":[],"permissions":{"can_create_database":false},"next":"x"}`},
		{"grants", wire.Grants{Permissions: wire.List([]catalog.Grant{{Slug: "bob", Access: catalog.Manager}}, wire.NewGrant)}, `{"permissions":[{"entity_slug":"bob","sharing_level":"manager"}]}`},
		{"shared", wire.Shared{Databases: wire.List([]catalog.Share{{Database: db, Access: catalog.ReadOnly}}, wire.NewShare)},
			`{"databases":[{"entity":"alice","database":"Test.sqlite","database_type":"sqlite","sharing_level":"read-only"}]}`},
		{"snapshots", wire.Snapshots{Snapshots: []wire.Snapshot{}}, `{"snapshots":[]}`},
		{"token", wire.NewToken(catalog.Token{Short: "eV2", Created: at}, catalog.Ref{}),
			`{"short_token":"eV2","scoped_database":null,"permission_level":null,"app_name":null,"created_at":"2026-03-15 16:25:56.706720","expires_at":null,"revoked_at":null}`},
		{"limited token", wire.NewToken(catalog.Token{Short: "eV2", AppName: "app", Scope: catalog.Scope{Database: catalog.ID{1}, Access: catalog.ReadOnly}, Created: at.Truncate(time.Second), Expires: at.Truncate(time.Millisecond)}, db.Ref()),
			`{"short_token":"eV2","scoped_database":"alice/Test.sqlite","permission_level":"read-only","app_name":"app","created_at":"2026-03-15 16:25:56","expires_at":"2026-03-15 16:25:56.706","revoked_at":null,"access":"read-only"}`},
		{"manager token", wire.NewToken(catalog.Token{Short: "eV2", Scope: catalog.Scope{Access: catalog.Manager}, Created: at.Truncate(time.Second)}, catalog.Ref{}),
			`{"short_token":"eV2","scoped_database":null,"permission_level":null,"app_name":null,"created_at":"2026-03-15 16:25:56","expires_at":null,"revoked_at":null,"access":"manager"}`},
		{"token of a deleted database", wire.NewToken(catalog.Token{Short: "eV2", Scope: catalog.Scope{Database: catalog.ID{1}}, Created: at.Add(1)}, catalog.Ref{}),
			`{"short_token":"eV2","scoped_database":"(deleted database)","permission_level":null,"app_name":null,"created_at":"2026-03-15 16:25:56.706720001","expires_at":null,"revoked_at":null}`},
		{"confirmed", wire.Confirmed{Entity: "alice", Secret: "ayb_a_b"}, `{"entity":"alice","token":"ayb_a_b"}`},
	} {
		got, err := wire.Encode(c.shape)
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\ngot  %s (%v)\nwant %s", c.name, got, err, c.want)
		}
		again := reflect.New(reflect.TypeOf(c.shape))
		if err := json.Unmarshal(got, again.Interface()); err != nil {
			t.Errorf("%s: a client can't read it: %v", c.name, err)
		} else if text, _ := wire.Encode(again.Elem().Interface()); string(text) != c.want {
			t.Errorf("%s: a client reads %s", c.name, text)
		}
	}
}

// row is a row of values.
type row []catalog.Value

func (r row) Len() int                     { return len(r) }
func (r row) Type(i int) catalog.ValueType { return r[i].Type() }
func (r row) Int64(i int) int64            { return r[i].Int64() }
func (r row) Float64(i int) float64        { return r[i].Float64() }
func (r row) Bytes(i int) []byte           { return r[i].Bytes() }
func (r row) Value(i int) catalog.Value    { return r[i] }

// TestValues_survive writes random values as a stream does and reads them as
// arguments.
func TestValues_survive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		values := make(row, random.IntN(8))
		for i := range values {
			values[i] = randomValue(random)
		}
		line := wire.AppendValues(nil, values)
		if !json.Valid(line) {
			t.Fatalf("seed %d: not JSON: %s", seed, line)
		}
		q, err := wire.ParseQuery([]byte(`{"args":` + string(line) + `}`))
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, line, err)
		}
		var read []wire.Value
		if err := json.Unmarshal(line, &read); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, line, err)
		}
		for i, want := range values {
			if got := q.Args[i].Value; got != want || read[i].Value != want {
				t.Fatalf("seed %d: %s became %s and %s", seed, want, got, read[i].Value)
			}
		}
	}
}

func randomValue(random *rand.Rand) catalog.Value {
	switch random.IntN(7) {
	case 0:
		return catalog.NullValue()
	case 1:
		return catalog.IntegerValue(int64(random.Uint64()))
	case 2:
		return catalog.IntegerValue(int64(random.IntN(100)) - 50)
	case 3:
		return catalog.RealValue(math.Float64frombits(random.Uint64()))
	case 4:
		return catalog.RealValue([]float64{0, math.Copysign(0, -1), 1, 1e21, -1e-7, math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324}[random.IntN(9)])
	case 5:
		return catalog.BlobValue([]byte(randomText(random)))
	}
	return catalog.TextValue(strings.ToValidUTF8(randomText(random), "?"))
}

func randomText(random *rand.Rand) string {
	const alphabet = `abc"\/<>&{}[],:` + "\x00\x1f\n\t\x7f\xc3\xa9\xe2\x80\xa8\xff"
	b := make([]byte, random.IntN(20))
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(b)
}

func TestRows_take_no_memory_of_their_own(t *testing.T) {
	values := staticRow{}
	buf := make([]byte, 0, 1<<16)
	if n := testing.AllocsPerRun(100, func() {
		buf = wire.AppendRow(buf[:0], values)
		buf = wire.AppendValues(buf[:0], values)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A staticRow has one value of each type, and a text that needs escapes.
type staticRow struct{}

var staticText = []byte("a text\nwith \"quotes\", é and \xff")

func (staticRow) Len() int { return 5 }
func (staticRow) Type(i int) catalog.ValueType {
	return []catalog.ValueType{catalog.Null, catalog.Integer, catalog.Real, catalog.Text, catalog.Blob}[i]
}
func (staticRow) Int64(int) int64           { return math.MaxInt64 }
func (staticRow) Float64(int) float64       { return 0.1 }
func (staticRow) Bytes(int) []byte          { return staticText }
func (staticRow) Value(i int) catalog.Value { return catalog.NullValue() }

// FuzzAppendString compares with the standard library.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\b\f\n\r\t\x00\x1f\x7f", "é€😀", "\xff\xc3", "a\xe2\x80\xa8b", "\xed\xa0\x80", "<>&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := wire.AppendString(nil, s)
		var read string
		if err := json.Unmarshal(got, &read); err != nil {
			t.Fatalf("%q became %s: %v", s, got, err)
		}
		want := string([]rune(s)) // one U+FFFD for each byte that is not valid
		if read != want || !utf8.Valid(got) {
			t.Errorf("%q became %s, read as %q", s, got, read)
		}
		if again := wire.AppendString(nil, []byte(s)); string(again) != string(got) {
			t.Errorf("as bytes %s, as a string %s", again, got)
		}
	})
}

// FuzzParseQuery compares with the standard library what is read from a query.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		`{"sql":"SELECT ?","args":[1,2.5,null,true,"x",{"int":"1"},{"blob":"AP8="},{"real":"-inf"}]}`, `{"args":{"a":1,":b":"\u00e9"},"sql":"\ud800"}`, ` { "sql" : "a" , "args" : [ ] } `,
		`{}`, `[]`, `{"sql":[1,{"a":"}"}]}`, `{"sql":"a","sql":"b"}`, `{"args":[[[]]]}`, `{"args":{"a":{"b":{"c":1}}}}`, `{"s\u0071l":"x"}`, `{"sql":"\"}"}`, "{\"sql\":\"\xff\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := wire.ParseQuery([]byte(text))
		var want struct {
			SQL  *string         `json:"sql"`
			Args json.RawMessage `json:"args"`
		}
		stdErr := json.Unmarshal([]byte(text), &want)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v is not invalid", text, err)
			}
			return
		}
		if stdErr != nil {
			t.Fatalf("%q was read, and is %v", text, stdErr)
		}
		if want.SQL != nil && q.SQL != *want.SQL {
			t.Errorf("%q: read %q, want %q", text, q.SQL, *want.SQL)
		}
		var list []json.RawMessage
		if json.Unmarshal(want.Args, &list) == nil && len(list) != len(q.Args) {
			t.Errorf("%q: %d arguments, want %d", text, len(q.Args), len(list))
		}
	})
}
