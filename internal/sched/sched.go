// Package sched tells the system's scheduler how urgent the work of processes is,
// and where it may be done.
package sched
