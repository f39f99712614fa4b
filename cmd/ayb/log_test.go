package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLog_Gathering(t *testing.T) {
	t.Run("a_logger_with_attributes_keeps_them", func(t *testing.T) {
		var got bytes.Buffer
		logger, flush := newLogger(newConfig(), &got)
		logger.With("a", 1).WithGroup("g").Info("x", "b", 2)
		flush()
		if line := got.String(); !strings.HasSuffix(line, " level=INFO msg=x a=1 g.b=2\n") {
			t.Errorf("%q", line)
		}
	})
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
