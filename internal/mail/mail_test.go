package mail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"ayb/fault"
)

func TestMailer_Send(t *testing.T) {
	ctx := t.Context()
	msg := Message{To: "ann@example.org", Subject: "s", Body: "b"}
	down := fault.Wrap(fault.Unavailable, errors.New("smtp-secret-cause"), "The mail server cannot be reached")

	t.Run("all transports get the message", func(t *testing.T) {
		var a, b Memory
		if err := New(nil, &a, &b).SendMail(ctx, msg.To, msg.Subject, msg.Body); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*Memory{&a, &b} {
			if got := m.Messages(); !reflect.DeepEqual(got, []Message{msg}) {
				t.Errorf("%v", got)
			}
		}
	})
	t.Run("one success is enough and the failure is logged", func(t *testing.T) {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			var log bytes.Buffer
			var bad, good Memory
			bad.Fail(down)
			both := []Transport{&bad, &good}
			mailer := New(slog.New(slog.NewTextHandler(&log, nil)), both[order[0]], both[order[1]])
			if err := mailer.Send(ctx, msg); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "smtp-secret-cause") || !strings.Contains(log.String(), "transport=memory") {
				t.Errorf("log: %s", log.String())
			}
			if len(good.Messages()) != 1 {
				t.Error("not sent")
			}
		}
	})
	t.Run("all failures are one that hides its causes", func(t *testing.T) {
		var a, b Memory
		other := errors.New("disk-cause")
		a.Fail(down)
		b.Fail(other)
		err := New(nil, &a, &b).Send(ctx, msg)
		if fault.KindOf(err) != fault.Unavailable || fault.Message(err) != "The e-mail could not be sent; try again later" {
			t.Errorf("%v", err)
		}
		if !errors.Is(err, down) || !errors.Is(err, other) {
			t.Errorf("causes lost: %v", err)
		}
	})
	t.Run("a refused recipient is the caller's affair", func(t *testing.T) {
		var a Memory
		a.Fail(fault.Wrap(fault.Invalid, &RecipientError{Code: 550, Reply: "no such user"}, "no"))
		err := New(nil, &a).Send(ctx, msg)
		if refused, ok := errors.AsType[*RecipientError](err); !ok || refused.Code != 550 || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	})
	t.Run("without transports nothing is sent", func(t *testing.T) {
		if err := New(nil).Send(ctx, msg); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%v", err)
		}
	})
	t.Run("the end of the caller's context is the caller's error", func(t *testing.T) {
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if err := New(nil, &Memory{}).Send(canceled, msg); err != context.Canceled {
			t.Errorf("%v", err)
		}
	})
}

// badMessages are messages that no transport sends.
func badMessages() map[string]Message {
	return map[string]Message{
		"no recipient":               {Subject: "s", Body: "b"},
		"two recipients":             {To: "a@example.org, b@example.org"},
		"a header in the recipient":  {To: "a@example.org\r\nBcc: b@example.org"},
		"a header in the subject":    {To: "a@example.org", Subject: "s\r\nBcc: b@example.org"},
		"a line break in a subject":  {To: "a@example.org", Subject: "s\nt"},
		"a tab in the subject":       {To: "a@example.org", Subject: "s\tt"},
		"an encoded subject":         {To: "a@example.org", Subject: "=?utf-8?q?s=0D=0ABcc:_b?="},
		"a NUL in the body":          {To: "a@example.org", Body: "\x00"},
		"a lone CR in the body":      {To: "a@example.org", Body: "a\r.\r\nb"},
		"an escape code in the body": {To: "a@example.org", Body: "\x1b[2J"},
		"a C1 control in the body":   {To: "a@example.org", Body: "\u009b2J"},
		"a body that is not UTF-8":   {To: "a@example.org", Body: "\xff"},
		"a subject that is too long": {To: "a@example.org", Subject: strings.Repeat("s", MaxSubject+1)},
		"a body that is too long":    {To: "a@example.org", Body: strings.Repeat("b", MaxBody+1)},
	}
}

func TestMailer_Send_refuses(t *testing.T) {
	for claim, msg := range badMessages() {
		t.Run(claim, func(t *testing.T) {
			var memory Memory
			checkBad(t, New(nil, &memory).Send(t.Context(), msg))
			if sent := memory.Messages(); len(sent) > 0 {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

func checkBad(t *testing.T, err error) {
	t.Helper()
	if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
		t.Errorf("%v", err)
	}
}

func TestMemory(t *testing.T) {
	var m Memory
	for claim, msg := range badMessages() {
		if m.Send(t.Context(), msg) == nil {
			t.Errorf("takes %s", claim)
		}
	}
	if _, ok := m.Last("ann@example.org"); ok {
		t.Error("a message before any was sent")
	}
	for _, body := range []string{"1", "2"} {
		if err := m.Send(t.Context(), Message{To: "ann@example.org", Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := m.Last("ann@example.org"); !ok || got.Body != "2" {
		t.Errorf("%v", got)
	}
	m.Fail(fault.Unavailable)
	if err := m.Send(t.Context(), Message{To: "ann@example.org"}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if n := len(m.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}
