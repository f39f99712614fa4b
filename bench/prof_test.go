package main

import (
	"context"
	"testing"

	"ayb"
)

func BenchmarkEngine(b *testing.B) {
	ctx := context.Background()
	bed, err := newBed(ctx, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer bed.close()
	b.ReportAllocs()
	id := 0
	for b.Loop() {
		id++
		if _, err := bed.eng.Query(ctx, bed.who, "alice/places", point, id%places+1); err != nil {
			b.Fatal(err)
		}
	}
}
func BenchmarkScan(b *testing.B) {
	ctx := context.Background()
	bed, err := newBed(ctx, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer bed.close()
	for b.Loop() {
		r := &reader{}
		if _, err := bed.eng.Stream(ctx, bed.who, "alice/places", aybStatement(scan), r); err != nil {
			b.Fatal(err)
		}
	}
}

func aybStatement(s string) (st ayb.Statement) { st.SQL = s; return }
