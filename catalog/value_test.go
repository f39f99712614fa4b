package catalog

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"ayb/fault"
)

type celsius float64
type label string
type valuer struct{ inner any }

func (v valuer) Value() (driver.Value, error) { return v.inner, nil }

type selfish struct{}

func (s selfish) Value() (driver.Value, error) { return s, nil }

func TestValueOf(t *testing.T) {
	seven, none := 7, (*int)(nil)
	for _, c := range []struct {
		in   any
		want Value
	}{
		{nil, NullValue()}, {none, NullValue()}, {[]byte(nil), NullValue()}, {(*valuer)(nil), NullValue()},
		{true, IntegerValue(1)}, {false, IntegerValue(0)},
		{int8(-8), IntegerValue(-8)}, {uint16(9), IntegerValue(9)}, {&seven, IntegerValue(7)}, {uint64(math.MaxInt64), IntegerValue(math.MaxInt64)},
		{1.5, RealValue(1.5)}, {float32(0.5), RealValue(0.5)}, {celsius(20), RealValue(20)}, {math.NaN(), NullValue()},
		{"", TextValue("")}, {label("x"), TextValue("x")}, {"a\x00b", TextValue("a\x00b")},
		{[]byte{}, BlobValue(nil)}, {[]byte{0, 255}, BlobValue([]byte{0, 255})}, {[2]byte{1, 2}, Value{}},
		{time.Date(2026, 1, 2, 4, 4, 5, 600, time.FixedZone("", 3600)), TextValue("2026-01-02T03:04:05.0000006Z")},
		{valuer{int64(3)}, IntegerValue(3)}, {valuer{nil}, NullValue()}, {sql.NullString{String: "s", Valid: true}, TextValue("s")},
		{IntegerValue(5), IntegerValue(5)},
	} {
		got, err := ValueOf(c.in)
		if _, array := c.in.([2]byte); array {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%T became %v", c.in, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%T %v: %v (%v), want %v; %v", c.in, c.in, got, got.Type(), c.want, err)
		}
	}
	for _, in := range []any{uint64(math.MaxInt64) + 1, struct{}{}, make(chan int), []string{"a"}, map[string]int{}, selfish{}, 1i} {
		if got, err := ValueOf(in); !errors.Is(err, fault.Invalid) {
			t.Errorf("%T became %v, %v", in, got, err)
		}
	}
}

func TestValue_String_is_the_classic_form(t *testing.T) {
	for want, v := range map[string]Value{
		"NULL": NullValue(), "-42": IntegerValue(-42), "1": RealValue(1), "0.1": RealValue(0.1), "1000000000000000000000": RealValue(1e21),
		"0.0000001": RealValue(1e-7), "-0": RealValue(math.Copysign(0, -1)), "inf": RealValue(math.Inf(1)), "-inf": RealValue(math.Inf(-1)),
		"text": TextValue("text"), "X'00FF'": BlobValue([]byte{0, 255}),
	} {
		if got := v.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestValue_numbers_stay_in_range(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want int64
	}{
		{RealValue(1e300), math.MaxInt64}, {RealValue(-1e300), math.MinInt64}, {RealValue(-1.9), -1},
		{RealValue(math.Inf(1)), math.MaxInt64}, {TextValue("5"), 0}, {NullValue(), 0},
	} {
		if got := c.v.Int64(); got != c.want {
			t.Errorf("%v: %d, want %d", c.v, got, c.want)
		}
	}
	if f := IntegerValue(3).Float64(); f != 3 {
		t.Errorf("%v, want 3", f)
	}
}

func TestNewStatement(t *testing.T) {
	st, err := NewStatement("SELECT 1", 1, Named("a", "x"), sql.Named("b", nil))
	if err != nil || len(st.Args) != 3 || st.Args[1].Name != "a" || st.Args[2].Name != "b" || !st.Args[2].Value.IsNull() {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := NewStatement("SELECT 1", struct{}{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v, want invalid", err)
	}
}

func FuzzValueOf(f *testing.F) {
	f.Add(int64(0), 0.5, "text", []byte("blob"))
	f.Add(int64(math.MinInt64), math.Inf(-1), "\xff", []byte{})
	f.Fuzz(func(t *testing.T, i int64, r float64, s string, b []byte) {
		for _, in := range []any{i, r, s, b} {
			v, err := ValueOf(in)
			if err != nil {
				t.Fatalf("%T: %v", in, err)
			}
			again, err := ValueOf(v.Any())
			if err != nil || again != v && !(v.Type() == Blob && len(b) == 0) {
				t.Errorf("%v became %v, %v", v, again, err)
			}
			if v.Type() == Real {
				if back, err := strconv.ParseFloat(v.String(), 64); err != nil || back != r {
					t.Errorf("%v reads back as %v, %v", r, back, err)
				}
			}
			if v.Type() == Blob && !bytes.Equal(v.Bytes(), b) {
				t.Errorf("%x became %x", b, v.Bytes())
			}
		}
	})
}
