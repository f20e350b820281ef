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
