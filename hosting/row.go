package hosting

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/durable"
)

// A stmtRow is the row a statement stands on. Only the types of its values are
// known before they are asked for.
type stmtRow struct {
	stmt  *sqlite3.Stmt
	types []catalog.ValueType
}

var storage = [...]catalog.ValueType{
	sqlite3.INTEGER: catalog.Integer,
	sqlite3.FLOAT:   catalog.Real,
	sqlite3.TEXT:    catalog.Text,
	sqlite3.BLOB:    catalog.Blob,
	sqlite3.NULL:    catalog.Null,
}

// stand makes the row that of a statement with n columns.
func (r *stmtRow) stand(stmt *sqlite3.Stmt, n int) {
	r.stmt, r.types = stmt, slices.Grow(r.types[:0], n)[:n]
}

// load looks at the row that the statement has been stepped to.
func (r *stmtRow) load() {
	for i := range r.types {
		r.types[i] = storage[r.stmt.ColumnType(i)]
	}
}

func (r *stmtRow) Len() int                     { return len(r.types) }
func (r *stmtRow) Type(i int) catalog.ValueType { return r.types[i] }

func (r *stmtRow) Int64(i int) int64 {
	if r.types[i] != catalog.Integer {
		return 0
	}
	return r.stmt.ColumnInt64(i)
}

func (r *stmtRow) Float64(i int) float64 {
	if r.types[i] != catalog.Real {
		return 0
	}
	return r.stmt.ColumnFloat(i)
}

func (r *stmtRow) Bytes(i int) []byte {
	switch r.types[i] {
	case catalog.Text:
		return orEmpty(r.stmt.ColumnRawText(i))
	case catalog.Blob:
		return orEmpty(r.stmt.ColumnRawBlob(i))
	}
	return nil
}

func (r *stmtRow) Value(i int) catalog.Value {
	switch r.types[i] {
	case catalog.Integer:
		return catalog.IntegerValue(r.stmt.ColumnInt64(i))
	case catalog.Real:
		return catalog.RealValue(r.stmt.ColumnFloat(i))
	case catalog.Text:
		return catalog.TextValue(string(r.stmt.ColumnRawText(i)))
	case catalog.Blob:
		return catalog.BlobValue(r.stmt.ColumnRawBlob(i))
	}
	return catalog.NullValue()
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// A rowBuffer keeps the rows of a write until it is committed: in memory while
// they are few, then in an unlinked, metered file.
type rowBuffer struct {
	owner   *owner
	limit   int64 // of the rows in all
	columns []catalog.Column
	rows    int64
	size    int64
	mem     []byte
	file    *os.File
	spilled int64 // bytes in the file
}

// What a row and a value count for besides their bytes: as much as they take once
// a caller keeps them, so that a caller with the same bound can keep whatever was
// committed.
const (
	rowCost   = 24
	valueCost = 32
)

// keepInMemory is how many bytes of rows stay in memory.
const keepInMemory = 1 << 20

// reset forgets what was kept: a later statement of the text answers instead.
func (b *rowBuffer) reset(columns []catalog.Column) {
	b.close()
	b.columns = columns
}

// add keeps a row. Each value is a byte for its type, followed by eight bytes
// for a number, or by a length and the bytes of a text or blob.
func (b *rowBuffer) add(row catalog.Row) error {
	b.size += rowCost
	for i := range row.Len() {
		typ := row.Type(i)
		b.mem = append(b.mem, byte(typ))
		switch typ {
		case catalog.Integer:
			b.mem = binary.LittleEndian.AppendUint64(b.mem, uint64(row.Int64(i)))
		case catalog.Real:
			b.mem = binary.LittleEndian.AppendUint64(b.mem, math.Float64bits(row.Float64(i)))
		case catalog.Text, catalog.Blob:
			bytes := row.Bytes(i)
			b.mem = binary.LittleEndian.AppendUint32(b.mem, uint32(len(bytes)))
			b.mem = append(b.mem, bytes...)
			b.size += int64(len(bytes))
		}
	}
	b.rows++
	b.size += valueCost * int64(row.Len())
	if b.size > b.limit {
		return fault.New(fault.TooLarge, "The rows to answer take more than limits.result_bytes (%d MiB) allows; nothing was written. Answer fewer rows", b.limit>>20)
	}
	if len(b.mem) > keepInMemory {
		return b.spill()
	}
	return nil
}

func (b *rowBuffer) spill() error {
	if err := b.owner.growTemp(int64(len(b.mem))); err != nil {
		return err
	}
	b.spilled += int64(len(b.mem))
	if b.file == nil {
		var err error
		if b.file, err = b.owner.tempFile(); err != nil {
			return unkept(err)
		}
	}
	if _, err := b.file.Write(b.mem); err != nil {
		return unkept(err)
	}
	b.mem = b.mem[:0]
	return nil
}

func unkept(err error) error {
	return durable.Fault(err, "The server can't keep the rows to answer; nothing was written")
}

// replay hands over what was kept.
func (b *rowBuffer) replay(sink Sink) error {
	if sink == nil || b.columns == nil {
		return nil
	}
	if err := sink.Columns(b.columns); err != nil {
		return err
	}
	var spilled io.Reader = strings.NewReader("")
	if b.file != nil {
		spilled = io.NewSectionReader(b.file, 0, b.spilled)
	}
	data := bufio.NewReaderSize(io.MultiReader(spilled, bytes.NewReader(b.mem)), 64<<10)
	row := keptRow{cells: make([]cell, len(b.columns))}
	for range b.rows {
		if err := row.read(data); err != nil {
			return fault.Wrap(fault.Internal, err, "The query was committed, but its rows can't be read back")
		}
		if err := sink.Row(&row); err != nil {
			return err
		}
	}
	return nil
}

func (b *rowBuffer) close() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
	b.owner.shrinkTemp(b.spilled)
	b.columns, b.mem, b.rows, b.size, b.spilled = nil, b.mem[:0], 0, 0, 0
}

// A keptRow is a row of a rowBuffer, read back.
type keptRow struct {
	cells []cell
	text  []byte // the bytes of all texts and blobs of the row, one after another
}

type cell struct {
	typ      catalog.ValueType
	num      uint64
	from, to int // in text
}

func (r *keptRow) read(data *bufio.Reader) error {
	r.text = r.text[:0]
	for i := range r.cells {
		typ, err := data.ReadByte()
		if err != nil {
			return err
		}
		c := cell{typ: catalog.ValueType(typ)}
		var word [8]byte
		switch c.typ {
		case catalog.Integer, catalog.Real:
			_, err = io.ReadFull(data, word[:])
			c.num = binary.LittleEndian.Uint64(word[:])
		case catalog.Text, catalog.Blob:
			if _, err = io.ReadFull(data, word[:4]); err != nil {
				return err
			}
			c.from = len(r.text)
			r.text = append(r.text, make([]byte, binary.LittleEndian.Uint32(word[:4]))...)
			c.to = len(r.text)
			_, err = io.ReadFull(data, r.text[c.from:])
		}
		if err != nil {
			return err
		}
		r.cells[i] = c
	}
	return nil
}

func (r *keptRow) Len() int                     { return len(r.cells) }
func (r *keptRow) Type(i int) catalog.ValueType { return r.cells[i].typ }

func (r *keptRow) Int64(i int) int64 {
	if r.Type(i) != catalog.Integer {
		return 0
	}
	return int64(r.cells[i].num)
}

func (r *keptRow) Float64(i int) float64 {
	if r.Type(i) != catalog.Real {
		return 0
	}
	return math.Float64frombits(r.cells[i].num)
}

func (r *keptRow) Bytes(i int) []byte {
	switch c := r.cells[i]; c.typ {
	case catalog.Text, catalog.Blob:
		return r.text[c.from:c.to:c.to]
	}
	return nil
}

func (r *keptRow) Value(i int) catalog.Value {
	switch r.Type(i) {
	case catalog.Integer:
		return catalog.IntegerValue(r.Int64(i))
	case catalog.Real:
		return catalog.RealValue(r.Float64(i))
	case catalog.Text:
		return catalog.TextValue(string(r.Bytes(i)))
	case catalog.Blob:
		return catalog.BlobValue(r.Bytes(i))
	}
	return catalog.NullValue()
}
