//go:build amd64 || arm64

package sandbox

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets into the data that the kernel hands to a filter (struct seccomp_data).
// Arguments are words of 64 bits, low half first on the architectures we know.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
)

// What a filter answers.
var (
	allow   = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse  = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	unknown = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	kill    = bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}
)

// A call is a system call that is decided by its arguments.
type call struct {
	number uint32
	decide []bpf.Instruction // ends with a verdict on every path
}

// low loads the lower half of an argument.
func low(argument int) bpf.Instruction {
	return bpf.LoadAbsolute{Off: uint32(offsetArguments + 8*argument), Size: 4}
}

// high loads the upper half of an argument.
func high(argument int) bpf.Instruction {
	return bpf.LoadAbsolute{Off: uint32(offsetArguments + 8*argument + 4), Size: 4}
}

// ifOneOf allows a call whose argument, an int to the kernel, is one of values.
func ifOneOf(argument int, values ...uint32) []bpf.Instruction {
	code := []bpf.Instruction{low(argument)}
	for _, v := range values {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, allow)
	}
	return append(code, refuse)
}

// ifWithout allows a call whose argument has none of the given low bits.
func ifWithout(argument int, bits uint32) []bpf.Instruction {
	return []bpf.Instruction{
		low(argument),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipFalse: 1},
		refuse,
		allow,
	}
}

// ifWithin allows a call whose argument has all the bits of must, and beyond them
// no low bits but those of may.
func ifWithin(argument int, must, may uint32) []bpf.Instruction {
	return []bpf.Instruction{
		low(argument),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: ^(must | may), SkipFalse: 1},
		refuse,
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: must},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: must, SkipFalse: 1},
		allow,
		refuse,
	}
}

// ifZero allows a call whose arguments are all zero, to the last bit.
func ifZero(arguments ...int) (code []bpf.Instruction) {
	for _, a := range arguments {
		for _, half := range []bpf.Instruction{low(a), high(a)} {
			code = append(code, half, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, refuse)
		}
	}
	return append(code, allow)
}

// filter returns a program that allows the calls of free, decides those of
// decided, and refuses all others. Another architecture's numbers mean other
// calls, so a process that uses them is killed; so is one that uses a number from
// tooLarge on (zero: there is no such number).
func filter(architecture, tooLarge uint32, free []uint32, decided []call) ([]bpf.RawInstruction, error) {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		kill,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	if tooLarge != 0 {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: tooLarge, SkipFalse: 1}, kill)
	}
	for _, number := range free {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipFalse: 1}, allow)
	}
	for _, c := range decided {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: c.number, SkipFalse: uint8(len(c.decide))})
		code = append(code, c.decide...)
	}
	return bpf.Assemble(append(code, refuse))
}
