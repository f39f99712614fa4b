package mail

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"
)

// testTime is when everything in these tests happens.
func testTime() time.Time { return time.Date(2026, 11, 22, 13, 44, 8, 0, time.FixedZone("", 3600)) }

const loginBody = "To complete your registration, visit\n\thttp://localhost:5433/confirm/gAAA%3D\n\nOr type\n\tayb client confirm gAAA="

func testLetter(subject, body string) letter {
	return letter{
		envelope: envelope{to: Address{"", "ann@example.org"}, subject: subject, body: body},
		from:     Address{"Server Sender", "server@example.org"}, replyTo: Address{"Zoë", "zoe@example.org"},
		date: testTime(), id: "0102@example.org",
	}
}

func TestLetter_format_is_a_plain_mail(t *testing.T) {
	want := strings.ReplaceAll(`From: "Server Sender" <server@example.org>
To: ann@example.org
Reply-To: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>
Subject: Your login credentials
Date: Sun, 22 Nov 2026 12:44:08 +0000
Message-ID: <0102@example.org>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

`+loginBody, "\n", "\r\n")
	if got := string(testLetter("Your login credentials", loginBody).format()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// readLetter takes a mail apart as its reader does.
func readLetter(t *testing.T, raw []byte) (header netmail.Header, subject, body string) {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	content := msg.Body
	if msg.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		content = quotedprintable.NewReader(content)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header, subject, strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestLetter_format_keeps(t *testing.T) {
	for claim, c := range map[string]struct{ subject, body, encoding string }{
		"nothing at all":                {"", "", "7bit"},
		"a line of 998 bytes":           {"s", strings.Repeat("x", 998) + "\n", "7bit"},
		"a line of 999 bytes":           {"s", strings.Repeat("x", 999) + "\nshort", "quoted-printable"},
		"letters of the world":          {"Überraschung für Zoë 🎉", "Grüße,\n\t日本語\n", "quoted-printable"},
		"spaces at ends of lines":       {"s", "é  \n \t\n", "quoted-printable"},
		"dots":                          {"...", ".\n..\n.x\n", "7bit"},
		"a long subject":                {strings.Repeat("words and ", 45), "", "7bit"},
		"a long subject of the world":   {strings.Repeat("Wörter 日本 ", 25), "", "7bit"},
		"a long subject without spaces": {strings.Repeat("x", 500), "", "7bit"},
		"runs of spaces in the subject": {"a   b" + strings.Repeat(" ", 90) + "c", "", "7bit"},
	} {
		t.Run(claim, func(t *testing.T) {
			raw := testLetter(c.subject, c.body).format()
			header, subject, body := readLetter(t, raw)
			if got := header.Get("Content-Transfer-Encoding"); got != c.encoding {
				t.Errorf("encoding %s, want %s", got, c.encoding)
			}
			// net/mail puts one space where a header was folded, and takes off
			// those at its end.
			if strings.Join(strings.Fields(subject), " ") != strings.Join(strings.Fields(c.subject), " ") {
				t.Errorf("subject %q, want %q", subject, c.subject)
			}
			if body != c.body {
				t.Errorf("body %q, want %q", body, c.body)
			}
			checkLines(t, raw)
		})
	}
}

// checkLines checks what mail servers demand of every line.
func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > maxLine || strings.ContainsAny(line, "\r\n\x00") || !isASCII(line) {
			t.Errorf("bad line %q", line)
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add("Your login credentials", loginBody)
	f.Add("Zoë\r\nBcc: bob@example.org", ".\r\n.\r\n")
	f.Add("=?utf-8?q?x?=", strings.Repeat("é", 1000))
	f.Add("a  b", "é \n")
	f.Fuzz(func(t *testing.T, subject, body string) {
		mail, err := Message{To: "ann@example.org", Subject: subject, Body: body}.parse()
		if err != nil {
			return
		}
		raw := testLetter(mail.subject, mail.body).format()
		header, title, text := readLetter(t, raw)
		if got, want := strings.Fields(title), strings.Fields(mail.subject); !slices.Equal(got, want) {
			t.Errorf("subject %q became %q", mail.subject, title)
		}
		if len(header) != 10 {
			t.Errorf("%d headers of %q: %v", len(header), subject, header)
		}
		if text != mail.body {
			t.Errorf("body %q became %q", mail.body, text)
		}
		checkLines(t, raw)
	})
}
