package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"ayb/fault"
)

func TestQueryContext(t *testing.T) {
	ended := func(c context.Context) bool {
		select {
		case <-c.Done():
			return true
		default:
			return false
		}
	}
	t.Run("ends_by_cancel_before_and_after_somebody_waits", func(t *testing.T) {
		for _, early := range []bool{true, false} {
			c := &queryContext{Context: t.Context()}
			if early && ended(c) {
				t.Error("it has ended before it was cancelled")
			}
			c.cancel()
			if !ended(c) || !errors.Is(c.Err(), context.Canceled) || !errors.Is(ending(c, c.Err()), errCancelled) {
				t.Errorf("waited for before: %v: ended %v, %v", early, ended(c), c.Err())
			}
		}
	})
	t.Run("ends_with_the_request_and_is_not_said_to_be_cancelled", func(t *testing.T) {
		parent, leave := context.WithCancel(t.Context())
		c := &queryContext{Context: parent}
		ended(c)
		leave()
		<-c.Done()
		if err := ending(c, c.Err()); !errors.Is(err, context.Canceled) || errors.Is(err, errCancelled) {
			t.Error(err)
		}
	})
	t.Run("costs_no_place_among_the_children_of_the_request_until_somebody_waits", func(t *testing.T) {
		parent, leave := context.WithCancel(t.Context())
		defer leave()
		allocs := testing.AllocsPerRun(100, func() {
			c := queryContext{Context: parent}
			if c.Err() != nil {
				t.Error(c.Err())
			}
			c.release()
		})
		if allocs > 1 {
			t.Errorf("%v allocations", allocs)
		}
	})
	t.Run("children_end_with_it_whoever_is_first", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 2000 {
			c := &queryContext{Context: t.Context()}
			child, leave := context.WithTimeout(c, time.Hour)
			all.Go(func() {
				if i%2 == 0 {
					c.cancel()
				} else {
					c.release()
				}
			})
			all.Go(func() {
				if i%3 == 0 {
					leave()
				}
				<-child.Done()
				if child.Err() == nil {
					t.Error("a child has ended without an error")
				}
				leave()
			})
		}
		all.Wait()
	})
}

func TestReadAll(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 10_000)
	free := func(int64) error { return nil }
	for _, said := range []int64{-1, 0, 1, int64(len(long)) - 1, int64(len(long)), int64(len(long)) + 1, 1 << 40} {
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(long), "byte by byte": iotest.OneByteReader(bytes.NewReader(long)), "end with the last bytes": iotest.DataErrReader(bytes.NewReader(long)),
		} {
			text, err := readAll(r, said, int64(len(long)), free)
			if err != nil || !bytes.Equal(text, long) {
				t.Errorf("%s, said to be %d long: %d bytes, %v", name, said, len(text), err)
			}
		}
		if _, err := readAll(bytes.NewReader(long), said, int64(len(long))-1, free); !errors.Is(err, fault.TooLarge) {
			t.Errorf("over the limit, said to be %d long: %v", said, err)
		}
		broken := errors.New("broken")
		if _, err := readAll(io.MultiReader(bytes.NewReader(long), iotest.ErrReader(broken)), said, 1<<20, free); !errors.Is(err, broken) {
			t.Errorf("broken, said to be %d long: %v", said, err)
		}
	}
	t.Run("memory_is_reserved_as_it_is_taken", func(t *testing.T) {
		full := errors.New("full")
		taken := int64(0)
		_, err := readAll(bytes.NewReader(long), -1, 1<<20, func(n int64) error {
			if taken = n; n > 50_000 {
				return full
			}
			return nil
		})
		if err != full || taken > 150_000 {
			t.Errorf("%d bytes, %v", taken, err)
		}
	})
	t.Run("no_memory_for_a_mere_promise", func(t *testing.T) {
		text, err := readAll(bytes.NewReader(nil), 1<<30, 1<<30, free)
		if err != nil || cap(text) > promiseBody {
			t.Errorf("%d bytes of room, %v", cap(text), err)
		}
	})
}
