package proxy

import "testing"

func BenchmarkHit(b *testing.B) {
	for name, target := range map[string]string{
		"variant": path("shoes/red.jpg/public"), "options": path("shoes/red.jpg/width=80,height=60,fit=cover"),
	} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			f.add("shoes/red.jpg", picture(160, 120))
			r := warm(b, f, target)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := f.Serve(b.Context(), r); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
