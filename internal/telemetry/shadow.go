package telemetry

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Shadow counts comparisons of our answers with another service's.
type Shadow struct {
	compared *prometheus.CounterVec
	likeness prometheus.Histogram
	bytes    prometheus.Histogram
}

// Shadow registers what is counted of comparisons. It is called once.
func (t *Telemetry) Shadow() *Shadow {
	s := &Shadow{
		compared: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fovea_shadow_compared_total", Help: "Answers of the other service by what ours differ in: nothing, status, type, size; skipped ones by why.",
		}, []string{"differs", "skipped"}),
		likeness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fovea_shadow_ssim", Help: "Structural similarity of our picture and theirs, of one size in pixels; 1 = the same.",
			Buckets: []float64{.5, .7, .8, .9, .95, .97, .98, .99, .995, 1},
		}),
		bytes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fovea_shadow_bytes_ratio", Help: "Bytes of our picture for each of theirs.",
			Buckets: []float64{.25, .5, .75, .9, 1, 1.1, 1.25, 1.5, 2, 4},
		}),
	}
	t.registry.MustRegister(s.compared, s.likeness, s.bytes)
	return s
}

// Compared counts one comparison. differs and skipped are words of a closed set; ssim
// and ratio count only if they are numbers.
func (s *Shadow) Compared(differs, skipped string, ssim, ratio float64) {
	s.compared.WithLabelValues(differs, skipped).Inc()
	if !math.IsNaN(ssim) {
		s.likeness.Observe(ssim)
	}
	if !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
		s.bytes.Observe(ratio)
	}
}
