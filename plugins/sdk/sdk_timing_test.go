package sdk_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

// The friendly URLs of examples/rules/products in each language, through the chain as the
// server calls it: once for a path that is not its own, and once for a product.
// cpu-ns/op is what counts on a machine that does other work too.
func BenchmarkProducts(b *testing.B) {
	for lang, source := range map[string]string{"c": "c/products.c", "as": "as/products.ts", "rust": "rust/products.rs", "go": "products.go"} {
		b.Run(lang, func(b *testing.B) {
			module := build(b, lang, "../../examples/rules/products/"+source)
			begun := time.Now()
			chain := load(b, module, `{"account":"FoveaDemoAccountHash00","sizes":{"l":1600,"m":800,"s":320}}`, nil)
			took := time.Since(begun)
			if info, err := os.Stat(module); err == nil {
				b.Logf("%s: %d KiB of module, loaded in %v, %d KiB of memory", lang, info.Size()>>10, took.Round(time.Millisecond), chain.Stats()[0].Memory>>10)
			}
			b.Run("other", func(b *testing.B) { called(b, chain, "/elsewhere/shoe.jpg") })
			b.Run("product", func(b *testing.B) { called(b, chain, "/products/red-running-shoe-4711-s.jpg?exp=1790000000&sig=0123") })
		})
	}
}

func called(b *testing.B, chain *plugins.Chain, url string) {
	site := &params.Site{}
	method, target, host, value := []byte("GET"), []byte(url), []byte("host"), []byte("localhost")
	b.ReportAllocs()
	units := chain.Stats()[0].Units
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		x := chain.Meet(value, target)
		x.Site = site
		x.Load(method, target)
		x.LoadHeader(host, value)
		if err := chain.Request(b.Context(), x); err != nil {
			b.Fatal(err)
		}
		chain.Release(x)
		n++
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(n), "cpu-ns/op")
	b.ReportMetric(float64(chain.Stats()[0].Units-units)/float64(n), "instr/op")
}
