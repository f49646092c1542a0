package codecs_test

import (
	"testing"

	"simplecqrs/codecs"
)

// What the tables cost an order on the straight way: each value that they are given.
func BenchmarkStates(b *testing.B) {
	var values []any
	for n := range happy(nil) {
		values = append(values, decide(happy(nil)[:n+1]...))
	}
	benchmark(b, codecs.State{}, values)
}

func BenchmarkRows(b *testing.B) {
	var values []any
	for n := range happy(nil) {
		values = append(values, fold(happy(nil)[:n+1]...))
	}
	benchmark(b, codecs.Row{}, values)
}

// Two plans in force at once, as while one is replaced.
func BenchmarkStatesOfTwoPlans(b *testing.B) {
	one, other := decide(happy(nil)[:2]...), decide(happy(nil)[:2]...)
	other.Definition.Version++
	benchmark(b, codecs.State{}, []any{one, other})
}

func benchmark(b *testing.B, c codec, values []any) {
	var encoded [][]byte
	size := 0
	for _, v := range values {
		e, err := c.Encode(v)
		if err != nil {
			b.Fatal(err)
		}
		encoded = append(encoded, e)
		size += len(e)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, v := range values {
				if _, err := c.Encode(v); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(size), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, e := range encoded {
				if _, err := c.Decode(e); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
