package wire_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

func TestRow_reads_what_AppendValues_writes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var read wire.Row
	for range 5000 {
		values := make(row, random.IntN(8))
		for i := range values {
			values[i] = randomValue(random)
		}
		line := wire.AppendValues(nil, values)
		if err := read.Parse(line); err != nil || read.Len() != len(values) {
			t.Fatalf("seed %d: %s: %v, %d values", seed, line, err, read.Len())
		}
		for i, want := range values {
			isBytes := want.Type() == catalog.Text || want.Type() == catalog.Blob
			if read.Value(i) != want || read.Type(i) != want.Type() || (read.Bytes(i) != nil) != isBytes || !bytes.Equal(read.Bytes(i), want.Bytes()) ||
				want.Type() == catalog.Integer && read.Int64(i) != want.Int64() || want.Type() == catalog.Real && read.Float64(i) != want.Float64() {
				t.Fatalf("seed %d: %s: value %d is %v, want %v", seed, line, i, read.Value(i), want)
			}
		}
	}
}

func TestRow_refuses(t *testing.T) {
	var read wire.Row
	for _, line := range []string{
		"", " ", "[", "]", "[1", "[1,", "[,]", "[1,]", "[1 2]", "[1]]", "[1] 2", "{}", "null", `"a"`, "1", "[[]]", "[{}]", `[{"int":1}]`, `[{"int":"1"`, `[{"int":"1","int":"2"}]`, `[{"float":"1"}]`,
		"[nul]", "[nulll]", "[True]", "[tru", "[01]", "[-]", "[+1]", "[.5]", "[1.]", "[1e]", "[1e+]", "[--1]", "[1-1]", "[0x1]", "[NaN]", "[1e999]", "[9223372036854775808]", `[{"int":"9223372036854775808"}]`, `[{"int":""}]`, `[{"real":"nan"}]`, `[{"real":"1e999"}]`, `[{"blob":"*"}]`, `[{"blob":"AP8"}]`,
		`["`, `["a`, `["\`, `["\"]`, `["\x"]`, `["\u12"]`, `["\u12g4"]`, "[\"\n\"]", "[\"\\n\n\"]", "[\"\xff\"]", "[\"\\n\xff\"]", "[\"a\"b\"]", "[1]\x00",
	} {
		if err := read.Parse([]byte(line)); fault.KindOf(err) != fault.Invalid || read.Len() != 0 {
			t.Errorf("%q: %v, %d values", line, err, read.Len())
		}
	}
}

func TestRow_takes_no_memory_of_its_own(t *testing.T) {
	line := wire.AppendValues(nil, staticRow{})
	var read wire.Row
	if n := testing.AllocsPerRun(100, func() {
		if read.Parse(line) != nil || read.Len() != 5 || len(read.Bytes(4)) == 0 {
			t.Error("not read")
		}
	}); n > 0 {
		t.Errorf("%v allocations for %s", n, line)
	}
}

// FuzzRow compares with the standard library: what is read as a row is JSON, and
// has the values that [wire.Value] reads.
func FuzzRow(f *testing.F) {
	for _, seed := range []string{
		`[]`, ` [ 1 , -2.5e3 , null , true , false , "x" ] `, `["\ud83d\ude00\ud83d\u0041\/\b"]`, `[{"int":"1"},{ "blob" : "AP8=" },{"real":"-inf"}]`, `["é\u00e9","a\"b\\"]`, `[-0,-0.0,1E5,0]`, `[{"int":"\u0031"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var read wire.Row
		if read.Parse([]byte(line)) != nil {
			return
		}
		var want []wire.Value
		if err := json.Unmarshal([]byte(line), &want); err != nil || len(want) != read.Len() {
			t.Fatalf("%q was read as %d values, but %v, %d", line, read.Len(), err, len(want))
		}
		for i, v := range want {
			if read.Value(i) != v.Value {
				t.Errorf("%q: value %d is %v, want %v", line, i, read.Value(i), v.Value)
			}
		}
	})
}

func TestAppendQuery_is_what_ParseQuery_reads(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		st := catalog.Statement{SQL: strings.ToValidUTF8(randomText(random), "?")}
		named := random.IntN(2) == 0
		for range random.IntN(5) {
			arg := catalog.Arg{Value: randomValue(random)}
			if named {
				arg.Name = "n" + strings.ToValidUTF8(randomText(random), "?")
			}
			st.Args = append(st.Args, arg)
		}
		body, err := wire.AppendQuery(nil, st)
		if err != nil {
			t.Fatalf("seed %d: %+v: %v", seed, st, err)
		}
		q, err := wire.ParseQuery(body)
		if err != nil || q.SQL != st.SQL || len(q.Args) != len(st.Args) {
			t.Fatalf("seed %d: %s became %+v, %v", seed, body, q, err)
		}
		for i, arg := range st.Args {
			if q.Args[i] != arg {
				t.Fatalf("seed %d: %s: argument %d became %+v", seed, body, i, q.Args[i])
			}
		}
	}
}

func TestAppendQuery_refuses(t *testing.T) {
	for _, st := range []catalog.Statement{
		{SQL: "\xff"},
		{SQL: "SELECT ?", Args: []catalog.Arg{{Value: catalog.TextValue("\xff")}}},
		{SQL: "SELECT ?", Args: []catalog.Arg{{Name: "\xff"}}},
		{SQL: "SELECT ?", Args: []catalog.Arg{{}, {Name: "a"}}},
		{SQL: "SELECT ?", Args: []catalog.Arg{{Name: "a"}, {}}},
	} {
		if _, err := wire.AppendQuery(nil, st); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", st, err)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	line := wire.AppendValues(nil, staticRow{})
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var read wire.Row
	for b.Loop() {
		if err := read.Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
