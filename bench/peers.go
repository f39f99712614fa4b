package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// A peer is a server that people choose. To add one is to implement a contender, in a
// file like pocketbase.go, and to name it in peers.
type peer struct {
	contender
	reads, writes, memory string // what it promises otherwise, where that is measured
}

// peers measures the server beside others. They promise other things, which the notes
// say: what is compared is what a program sees that reads and writes one row at a
// time, out of the box.
func peers(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "peers")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, make := range []func(ctx context.Context, dir string) (peer, error){newPocketBase} {
		p, err := make(ctx, filepath.Join(dir, "peer"))
		if err != nil {
			return nil, err
		}
		for _, mode := range []string{"in-process", "process"} {
			api, err := newAPIContender(ctx, program, mode, filepath.Join(dir, p.name()))
			if err != nil {
				return nil, err
			}
			more, err := against(ctx, filepath.Join(dir, p.name()+" "+mode), api, p)
			if err != nil {
				return nil, err
			}
			figures = append(figures, more...)
		}
	}
	return figures, nil
}

func against(ctx context.Context, dir string, api apiContender, p peer) ([]figure, error) {
	sided, err := sidesOf(ctx, dir, clients, api, p)
	if err != nil {
		return nil, err
	}
	defer closeAll(sided)
	reads, err := race(sided, (*asker).query)
	if err != nil {
		return nil, err
	}
	writes, err := race(sided, (*asker).insert)
	if err != nil {
		return nil, err
	}
	who := api.name() + " / " + p.name()
	read, write := reads.figures("one record by its key, 32 clients, "+who, 0), writes.figures("INSERT of one record, 32 clients, "+who, 0)
	read[0].note += "; " + p.reads
	write[0].note += "; " + p.writes
	own, theirs := treeMemory(sided[0].cmd.Process.Pid), treeMemory(sided[1].cmd.Process.Pid)
	memory := figure{
		what: "memory after that, with all processes, " + who, value: own / max(theirs, 1),
		note: fmt.Sprintf("%.0f MB and %.0f MB; %s", own, theirs, p.memory),
	}
	return append(append(read, write...), memory), nil
}

// treeMemory returns the megabytes of a process and its children together.
func treeMemory(pid int) float64 {
	sum := residentOf(pid)
	children, _ := childrenOf(pid)
	for _, child := range children {
		sum += residentOf(child)
	}
	return sum
}
