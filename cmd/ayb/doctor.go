package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// checkTime bounds each check.
const checkTime = 10 * time.Second

// A grade says how bad a finding is.
type grade string

const (
	fine    grade = "ok"
	warning grade = "warning" // it works, but not as one would want
	broken  grade = "problem" // the server, or a part of it, does not work
)

// A finding is one line of the doctor's report: what was looked at, what was
// seen, and, unless it is fine, what to do.
type finding struct {
	grade   grade
	subject string
	text    string
}

// found returns a finding.
func found(g grade, subject, format string, args ...any) finding {
	return finding{g, subject, fmt.Sprintf(format, args...)}
}

// doctorCommand is "ayb doctor".
type doctorCommand struct{ configFlag }

// Run looks at everything and reports it, a line each. It fails if something is
// broken.
func (cmd doctorCommand) Run(s surrounding) error {
	c, err := cmd.load(s)
	if err != nil {
		list, ok := err.(problems)
		if !ok {
			list = sentences(err)
		}
		for _, text := range list {
			found(broken, "configuration", "%s", text).write(s.out)
		}
		return errReported
	}
	if c.examine(context.Background(), s.out) {
		return errReported
	}
	return nil
}

func (f finding) write(w io.Writer) { fmt.Fprintf(w, "%-8s %-14s %s\n", f.grade, f.subject, f.text) }

// examine writes all findings and reports whether something is broken.
func (c *config) examine(ctx context.Context, w io.Writer) (bad bool) {
	for _, check := range []func(context.Context) []finding{
		c.examineConfig, c.examineDirectory, c.examineMetadata, c.examineMail, c.examineSnapshots, c.examineIsolation,
	} {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		for _, f := range check(ctx) {
			f.write(w)
			bad = bad || f.grade == broken
		}
		cancel()
	}
	return bad
}

func (c *config) examineConfig(context.Context) (list []finding) {
	list = append(list, found(fine, "configuration", "%s", c.summary()))
	if c.file != "" && readableByOthers(c.file) {
		list = append(list, found(warning, "configuration", "every user of this machine can read %s, with the secrets in it; run: chmod 600 %s", c.file, c.file))
	}
	if c.PublicURL == "" && len(c.TrustedProxies) == 0 && !c.isLocal() {
		list = append(list, found(warning, "configuration",
			"links in e-mails begin with %s, which is right on this machine only; set public_url to the address that people use", c.publicURL(int(c.Port))))
	}
	return list
}

// isLocal reports whether the server can be reached from this machine only.
func (c *config) isLocal() bool {
	addr, err := netip.ParseAddr(c.Host)
	return c.Host == "localhost" || err == nil && addr.IsLoopback()
}
