package hosting

import (
	"reflect"
	"unsafe"

	"github.com/ncruces/go-sqlite3"
)

// Two things that the driver knows and does not export: how much memory a
// connection holds, and how to take everything from a connection that cannot be
// closed any more. Both hang on the field wrp of its Conn. If a version of the
// driver keeps them elsewhere, the program does not start.
var driverFields = func() (f struct{ wrapper, memory []int }) {
	wrapper, ok := reflect.TypeFor[sqlite3.Conn]().FieldByName("wrp")
	if !ok || wrapper.Type.Kind() != reflect.Pointer {
		panic("hosting: this version of the driver keeps its state elsewhere")
	}
	memory, ok := wrapper.Type.Elem().FieldByName("Buf")
	if _, closes := wrapper.Type.MethodByName("Close"); !ok || !closes || memory.Type != reflect.TypeFor[[]byte]() {
		panic("hosting: this version of the driver keeps its memory elsewhere")
	}
	f.wrapper, f.memory = wrapper.Index, memory.Index
	return f
}()

// driverMemory returns the memory of a connection, which grows and never moves
// to another slice header. Only its length is of interest.
func driverMemory(c *sqlite3.Conn) *[]byte {
	wrapper := reflect.ValueOf(c).Elem().FieldByIndex(driverFields.wrapper).Elem()
	return (*[]byte)(unsafe.Pointer(wrapper.FieldByIndex(driverFields.memory).UnsafeAddr()))
}

// freeDriver takes the files, with their locks, and the memory from a connection.
// It must not be used afterwards, not even to close it.
func freeDriver(c *sqlite3.Conn) error {
	field := reflect.ValueOf(c).Elem().FieldByIndex(driverFields.wrapper)
	wrapper := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	err, _ := wrapper.MethodByName("Close").Call(nil)[0].Interface().(error)
	return err
}
