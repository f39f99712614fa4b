package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLog_Text(t *testing.T) {
	t.Run("every_line_is_the_one_of_slog", func(t *testing.T) {
		somewhere := time.FixedZone("", -7*3600-30*60)
		base := time.Date(2026, 2, 28, 23, 59, 59, 999_499_999, time.UTC)
		strange := []string{"", "plain", "two words", "a=b", `"`, `\`, "\n", "\x00", "\x7f", "é", "\u2028", "\xff", "{entity}", "/v1/_/x", "2001:db8::1", "ayb_…"}
		var got, want bytes.Buffer
		lines := &logWriter{w: &got}
		h := &logHandler{Handler: slog.NewTextHandler(lines, nil), lines: lines, plain: true}
		std := slog.NewTextHandler(&want, nil)
		both := func(r slog.Record) {
			for _, h := range []slog.Handler{h, std} {
				if err := h.Handle(context.Background(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, text := range strange {
			for _, at := range []time.Time{base, base.In(somewhere), base.Add(time.Duration(i) * 700 * time.Millisecond), {}} {
				r := slog.NewRecord(at, slog.LevelInfo, "request", 0)
				r.AddAttrs(slog.String("text", text), slog.Int("n", -i), slog.Duration("took", time.Duration(i*i*i)*time.Microsecond))
				both(r)
				both(slog.NewRecord(at, slog.Level(i-3), text, 0))
				r.AddAttrs(slog.String(text, "x"))
				both(r)
			}
		}
		r := slog.NewRecord(base, slog.LevelInfo, "others", 0)
		r.AddAttrs(slog.Bool("b", true), slog.Any("err", errors.New("a = b")), slog.Group("g", slog.Int("n", 1)), slog.Any("nil", nil))
		both(r)
		lines.flush()
		if got.String() != want.String() {
			for i, line := range strings.SplitAfter(want.String(), "\n") {
				if ours := strings.SplitAfter(got.String(), "\n"); i >= len(ours) || ours[i] != line {
					t.Fatalf("line %d: got %q, want %q", i, ours[min(i, len(ours)-1)], line)
				}
			}
			t.Fatal("there are more lines than there should be")
		}
	})
	t.Run("a_logger_with_attributes_keeps_them", func(t *testing.T) {
		var got bytes.Buffer
		logger, flush := newLogger(newConfig(), &got)
		logger.With("a", 1).WithGroup("g").Info("x", "b", 2)
		flush()
		if line := got.String(); !strings.HasSuffix(line, " level=INFO msg=x a=1 g.b=2\n") {
			t.Errorf("%q", line)
		}
	})
}

func TestLog_Gathering(t *testing.T) {
	t.Run("a_warning_is_written_at_once_with_what_was_before", func(t *testing.T) {
		got := newOutput()
		logger, _ := newLogger(newConfig(), got)
		logger.Info("one")
		logger.Warn("two")
		if text := got.String(); strings.Count(text, "\n") != 2 {
			t.Errorf("%q", text)
		}
	})
	t.Run("a_line_is_written_soon_although_nothing_follows", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := newOutput()
		logger, _ := newLogger(newConfig(), got)
		for i := range 3 { // the timer is used again
			logger.Info("line", "n", i)
			if got.await(ctx, regexp.MustCompile(fmt.Sprintf("n=%d\n", i))) == nil {
				t.Fatal("nothing was written")
			}
		}
	})
	t.Run("no_line_is_lost_or_divided_among_many_writers", func(t *testing.T) {
		got := newOutput()
		logger, flush := newLogger(newConfig(), got)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for i := range 500 {
					logger.Info("line", "n", i, "text", "two words")
					logger.Info("line", "n", i, "text", "word")
				}
			})
		}
		all.Wait()
		flush()
		lines := strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n")
		if len(lines) != 8*500*2 {
			t.Errorf("%d lines", len(lines))
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, "time=") || !strings.Contains(line, " level=INFO msg=line n=") {
				t.Fatalf("%q", line)
			}
		}
	})
}
