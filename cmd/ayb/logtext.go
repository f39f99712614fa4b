package main

import (
	"log/slog"
	"strconv"
	"time"
)

// appendText appends a record as slog.TextHandler writes it, if all its parts are
// simple. The caller holds mu.
func (l *logWriter) appendText(r slog.Record) bool {
	if r.Time.IsZero() || r.PC != 0 || !isWord(r.Message) {
		return false
	}
	l.appendTime(r.Time.Round(0))
	l.lines = append(append(l.lines, " level="...), r.Level.String()...)
	l.lines = append(append(l.lines, " msg="...), r.Message...)
	simple := true
	r.Attrs(func(a slog.Attr) bool {
		simple = l.appendAttr(a)
		return simple
	})
	l.lines = append(l.lines, '\n')
	return simple
}

// appendTime appends the time to the millisecond. Most lines are of the same
// second as the one before.
func (l *logWriter) appendTime(t time.Time) {
	if second := t.Unix(); second != l.second || t.Location() != l.place || l.secondsText == nil {
		l.second, l.place = second, t.Location()
		l.secondsText = t.AppendFormat(l.secondsText[:0], "time=2006-01-02T15:04:05")
	}
	l.lines = append(l.lines, l.secondsText...)
	millis := t.Nanosecond() / int(time.Millisecond)
	l.lines = append(l.lines, '.', byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10))
	l.lines = t.AppendFormat(l.lines, "Z07:00")
}

// appendAttr appends an attribute, if it is simple.
func (l *logWriter) appendAttr(a slog.Attr) bool {
	if !isWord(a.Key) {
		return false
	}
	l.lines = append(append(append(l.lines, ' '), a.Key...), '=')
	switch a.Value.Kind() {
	case slog.KindString:
		switch text := a.Value.String(); {
		case text == "":
			l.lines = append(l.lines, `""`...)
		case isWord(text):
			l.lines = append(l.lines, text...)
		default:
			return false
		}
	case slog.KindInt64:
		l.lines = strconv.AppendInt(l.lines, a.Value.Int64(), 10)
	case slog.KindDuration:
		l.lines = append(l.lines, a.Value.Duration().String()...)
	default:
		return false
	}
	return true
}

// isWord reports whether a text needs no quotes for certain.
func isWord(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '=' || c == '"' || c == '\\' {
			return false
		}
	}
	return text != ""
}
