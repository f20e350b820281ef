package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Family is a group of counters or gauges of one name, told apart by labels, which are
// read whenever the metrics are. The values of labels must come from a closed set.
type Family struct {
	Name, Help string
	Labels     []string
	Gauge      bool // it may fall
	// Read calls tell with each member's value and the values of its labels.
	Read func(tell func(value float64, labels ...string))
}

// Register adds a family.
func (t *Telemetry) Register(f Family) {
	kind := prometheus.CounterValue
	if f.Gauge {
		kind = prometheus.GaugeValue
	}
	t.registry.MustRegister(&collector{
		description: prometheus.NewDesc(f.Name, f.Help, f.Labels, nil),
		collect: func(d *prometheus.Desc, to chan<- prometheus.Metric) {
			f.Read(func(value float64, labels ...string) { to <- prometheus.MustNewConstMetric(d, kind, value, labels...) })
		},
	})
}

// Times is a group of histograms of one name, in seconds, told apart by one label.
type Times struct {
	Name, Help, Label string
	Bounds            []float64
	// Read calls tell with each member's label, the sum, and the counts by Bounds, each
	// its own and the last beyond them.
	Read func(tell func(label string, sum float64, counts []uint64))
}

// RegisterTimes adds a group of histograms.
func (t *Telemetry) RegisterTimes(h Times) {
	t.registry.MustRegister(&collector{
		description: prometheus.NewDesc(h.Name, h.Help, []string{h.Label}, nil),
		collect: func(d *prometheus.Desc, to chan<- prometheus.Metric) {
			h.Read(func(label string, sum float64, counts []uint64) {
				total := uint64(0)
				buckets := make(map[float64]uint64, len(h.Bounds))
				for i, n := range counts {
					if total += n; i < len(h.Bounds) {
						buckets[h.Bounds[i]] = total
					}
				}
				to <- prometheus.MustNewConstHistogram(d, total, sum, buckets, label)
			})
		},
	})
}

// collector reads a group whenever it is asked.
type collector struct {
	description *prometheus.Desc
	collect     func(*prometheus.Desc, chan<- prometheus.Metric)
}

func (c *collector) Describe(to chan<- *prometheus.Desc) { to <- c.description }
func (c *collector) Collect(to chan<- prometheus.Metric) { c.collect(c.description, to) }
