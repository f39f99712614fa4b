package worker

import (
	"io"
	"sync"

	"ayb/hosting"
)

// takeLong takes the turn of something that takes long, which is among those of texts
// that read: there are more of them.
func (c *child) takeLong(t *task, req *request) (give func(), err error) {
	t.turn.wait = c.turns.limits.MaintenanceTime
	if err := c.turns.take(t, req.lane(), &t.turn); err != nil {
		return nil, err
	}
	return func() { c.turns.give(&t.turn) }, nil
}

// copy makes a copy when its turn has come, which is over when it is made: to hand it
// over takes as long as whoever gets it likes.
func (c *child) copy(t *task, req *request) (hosting.Generation, error) {
	give, err := c.takeLong(t, req)
	if err != nil {
		return hosting.Generation{}, err
	}
	w := &handedOver{t, sync.OnceFunc(give)}
	defer w.made()
	return c.inner.Copy(t, req.job.DB, hosting.CopyMethod(req.how), w)
}

// A handedOver is a writer to which a copy is handed that has been made.
type handedOver struct {
	io.Writer
	made func()
}

// Write writes.
func (w *handedOver) Write(p []byte) (int, error) {
	w.made()
	return w.Writer.Write(p)
}

// adopt makes a database of an upload when its turn has come.
func (c *child) adopt(t *task, req *request) error {
	give, err := c.takeLong(t, req)
	if err != nil {
		return err
	}
	defer give()
	return c.inner.Adopt(t, req.job, hosting.Upload{ID: req.file, Format: hosting.UploadFormat(req.how)})
}
