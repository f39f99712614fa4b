//go:build linux

// Command redteam is a worker that has been taken over. It is built by its own
// tests, is part of no other program, and takes the place of a worker's binary: it
// enters the walls by the same code as a worker does, answers the Runner as one,
// and then tries, one after the other, whatever somebody would try who runs code
// of their own in there. What it is to try comes in the comment of a query.
//
// It is evil only in the directory of an owner in which there is a file with the
// name of evilMark. For all other owners it is an ordinary worker, so that the same
// Runner has honest neighbours.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ayb/hosting/sandbox"
	"ayb/hosting/worker"
)

// evilMark is the name of the file that says for which owner to be evil.
const evilMark = "evil"

// What the program is when it is not a worker.
const (
	beBystander = "bystander" // waits to be attacked, see bystander
	beNothing   = "nothing"   // ends at once
)

func main() {
	sandbox.Main()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case beBystander:
			bystander(os.Args[2])
			return
		case beNothing:
			return
		}
	}
	policy, _, err := sandbox.FromArgs(os.Args)
	if err != nil || len(policy.Dirs) == 0 {
		fmt.Fprintln(os.Stderr, "redteam: this program is started by its tests")
		os.Exit(1)
	}
	if _, err := os.Stat(filepath.Join(policy.Dirs[0], evilMark)); err != nil {
		worker.Main()
	}
	report, err := sandbox.Enter(policy)
	if err == nil {
		err = report.Err()
	}
	os.Exit(beEvil(newWire(os.NewFile(socketDescriptor, "runner")), err))
}

// bystander is a process that has nothing to do with workers. It holds a secret in
// its memory, lets everybody debug it whom the kernel lets, prints where the secret
// is, and waits until its standard input ends.
func bystander(secret string) {
	_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) // unknown to kernels that need none
	held := []byte(secret)
	fmt.Println(uintptr(unsafe.Pointer(unsafe.SliceData(held))))
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
}

// An order is what a query has the worker do.
type order struct {
	Attempt string // of the machine, by name; see attempts
	Lie     string // to the Runner, by name; see lies
	Target  target
}

// An outcome is the answer to an attempt.
type outcome struct {
	Known  bool   // there is an attempt of that name
	Failed string // why it came to nothing; empty: it did not
}

// beEvil answers the Runner until the socket is closed. If something was wrong
// before, it says so, as a worker does.
func beEvil(w *wire, wrong error) int {
	if _, err := w.next(); err != nil {
		return 0
	}
	if wrong != nil {
		w.send(kindReady, 0, []byte(wrong.Error()))
		return 1
	}
	w.send(kindReady, 0, nil)
	var body []byte
	bye := func() int { w.send(kindDone, 0, done(0)); return 0 }
	for {
		f, err := w.next()
		if err != nil {
			return 0
		}
		switch f.kind {
		case kindRequest:
			body = append(body, f.payload...)
		case kindRequestEnd:
			body = append(body, f.payload...)
			w.database = databaseIn(body)
			if o, ok := orderIn(body); ok {
				if last := w.obey(f.id, o); last != nil {
					bye = last
				}
			} else {
				w.answer(f.id, "")
			}
			body = nil
		case kindCredit:
			select {
			case w.credit <- binary.LittleEndian.Uint32(f.payload):
			default: // nobody uses it
			}
		case kindProbe:
			w.send(kindStatus, f.id, status())
		case kindBye:
			return bye()
		}
	}
}

// obey does what an order says. It returns what to do instead of ending, if there is
// something.
func (w *wire) obey(id uint32, o order) (bye func() int) {
	if o.Lie != "" {
		for _, l := range lies() {
			if l.name == o.Lie {
				return l.tell(w, id)
			}
		}
	}
	result := outcome{}
	for _, a := range attempts() {
		if a.name == o.Attempt {
			o.Target.wire, o.Target.call = w, id
			result.Known = true
			if err := onItsOwn(func() error { return a.do(&o.Target) }); err != nil {
				result.Failed = err.Error()
			}
		}
	}
	text, err := json.Marshal(result)
	if err != nil {
		panic(err) // it is plain data
	}
	w.answer(id, string(text))
	return nil
}

// onItsOwn runs a function on a thread of its own, which ends with it: what it does
// to its namespaces, its root or its rights is gone with it.
func onItsOwn(f func() error) (err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // for good
		err = f()
	}()
	<-ended
	return err
}
