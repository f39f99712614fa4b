package httpapi

import (
	"io"
	"net/http"
	"time"

	"ayb/internal/walls"
)

// The bounds of taking what is left of a body from the connection after the
// answer has been sent.
const (
	lingerBytes = 32 << 20
	lingerTime  = 5 * time.Second
	lingerIdle  = time.Second // without any of it
)

// The bounds of passing over a small body before the answer. Some clients send it
// in a packet of its own, just behind the header.
const (
	smallBody   = 64 << 10
	arrivalTime = 200 * time.Millisecond
)

// allRead notes that the body has been read to its end.
func (x *exchange) allRead() {
	x.read = true
	x.control.SetReadDeadline(time.Time{}) // or it would end the watch for the client's going
}

// leaveBody sees to it that no answer waits for a body that nobody reads. A small
// one is passed over; with a larger one, or one that does not come, the connection
// ends with this answer, because nobody could tell the rest of the body from the
// next request.
func (x *exchange) leaveBody() {
	if x.r.ContentLength == 0 || x.read || x.left || x.opt.Walls.Has(walls.UnreadBody) {
		return
	}
	// A body in chunks could not be read on after the time is up, and who waits to be
	// told to send the body is told not to, by the answer.
	if length := x.r.ContentLength; length > 0 && length <= smallBody && x.r.Header.Get("Expect") == "" {
		x.control.SetReadDeadline(time.Now().Add(arrivalTime))
		if _, err := io.Copy(io.Discard, x.r.Body); err == nil {
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
