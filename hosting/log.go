package hosting

import (
	"bytes"
	"errors"
	"io"
	"os"

	"ayb/fault"
)

// The parts of the head of a SQLite file that say what it is and how it is
// written: https://sqlite.org/fileformat.html
const (
	magic         = "SQLite format 3\x00"
	formatOffset  = len(magic) + 2 // two bytes: how to write it, and how to read it
	headSize      = 100
	rollbackWrite = 1
	logWrite      = 2
)

// UseLog makes a SQLite file one that a database can have, which keeps a write-ahead
// log: VACUUM INTO makes files that do not. It changes two bytes of the head and
// syncs the file, and nothing if that has been done. Nobody may have the file open.
// Errors: Invalid (it is no SQLite file), Unavailable.
func UseLog(path string) error {
	err := useLog(path)
	if err == nil || fault.KindOf(err) == fault.Invalid {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The server can't prepare the database's file; please tell whoever runs it")
}

func useLog(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow|nonBlock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, headSize)
	if _, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	format := head[formatOffset : formatOffset+2]
	if !bytes.HasPrefix(head, []byte(magic)) || !knownFormat(format[0]) || !knownFormat(format[1]) {
		return fault.New(fault.Invalid, "This is not a SQLite database, or an encrypted one")
	}
	if format[0] == logWrite && format[1] == logWrite {
		return nil
	}
	if _, err := f.WriteAt([]byte{logWrite, logWrite}, int64(formatOffset)); err != nil {
		return err
	}
	return f.Sync()
}

func knownFormat(b byte) bool { return b == rollbackWrite || b == logWrite }
