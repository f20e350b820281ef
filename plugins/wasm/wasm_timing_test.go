package wasm

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

// lineList are header lines that wait to be asked for.
type lineList [][2][]byte

func (l *lineList) Tell(x *plugins.Exchange) {
	for _, line := range *l {
		x.LoadHeader(line[0], line[1])
	}
}

// caller returns a func that takes one request, as a browser sends it, through chain.
func caller(tb testing.TB, chain *plugins.Chain, target string) func() {
	ctx := context.Background()
	site := &params.Site{}
	method, uri := []byte("GET"), []byte(target)
	var header lineList
	for _, h := range [][2]string{
		{"Host", "shop.example.com"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
		{"Accept", "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"}, {"Accept-Encoding", "gzip, deflate, br"},
		{"Accept-Language", "en-GB,en;q=0.9"}, {"Referer", "https://shop.example.com/"}, {"Sec-Fetch-Dest", "image"},
		{"Save-Data", "off"},
	} {
		header = append(header, [2][]byte{[]byte(h[0]), []byte(h[1])})
	}
	return func() {
		x := chain.Meet(header[0][1], uri)
		if x == nil {
			panic("no rule is for it")
		}
		x.Site = site
		x.Load(method, uri)
		x.LoadLater(&header, header[0][1])
		if err := chain.Request(ctx, x); err != nil {
			tb.Fatal(err)
		}
		chain.Release(x)
	}
}

// The way of a matching request costs no allocation: not the copying of its headers, not
// the call, not the new URI.
func TestCallsAllocateNothing(t *testing.T) {
	for _, tt := range []struct{ file, target string }{{"next.wasm", "/p/shoe"}, {"products.wasm", "/p/shoe?exp=1&sig=2"}} {
		chain, _ := chainOf(t, Options{File: filepath.Join("testdata", tt.file)})
		call := caller(t, chain, tt.target)
		if n := testing.AllocsPerRun(1000, call); n != 0 && !raced {
			t.Errorf("%s: %v allocations a call", tt.file, n)
		}
	}
}

func TestRequestsOfNoRuleCostNothing(t *testing.T) {
	chain, _ := chainOf(t, Options{File: "testdata/next.wasm"}, func(l *plugins.Link) { l.Match = []string{"shop.example.com/p/**", "/products/*"} })
	host, target := []byte("Shop.example.com:8080"), []byte("/cdn-cgi/imagedelivery/hash/id/public?x=1")
	if n := testing.AllocsPerRun(1000, func() {
		if chain.Wants(host, target) {
			t.Fatal("it is for none")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// processorTime is what the process has used; others may use the machine meanwhile.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkCall(b *testing.B) {
	for _, file := range []string{"next", "products"} {
		chain, _ := chainOf(b, Options{File: filepath.Join("testdata", file+".wasm")})
		call := caller(b, chain, "/p/shoe-1234")
		b.Run(file, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				call()
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
		b.Run(file+" on all processors", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				call := caller(b, chain, "/p/shoe-1234")
				for pb.Next() {
					call()
				}
			})
		})
	}
}

func BenchmarkNoRule(b *testing.B) {
	chain, _ := chainOf(b, Options{File: "testdata/next.wasm"}, func(l *plugins.Link) { l.Match = []string{"shop.example.com/p/**"} })
	host, target := []byte("shop.example.com"), []byte("/cdn-cgi/imagedelivery/hash/id/public")
	for b.Loop() {
		if chain.Wants(host, target) {
			b.Fatal("it is for none")
		}
	}
}

func BenchmarkMeter(b *testing.B) {
	body, err := os.ReadFile("testdata/foreign/router.wasm")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := meter(body, startBudget); err != nil {
			b.Fatal(err)
		}
	}
}
