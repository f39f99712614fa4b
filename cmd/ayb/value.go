package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A value is where a setting is kept. It alone knows the type, so that neither a
// file nor an environment variable is ever guessed at: "0123" stays a text where
// a text is asked for. Errors complete the sentence "setting ...".
type value interface {
	// fromFile takes what TOML says: a string, int64, float64, bool or a list.
	fromFile(any) error
	// fromText takes an environment variable as it is.
	fromText(string) error
	// String returns the value as a file would have it.
	String() string
}

// A textValue is a text, which check may refuse.
type textValue struct {
	to    *string
	check func(string) error
}

func (v textValue) fromFile(x any) error {
	s, ok := x.(string)
	if !ok {
		return errors.New(`must be a text in quotes`)
	}
	return v.fromText(s)
}

func (v textValue) fromText(s string) error {
	if v.check != nil {
		if err := v.check(s); err != nil {
			return err
		}
	}
	*v.to = s
	return nil
}

func (v textValue) String() string { return quoted(*v.to) }

// quoted writes a text as TOML has it.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// A listValue is a list of texts, each of which check may refuse. In an
// environment variable they are separated by commas.
type listValue struct {
	to    *[]string
	check func(string) error
}

func (v listValue) fromFile(x any) error {
	const shape = `must be a list of texts, like ["a", "b"]`
	items, ok := x.([]any)
	if !ok {
		return errors.New(shape)
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return errors.New(shape)
		}
		list = append(list, s)
	}
	return v.keep(list)
}

func (v listValue) fromText(s string) error {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return v.keep(list)
}

func (v listValue) keep(list []string) error {
	for i, item := range list {
		if err := v.check(item); err != nil {
			return fmt.Errorf("has an entry that does not fit: number %d %w", i+1, err)
		}
	}
	*v.to = list
	return nil
}

func (v listValue) String() string {
	list := make([]string, len(*v.to))
	for i, item := range *v.to {
		list[i] = quoted(item)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// A boolValue is true or false.
type boolValue struct{ to *bool }

func (v boolValue) fromFile(x any) error {
	b, ok := x.(bool)
	if !ok {
		return errors.New("must be true or false, without quotes")
	}
	*v.to = b
	return nil
}

func (v boolValue) fromText(s string) error {
	switch s {
	case "true":
		*v.to = true
	case "false":
		*v.to = false
	default:
		return errors.New("must be true or false")
	}
	return nil
}

func (v boolValue) String() string { return strconv.FormatBool(*v.to) }

// A numberValue is a whole number from min to max.
type numberValue struct {
	to       *int64
	min, max int64
}

func (v numberValue) fromFile(x any) error {
	n, ok := x.(int64)
	if !ok {
		return fmt.Errorf("must be a whole number without quotes, %s", v.bounds())
	}
	return v.keep(n)
}

func (v numberValue) fromText(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("must be a whole number, %s", v.bounds())
	}
	return v.keep(n)
}

func (v numberValue) keep(n int64) error {
	if n < v.min || n > v.max {
		return fmt.Errorf("must be %s, not %d", v.bounds(), n)
	}
	*v.to = n
	return nil
}

func (v numberValue) bounds() string {
	if v.max == math.MaxInt64 {
		return fmt.Sprintf("at least %d", v.min)
	}
	return fmt.Sprintf("from %d to %d", v.min, v.max)
}

func (v numberValue) String() string { return strconv.FormatInt(*v.to, 10) }

// A durationValue is a time of at least min.
type durationValue struct {
	to  *time.Duration
	min time.Duration
}

const durationShape = `must be a time like "30s", "10m", "1h30m" or "7d"`

func (v durationValue) fromFile(x any) error {
	s, ok := x.(string)
	if !ok {
		return errors.New(durationShape)
	}
	return v.fromText(s)
}

func (v durationValue) fromText(s string) error {
	d, ok := parseDuration(s)
	if !ok {
		return errors.New(durationShape)
	}
	if d < v.min {
		return fmt.Errorf("must be at least %s", formatDuration(v.min))
	}
	*v.to = d
	return nil
}

func (v durationValue) String() string { return quoted(formatDuration(*v.to)) }

const day = 24 * time.Hour

// parseDuration reads a duration as Go writes it, perhaps with whole days before.
func parseDuration(s string) (time.Duration, bool) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil && d >= 0
	}
	n, err := strconv.ParseUint(days, 10, 64)
	if err != nil || n > uint64(math.MaxInt64/day) {
		return 0, false
	}
	d := time.Duration(n) * day
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 || more > math.MaxInt64-d {
			return 0, false
		}
		d += more
	}
	return d, true
}

// formatDuration writes a duration so that parseDuration reads it back, without
// the units that are zero.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var text string
	if d >= day {
		text = strconv.FormatInt(int64(d/day), 10) + "d"
		d %= day
	}
	if d == 0 {
		return text
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return text + rest
}

// A sizeValue is a number of bytes from min to max; without a max if that is 0.
type sizeValue struct {
	to       *int64
	min, max int64
}

const sizeShape = `must be a number of bytes, or a text like "64KiB", "16MiB" or "2GiB"`

func (v sizeValue) fromFile(x any) error {
	switch x := x.(type) {
	case int64:
		return v.keep(x)
	case string:
		return v.fromText(x)
	}
	return errors.New(sizeShape)
}

func (v sizeValue) fromText(s string) error {
	n, ok := parseSize(s)
	if !ok {
		return errors.New(sizeShape)
	}
	return v.keep(n)
}

func (v sizeValue) keep(n int64) error {
	if n < v.min {
		return fmt.Errorf("must be at least %s", formatSize(v.min))
	}
	if v.max > 0 && n > v.max {
		return fmt.Errorf("must be at most %s", formatSize(v.max))
	}
	*v.to = n
	return nil
}

func (v sizeValue) String() string {
	if text := formatSize(*v.to); text != strconv.FormatInt(*v.to, 10) {
		return quoted(text)
	}
	return strconv.FormatInt(*v.to, 10)
}

// sizeUnits are the units of a size, each 1,024 of the one before.
var sizeUnits = [...]string{"", "KiB", "MiB", "GiB", "TiB"}

// parseSize reads a number of bytes with or without a unit.
func parseSize(s string) (int64, bool) {
	digits := strings.TrimLeft(s, "0123456789")
	n, err := strconv.ParseInt(s[:len(s)-len(digits)], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimPrefix(digits, " ")
	for power, name := range sizeUnits {
		if unit != name {
			continue
		}
		shift := 10 * power
		return n << shift, n <= math.MaxInt64>>shift
	}
	return 0, false
}

// formatSize writes a number of bytes in the largest unit that fits it exactly.
func formatSize(n int64) string {
	power := 0
	for n != 0 && n%1024 == 0 && power < len(sizeUnits)-1 {
		n /= 1024
		power++
	}
	return strconv.FormatInt(n, 10) + sizeUnits[power]
}
