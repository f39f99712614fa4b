//go:build linux

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// resourceAttempts use more of the machine than a worker's share. Memory is asked
// for and never touched.
func resourceAttempts() []attempt {
	memory := func(flags int) func(t *target) error {
		return func(t *target) error {
			return mapped(uintptr(t.Memory), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_ANON|unix.MAP_NORESERVE)
		}
	}
	return []attempt{
		{name: "memory", what: "takes more memory than its bound", do: memory(unix.MAP_PRIVATE)},
		{name: "memory-shared", what: "takes more memory than its bound, of the kind that processes share", do: memory(unix.MAP_SHARED)},
		{name: "memory-stack", what: "takes more memory than its bound, of the kind that stacks are made of", do: memory(unix.MAP_PRIVATE | unix.MAP_GROWSDOWN)},
		{name: "memory-in-two-steps", what: "takes more memory than its bound, and the right to write it afterwards", do: memoryLater},
		{name: "memory-locked", what: "keeps memory from being swapped out", do: func(*target) error {
			page := make([]byte, 4096)
			defer runtime.KeepAlive(page)
			return unix.Mlock(page)
		}},
		{name: "open-files", what: "opens more files than its bound", do: openMany},
		{name: "disk", what: "makes a file of a terabyte in its directory", do: growFile, open: "can fill the disk"},
		{name: "threads", what: "has fifty threads more", do: manyThreads, open: "a worker needs threads, and has a bound on them where it is not root outside"},
	}
}

func memoryLater(t *target) error {
	address, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, uintptr(t.Memory), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE, ^uintptr(0), 0)
	if errno != 0 {
		return errno
	}
	defer call(unix.SYS_MUNMAP, address, uintptr(t.Memory))
	return passed(call(unix.SYS_MPROTECT, address, uintptr(t.Memory), unix.PROT_READ|unix.PROT_WRITE))
}

func openMany(t *target) error {
	for range t.OpenFiles {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	return nil
}

func growFile(t *target) error {
	place := filepath.Join(t.Own, "large")
	defer os.Remove(place)
	file, err := os.Create(place)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Truncate(1 << 40) // with nothing in it
}

func manyThreads(*target) error {
	const n = 50
	var there, leave sync.WaitGroup
	leave.Add(1)
	for range n {
		there.Add(1)
		go func() {
			runtime.LockOSThread()
			there.Done()
			leave.Wait()
		}()
	}
	there.Wait()
	leave.Done()
	return nil
}
