package hosting

import (
	"bytes"
	"errors"
	"io"
	"os"

	"ayb/fault"
	"ayb/internal/durable"
)

// The head of a SQLite file, and where in it is what: https://sqlite.org/fileformat.html
const (
	headBytes    = 100
	headMagic    = "SQLite format 3\x00"
	headPage     = 16
	headWrite    = 18 // what is needed to write it: withJournal or withLog
	headRead     = 19 // the same to read it
	headReserved = 20 // bytes at the end of each page that SQLite does not use
	headChanges  = 24
	headPages    = 28
	headEncoding = 56
	headValidFor = 92
)

// How a file is written.
const (
	withJournal = 1 // for rolling back
	withLog     = 2 // ahead of the file
)

// UseLog makes a SQLite file one that a database can have, which keeps a write-ahead
// log: VACUUM INTO makes files that do not. It changes two bytes of the head and
// syncs the file, and nothing if that has been done. Nobody may have the file open.
// Errors: Invalid (it is no SQLite file), Unavailable.
func UseLog(path string) error {
	return durable.Fault(useLog(path), "The server can't prepare the database's file; please tell whoever runs it")
}

func useLog(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow|nonBlock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, headBytes)
	if _, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	format := head[headWrite : headRead+1]
	if !bytes.HasPrefix(head, []byte(headMagic)) || !knownFormat(format[0]) || !knownFormat(format[1]) {
		return fault.New(fault.Invalid, "This is not a SQLite database, or an encrypted one")
	}
	if format[0] == withLog && format[1] == withLog {
		return nil
	}
	if _, err := f.WriteAt([]byte{withLog, withLog}, headWrite); err != nil {
		return err
	}
	return f.Sync()
}

func knownFormat(b byte) bool { return b == withJournal || b == withLog }
