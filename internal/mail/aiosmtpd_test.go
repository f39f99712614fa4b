package mail

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lentServer returns the port of a mail server that is not ours, and the file to
// which it prints what it takes; scripts/aiosmtpd lends one.
func lentServer(t *testing.T) (port int, log string) {
	t.Helper()
	address, log := os.Getenv("AYB_TEST_SMTP"), os.Getenv("AYB_TEST_SMTP_LOG")
	if address == "" || log == "" {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatal("AYB_TEST_REQUIRE is set and AYB_TEST_SMTP is not: run the tests with scripts/aiosmtpd")
		}
		t.Skip("AYB_TEST_SMTP is not set; scripts/aiosmtpd lends a mail server")
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(text); err != nil {
		t.Fatal(err)
	}
	return port, log
}

// awaitMail waits until the server has printed a mail that contains the mark.
func awaitMail(t *testing.T, log, mark string) []byte {
	t.Helper()
	const begin, end = "---------- MESSAGE FOLLOWS ----------\n", "------------ END MESSAGE ------------\n"
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for mail := range bytes.SplitSeq(text, []byte(begin)) {
			if mail, _, whole := bytes.Cut(mail, []byte(end)); whole && bytes.Contains(mail, []byte(mark)) {
				_, mail, _ = bytes.Cut(mail, []byte("\n\n")) // the options of the MAIL command
				return mail
			}
		}
	}
	t.Fatalf("no mail with %s", mark)
	return nil
}

func TestSMTP_Send_to_a_foreign_server(t *testing.T) {
	port, log := lentServer(t)
	for claim, body := range map[string]string{
		"the login mail": loginBody,
		"dots":           ".\n..x\n.\nend",
		"UTF-8":          "Grüße,\n\t日本語\n" + strings.Repeat("ü", 2000),
		"long lines":     strings.Repeat("x", 998) + "\n" + strings.Repeat("y", 3000),
	} {
		t.Run(claim, func(t *testing.T) {
			client := testSMTP(port, Plain, nil, "", "")
			client.Random = nil
			mark := strconv.FormatInt(time.Now().UnixNano(), 36)
			msg := Message{To: "ann@example.org", Subject: "Überraschung " + mark, Body: body}
			if err := client.Send(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			header, subject, got := readLetter(t, awaitMail(t, log, mark))
			if subject != msg.Subject || header.Get("To") != msg.To {
				t.Errorf("%q, %v", subject, header)
			}
			if strings.TrimSuffix(got, "\n") != body {
				t.Errorf("got %.200q, want %.200q", got, body)
			}
		})
	}
}
