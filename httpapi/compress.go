package httpapi

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressAbove is the size of a body, in bytes, up to which compressing it
// gains nothing.
const compressAbove = 1 << 10

// mostSqueezers is how many answers are compressed at once, each of which takes
// about a megabyte for as long as its reader does. Others are sent as they are.
const mostSqueezers = 128

// zstdWindow bounds the memory that a compressed answer takes here and there.
const zstdWindow = 128 << 10

// A squeezer compresses one answer.
type squeezer struct {
	compressor
	encoding string
}

type compressor interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// squeezers keeps squeezers for re-use, by encoding: making one costs more than
// a small answer.
type squeezers struct {
	gzip, zstd sync.Pool
	taken      atomic.Int64
}

func newSqueezers() *squeezers {
	return &squeezers{
		gzip: sync.Pool{New: func() any {
			w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
			if err != nil {
				panic(err) // the level exists
			}
			return &squeezer{w, "gzip"}
		}},
		zstd: sync.Pool{New: func() any {
			w, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic(err) // the options exist
			}
			return &squeezer{w, "zstd"}
		}},
	}
}

// pool returns the pool of an encoding, nil if there is none.
func (s *squeezers) pool(encoding string) *sync.Pool {
	switch encoding {
	case "gzip":
		return &s.gzip
	case "zstd":
		return &s.zstd
	}
	return nil
}

// get returns a squeezer of an encoding, until put; nil if there is no such encoding,
// or too many answers are being compressed.
func (s *squeezers) get(encoding string) *squeezer {
	pool := s.pool(encoding)
	if pool == nil {
		return nil
	}
	if s.taken.Add(1) > mostSqueezers {
		s.taken.Add(-1)
		return nil
	}
	return pool.Get().(*squeezer)
}

// put takes a squeezer back, used to its end or not.
func (s *squeezers) put(q *squeezer) {
	q.Reset(io.Discard)
	s.taken.Add(-1)
	s.pool(q.encoding).Put(q)
}

// squeezer returns one that compresses what it is given into the answer, as the
// client prefers, and says so in the headers; nil if the answer is to stay as it
// is. The caller puts it back.
func (x *exchange) squeezer() *squeezer {
	if x.opt.NoCompression || x.secret {
		return nil
	}
	x.w.Header().Add("Vary", "Accept-Encoding")
	encoding, _ := preferredEncoding(x.r.Header["Accept-Encoding"])
	s := x.squeezers.get(encoding)
	if s == nil {
		return nil
	}
	x.w.Header().Set("Content-Encoding", encoding)
	s.Reset(x)
	return s
}

// worthSqueezing reports whether a body of so many bytes is to be compressed if it
// can be: it is not small, or the client says that it takes none that is not. One
// that takes nothing we have gets it as it is, as the standard asks.
func (x *exchange) worthSqueezing(size int64) bool {
	if size > compressAbove {
		return true
	}
	accept := x.r.Header["Accept-Encoding"]
	if len(accept) == 0 || size == 0 {
		return false
	}
	_, must := preferredEncoding(accept)
	return must
}

// preferredEncoding returns which of our encodings a client likes best; of two
// that it likes as much, the cheaper one. Empty: none, or it would rather have
// the answer as it is, which must says it would not have at all.
func preferredEncoding(accept []string) (best string, must bool) {
	liking := map[string]float64{}
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, _ := strings.Cut(entry, ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			q, _ = strconv.ParseFloat(value, 64) // what can't be read is not liked
		}
		liking[strings.ToLower(strings.TrimSpace(name))] = q
	}
	like := func(name string) float64 {
		if q, ok := liking[name]; ok {
			return q
		}
		return liking["*"]
	}
	highest, named := liking["identity"] // if it is not named, anything is better
	all, any := liking["*"]
	must = named && highest == 0 || !named && any && all == 0
	for _, name := range []string{"zstd", "gzip"} {
		if q := like(name); q > 0 && (q > highest || best == "" && q >= highest) {
			best, highest = name, q
		}
	}
	return best, must
}
