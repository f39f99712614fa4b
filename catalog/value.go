package catalog

import (
	"database/sql/driver"
	"math"
	"reflect"
	"strconv"
	"time"

	"ayb/fault"
)

// ValueType is one of SQLite's five storage classes.
type ValueType uint8

// The storage classes.
const (
	Null ValueType = iota
	Integer
	Real
	Text
	Blob
)

var valueTypes = words[ValueType]{"null", "integer", "real", "text", "blob"}

// String returns the name: null, integer, real, text or blob.
func (t ValueType) String() string { return valueTypes.word(t) }

// A Value is one value of a query: what a column holds or a parameter is bound
// to. The zero Value is NULL. Values are comparable with ==, except that two
// NaNs, which SQLite would store as NULL, do not arise.
type Value struct {
	typ ValueType
	num uint64 // the integer, or the bits of the real
	str string // the text, or the bytes of the blob
}

// NullValue returns NULL.
func NullValue() Value { return Value{} }

// IntegerValue returns an integer.
func IntegerValue(i int64) Value { return Value{typ: Integer, num: uint64(i)} }

// RealValue returns a floating-point number. NaN becomes NULL, as in SQLite.
func RealValue(f float64) Value {
	if math.IsNaN(f) {
		return Value{}
	}
	return Value{typ: Real, num: math.Float64bits(f)}
}

// TextValue returns a text.
func TextValue(s string) Value { return Value{typ: Text, str: s} }

// BlobValue returns a blob with a copy of b.
func BlobValue(b []byte) Value { return Value{typ: Blob, str: string(b)} }

// ValueOf converts a Go value: nil, a bool (0 or 1), any integer or float, a
// string, a []byte (nil is NULL), a time.Time (text in RFC 3339, UTC), a
// driver.Valuer, or a pointer to one of these (nil is NULL). Errors:
// [fault.Invalid] for other types and for integers beyond 64 bits.
func ValueOf(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case Value:
		return v, nil
	case int:
		return IntegerValue(int64(v)), nil
	case int64:
		return IntegerValue(v), nil
	case float64:
		return RealValue(v), nil
	case string:
		return TextValue(v), nil
	case []byte:
		if v == nil {
			return Value{}, nil
		}
		return BlobValue(v), nil
	case bool:
		if v {
			return IntegerValue(1), nil
		}
		return IntegerValue(0), nil
	case time.Time:
		return TextValue(v.UTC().Format(time.RFC3339Nano)), nil
	case driver.Valuer:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			return Value{}, nil
		}
		inner, err := v.Value()
		if err != nil {
			return Value{}, fault.Wrap(fault.Invalid, err, "A parameter of type %T could not be read", v)
		}
		if _, again := inner.(driver.Valuer); again {
			return Value{}, fault.New(fault.Invalid, "A parameter of type %T has no plain value", v)
		}
		return ValueOf(inner)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer:
		if r.IsNil() {
			return Value{}, nil
		}
		return ValueOf(r.Elem().Interface())
	case r.CanInt():
		return IntegerValue(r.Int()), nil
	case r.CanUint():
		if u := r.Uint(); u <= math.MaxInt64 {
			return IntegerValue(int64(u)), nil
		}
		return Value{}, fault.New(fault.Invalid, "The integer %d is larger than a database can hold (%d)", r.Uint(), int64(math.MaxInt64))
	case r.CanFloat():
		return RealValue(r.Float()), nil
	case r.Kind() == reflect.String:
		return TextValue(r.String()), nil
	case r.Kind() == reflect.Bool:
		return ValueOf(r.Bool())
	case r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8:
		return ValueOf(r.Bytes())
	}
	return Value{}, fault.New(fault.Invalid, "A parameter can't be of type %T", v)
}

// Type returns the storage class.
func (v Value) Type() ValueType { return v.typ }

// IsNull reports whether the value is NULL.
func (v Value) IsNull() bool { return v.typ == Null }

// Int64 returns an integer as it is, a real cut towards zero and kept within 64
// bits, and 0 for everything else.
func (v Value) Int64() int64 {
	switch v.typ {
	case Integer:
		return int64(v.num)
	case Real:
		switch f := math.Float64frombits(v.num); {
		case f >= math.MaxInt64:
			return math.MaxInt64
		case f <= math.MinInt64:
			return math.MinInt64
		default:
			return int64(f)
		}
	}
	return 0
}

// Float64 returns a real as it is, an integer converted, and 0 for everything
// else.
func (v Value) Float64() float64 {
	switch v.typ {
	case Integer:
		return float64(int64(v.num))
	case Real:
		return math.Float64frombits(v.num)
	}
	return 0
}

// Size returns how many bytes a text or a blob has, 0 for everything else.
func (v Value) Size() int { return len(v.str) }

// Bytes returns a copy of the bytes of a text or a blob, nil for everything
// else. An empty text or blob gives an empty, non-nil slice.
func (v Value) Bytes() []byte {
	if v.typ != Text && v.typ != Blob {
		return nil
	}
	return append(make([]byte, 0, len(v.str)), v.str...)
}

// String returns the value as the classic API shows it: decimal integers, reals
// in the shortest decimal form without exponent, texts as they are, blobs as an
// X'..' literal, and NULL.
func (v Value) String() string {
	if v.typ == Text {
		return v.str
	}
	return string(v.Append(nil))
}

// Append appends what String returns.
func (v Value) Append(b []byte) []byte {
	switch v.typ {
	case Integer:
		return strconv.AppendInt(b, int64(v.num), 10)
	case Real:
		return AppendReal(b, math.Float64frombits(v.num))
	case Text:
		return append(b, v.str...)
	case Blob:
		return AppendBlobLiteral(b, v.str)
	}
	return append(b, "NULL"...)
}

// Any returns the value as plain Go: nil, int64, float64, string or []byte.
func (v Value) Any() any {
	switch v.typ {
	case Integer:
		return int64(v.num)
	case Real:
		return math.Float64frombits(v.num)
	case Text:
		return v.str
	case Blob:
		return v.Bytes()
	}
	return nil
}

// AppendReal appends a real in the shortest decimal form that reads back the
// same, without exponent; infinities are inf and -inf.
func AppendReal(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// AppendBlobLiteral appends bytes as a SQL blob literal, X'..' in upper-case
// hexadecimal.
func AppendBlobLiteral[B string | []byte](b []byte, blob B) []byte {
	const digits = "0123456789ABCDEF"
	b = append(b, "X'"...)
	for i := range len(blob) {
		b = append(b, digits[blob[i]>>4], digits[blob[i]&15])
	}
	return append(b, '\'')
}
