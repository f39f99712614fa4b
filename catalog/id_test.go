package catalog

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"
)

func TestNewID_is_a_version_7_uuid(t *testing.T) {
	at := time.UnixMilli(0x0123456789ab)
	id := NewID(at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
	if got, want := id.String(), "01234567-89ab-7fff-bfff-ffffffffffff"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	later := NewID(at.Add(time.Millisecond), rand.Reader)
	if later.String() <= id.String() {
		t.Errorf("%s does not come after %s", later, id)
	}
}

func TestID_reads_what_it_writes(t *testing.T) {
	for _, id := range []ID{{}, NewID(time.Now(), rand.Reader)} {
		text, err := id.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again ID
		if err := again.UnmarshalText(text); err != nil || again != id {
			t.Errorf("%s became %s, %v", id, again, err)
		}
		value, err := id.Value()
		if err != nil || (value == nil) != id.IsZero() {
			t.Errorf("%v, %v", value, err)
		}
		if err := again.Scan(value); err != nil || again != id {
			t.Errorf("%s became %s, %v", id, again, err)
		}
	}
	for _, text := range []string{"x", "01234567-89ab-7fff-bfff-fffffffffffg", "01234567-89AB-7fff-bfff-ffffffffffff", "0123456789ab-7fff-bfff-ffffffffffff00"} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("%q became %s", text, id)
		}
	}
	if err := new(ID).Scan(7); err == nil {
		t.Error("a number became an id")
	}
}

func TestWords_read_what_they_write(t *testing.T) {
	for _, k := range []EntityKind{User, Organization} {
		if got, err := ParseEntityKind(k.String()); got != k || err != nil {
			t.Errorf("%v became %v, %v", k, got, err)
		}
	}
	for _, a := range []Access{NoAccess, ReadOnly, ReadWrite, Manager} {
		if got, err := ParseAccess(a.String()); got != a || err != nil {
			t.Errorf("%v became %v, %v", a, got, err)
		}
	}
	for _, word := range []string{"owner", "Manager", "", "none"} {
		if got, err := ParseAccess(word); err == nil {
			t.Errorf("%q became %v", word, got)
		}
	}
	if got := Access(9).String(); got != "unknown(9)" {
		t.Error(got)
	}
}

func TestPage_Limit(t *testing.T) {
	for size, want := range map[int]int{-1: DefaultPageSize, 0: DefaultPageSize, 5: 5, 99999: MaxPageSize} {
		if got := (Page{Size: size}).Limit(); got != want {
			t.Errorf("size %d gives %d, want %d", size, got, want)
		}
	}
}
