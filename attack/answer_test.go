//go:build linux

package attack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ayb"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// An answer is what somebody who did something was told.
type answer struct {
	status  int    // of HTTP; 0: there was none
	header  string // all of it
	body    string
	kind    string // of a failure
	message string
	rows    string // values parted by |, rows by " / "
	took    time.Duration
}

// The kinds of answers that no server sends.
const (
	late    = "late"    // none came in time
	broken  = "broken"  // it ended in the middle
	differs = "differs" // two that should be alike are not
)

// parse looks into an answer of the API.
func (a *answer) parse() {
	if a.status < 200 || a.status > 299 {
		var e wire.Error
		if json.Unmarshal([]byte(a.body), &e) == nil {
			a.kind, a.message = string(e.Kind), e.Message
		}
		return
	}
	var result struct{ Rows [][]*string }
	if json.Unmarshal([]byte(a.body), &result) != nil {
		return
	}
	rows := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		values := make([]string, len(row))
		for j, v := range row {
			if values[j] = "NULL"; v != nil {
				values[j] = *v
			}
		}
		rows[i] = strings.Join(values, "|")
	}
	a.rows = strings.Join(rows, " / ")
}

// answerOf is what a call of the engine comes to.
func answerOf(result *ayb.Result, err error) answer {
	if err != nil {
		return answer{kind: string(fault.KindOf(err)), message: fault.Message(err)}
	}
	rows := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		values := make([]string, len(row))
		for j, v := range row {
			if values[j] = v.String(); v.Type() == ayb.Null {
				values[j] = "NULL"
			}
		}
		rows[i] = strings.Join(values, "|")
	}
	return answer{status: http.StatusOK, rows: strings.Join(rows, " / ")}
}

func (a answer) ok() bool { return a.kind == "" && a.status >= 200 && a.status < 300 }

// is reports whether the answer is as wanted.
func (a answer) is(w Want) bool {
	if status, err := strconv.Atoi(w.What); err == nil {
		return a.status == status && strings.Contains(a.header+"\n"+a.body, w.Words)
	}
	switch w.What {
	case "ok":
		return a.ok() && strings.Contains(a.body, w.Words)
	case "rows":
		return a.ok() && a.rows == w.Words
	}
	return a.kind == w.What && strings.Contains(a.message, w.Words)
}

// String shows the answer in a finding.
func (a answer) String() string {
	switch {
	case a.kind != "":
		return short(fmt.Sprintf("%s: %s", a.kind, a.message))
	case a.ok() && a.rows != "":
		return short("rows: " + a.rows)
	case a.ok():
		return short("ok: " + a.body)
	}
	return short(fmt.Sprintf("%d: %s", a.status, a.body))
}

func short(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}
