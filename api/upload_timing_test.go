package api_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/api"
)

// BenchmarkUpload sends distinct pictures over real sockets to a store that syncs
// every one of them to disk before it answers.
func BenchmarkUpload(b *testing.B) {
	for _, size := range []int{20 << 10, 1 << 20} {
		for _, clients := range []int{2, 16} {
			b.Run(fmt.Sprintf("%d KiB, %d clients", size>>10, clients), func(b *testing.B) {
				f := newFixture(b, func(o *api.Options) { o.Report = nil })
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
				padded := append([]byte(photo()), make([]byte, size)...)
				var n atomic.Int64
				b.SetBytes(int64(size))
				b.SetParallelism(max(1, clients/runtime.GOMAXPROCS(0)))
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						body := bytes.Clone(padded)
						binary.BigEndian.PutUint64(body[len(body)-8:], uint64(n.Add(1)))
						contentType, text := form(part{"file", "f.jpg", string(body)})
						request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, f.base+f.path("v1"), text)
						if err != nil {
							b.Error(err)
							return
						}
						request.Header.Set("Content-Type", contentType)
						request.Header.Set("Authorization", "Bearer "+string(f.token))
						response, err := client.Do(request)
						if err != nil {
							b.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, response.Body)
						_ = response.Body.Close()
						if response.StatusCode != http.StatusOK {
							b.Errorf("%d", response.StatusCode)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "uploads/s")
			})
		}
	}
}
