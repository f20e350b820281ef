package telemetry

import (
	"io"
	"testing"
)

func BenchmarkFinished(b *testing.B) {
	for _, format := range []string{"text", "json"} {
		b.Run(format, func(b *testing.B) {
			tel := New(newLog(b, io.Discard, "info", format), all, nil)
			go tel.Run(b.Context())
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					tel.Finished(&hit)
				}
			})
		})
	}
}

// BenchmarkLine is the spelling of a line alone; Finished drops those that nobody has the
// time to write.
func BenchmarkLine(b *testing.B) {
	for _, format := range []string{"text", "json"} {
		b.Run(format, func(b *testing.B) {
			s := &New(newLog(b, io.Discard, "info", format), all, nil).shards[0]
			b.ReportAllocs()
			for b.Loop() {
				s.appendLine(&hit, format == "json")
				s.lines = s.lines[:0]
			}
		})
	}
}
