package httpapi

import (
	"io"
	"net/http"
	"time"
)

// The bounds of taking what is left of a body from the connection after the
// answer has been sent.
const (
	lingerBytes = 32 << 20
	lingerTime  = 5 * time.Second
	lingerIdle  = time.Second // without any of it
)

// arrivedBytes is the most of a body that is passed over before the answer.
const arrivedBytes = 64 << 10

// allRead notes that the body has been read to its end.
func (x *exchange) allRead() {
	x.read = true
	x.control.SetReadDeadline(time.Time{}) // or it would end the watch for the client's going
}

// leaveBody sees to it that no answer waits for a body that nobody reads. What
// has arrived is passed over; if that is not all, the connection ends with this
// answer, because nobody could tell the rest of the body from the next request.
func (x *exchange) leaveBody() {
	if x.r.ContentLength == 0 || x.read {
		return
	}
	// Only what is in memory is read. A body in chunks could not be read on after
	// that, and who waits to be told to send the body is told not to, by the answer.
	if x.r.ContentLength > 0 && x.r.Header.Get("Expect") == "" {
		x.control.SetReadDeadline(time.Now())
		if _, err := io.CopyN(io.Discard, x.r.Body, arrivedBytes); err == io.EOF {
			x.allRead()
			return
		}
	}
	x.left = true
	x.w.Header().Set("Connection", "close")
}

// linger takes what is left of a body from the connection, after the answer and
// within bounds. A connection that is closed while something unread is on it is
// reset, and a client that is still sending would never see the answer.
func (x *exchange) linger() {
	if x.control.Flush() != nil {
		return
	}
	body := http.MaxBytesReader(x.w, x.r.Body, lingerBytes) // beyond it, the server waits a moment before it closes
	piece := x.pieces.get()
	defer x.pieces.put(piece)
	last := time.Now().Add(lingerTime)
	for now := time.Now(); now.Before(last); now = time.Now() {
		x.control.SetReadDeadline(now.Add(min(lingerIdle, last.Sub(now))))
		if _, err := body.Read(piece[:cap(piece)]); err != nil {
			return
		}
	}
}
