package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ayb/fault"
	"ayb/internal/durable"
)

// File is a transport that appends each message as one line of JSON to a file,
// in the order in which they are sent. It is safe for concurrent use; each file
// has one File. The file is opened for each message, so that it may be moved
// away at any time.
type File struct {
	Path    string           // made if missing, with mode 0600, and its parents with 0700
	From    Address          // required
	ReplyTo Address          // zero: From
	Now     func() time.Time // nil: time.Now

	mu sync.Mutex // held while a line is added, so that none is taken for torn
}

// A fileLine is a line of the file, with the keys in the order of the existing
// ayb. The content is the text itself whatever the encoding claims.
type fileLine struct {
	From                    string   `json:"from"`
	To                      string   `json:"to"`
	ReplyTo                 string   `json:"reply_to"`
	Subject                 string   `json:"subject"`
	ContentType             string   `json:"content_type"`
	ContentTransferEncoding string   `json:"content_transfer_encoding"`
	Date                    string   `json:"date"`
	Content                 []string `json:"content"`
}

// Name returns "file".
func (f *File) Name() string { return "file" }

// Send appends msg and returns when it is on disk. It fails as [fault.Invalid]
// or [fault.TooLarge] for a message that cannot be sent, and as
// [fault.Unavailable] if the file cannot be written.
func (f *File) Send(ctx context.Context, msg Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mail, err := msg.parse()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	line, err := f.line(mail)
	if err == nil {
		err = f.append(line)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The e-mail file cannot be written")
	}
	return nil
}

// Check reports whether messages could be appended, and leaves no trace: a file
// that does not exist yet is not made. It fails as [fault.Unavailable].
func (f *File) Check(context.Context) error {
	file, err := f.open(0)
	if errors.Is(err, fs.ErrNotExist) {
		err = checkWritable(existingParent(f.Path))
	} else if err == nil {
		err = file.Close()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The e-mail file cannot be written")
	}
	return nil
}

func (f *File) line(mail envelope) ([]byte, error) {
	now, replyTo := f.Now, f.ReplyTo
	if now == nil {
		now = time.Now
	}
	if replyTo.IsZero() {
		replyTo = f.From
	}
	content := []string{}
	for line := range strings.Lines(mail.body) {
		content = append(content, strings.TrimSuffix(line, "\n"))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // "ayb <noreply@localhost>" stays legible
	err := encoder.Encode(fileLine{
		From: f.From.String(), To: mail.to.String(), ReplyTo: replyTo.String(),
		Subject: mail.subject, ContentType: "text/plain", ContentTransferEncoding: "7bit",
		Date: now().UTC().Format(dateFormat), Content: content,
	})
	return b.Bytes(), err
}

// append writes the line in one call. If the file ends in the middle of a line,
// which a full disk or a crash may have left, the new line does not continue it.
func (f *File) append(line []byte) error {
	dir := filepath.Dir(f.Path)
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	file, err := f.open(os.O_CREATE)
	if err != nil {
		return err
	}
	empty, torn, err := howItEnds(file)
	if torn {
		line = append([]byte("\n"), line...)
	}
	if err == nil {
		_, err = file.Write(line)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil && empty { // perhaps because it is new
		err = durable.SyncDir(dir)
	}
	return errors.Join(err, file.Close())
}

// open opens the file to append to it. What is no regular file is refused,
// because writing to it may never end.
func (f *File) open(flags int) (*os.File, error) {
	if f.Path == "" {
		return nil, errors.New("no path")
	}
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_APPEND|flags, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// howItEnds reports whether a file is empty, and whether its last line is torn.
func howItEnds(file *os.File) (empty, torn bool, err error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err == nil, false, err
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, size-1)
	return false, err == nil && last[0] != '\n', err
}

// existingParent returns the nearest directory above path that exists.
func existingParent(path string) string {
	for {
		parent := filepath.Dir(path)
		if _, err := os.Stat(parent); err == nil || parent == path {
			return parent
		}
		path = parent
	}
}

// checkWritable finds out the only sure way whether files can be made in dir.
func checkWritable(dir string) error {
	probe, err := os.CreateTemp(dir, ".mail-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
