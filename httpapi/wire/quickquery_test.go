package wire

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestQuickQuery makes sure that the quick way is only a quicker one, on texts
// that are nearly what it knows.
func TestQuickQuery(t *testing.T) {
	seeds := []string{
		`{"sql":"SELECT 1"}`, `{"sql":"SELECT ?","args":[12]}`, ` { "args" : [ -1 , "two" , 0 ] , "sql" : "SELECT \u00e9" } `,
		`{"sql":"a","args":[123456789012345678,-999999999999999999]}`, "{\"sql\":\"\",\"args\":[\"\xff\"5]}", `{"sql":"a","sql":"b"}`,
		`{"args":[1],"args":[2]}`, `{"sql":"a","args":[]}`, `{"sql":"a","args":[01]}`, `{"sql":"a","args":[1.0,1e3]}`, `{"sql":"a","args":[- 1]}`,
	}
	const alphabet = "{}[]:,\"\\ \n\x00\x7f\xff\xc3\xa90123456789-+.eEsqlargnutf"
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	quick := 0
	for range 300_000 {
		text := []byte(seeds[random.IntN(len(seeds))])
		for range random.IntN(3) {
			i, c := random.IntN(len(text)), alphabet[random.IntN(len(alphabet))]
			switch random.IntN(3) {
			case 0:
				text[i] = c
			case 1:
				text = append(text[:i:i], append([]byte{c}, text[i:]...)...)
			case 2:
				text = append(text[:i:i], text[i+1:]...)
			}
		}
		got, ok := quickQuery(text)
		if !ok {
			continue
		}
		quick++
		want, err := parseQuery(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %v, want %v, %v", text, got, want, err)
		}
	}
	if quick < 10_000 {
		t.Errorf("only %d texts were read the quick way", quick)
	}
}
