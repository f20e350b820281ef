package codec

import (
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

func BenchmarkEncode(b *testing.B) {
	source := still(scene(800, 600), nil, nil)
	for _, c := range writers(forms(b)) {
		b.Run(formOf(c), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.ReportMetric(float64(len(encode(b, c, source, engine.EncodeOptions{}))), "bytes")
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range writers(forms(b)) {
		b.Run(formOf(c), func(b *testing.B) {
			file := encode(b, c, still(scene(800, 600), nil, nil), engine.EncodeOptions{})
			b.ReportAllocs()
			for b.Loop() {
				decode(b, c, file, engine.DecodeOptions{})
			}
		})
	}
}

func BenchmarkDecodeForThumbnail(b *testing.B) {
	c := codecOf(b, params.JPEG)
	file := encode(b, c, still(scene(3200, 2400), nil, nil), engine.EncodeOptions{Baseline: true})
	for b.Loop() {
		decode(b, c, file, engine.DecodeOptions{MinSize: params.Size{W: 200, H: 150}})
	}
}

func BenchmarkProbeManyFrames(b *testing.B) {
	c, file := codecOf(b, params.GIF), gifOf(1000, 1000, 5000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Probe(file); err != nil {
			b.Fatal(err)
		}
	}
}
