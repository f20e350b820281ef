package main

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/internal/telemetry"
)

// measure registers what the rooms count.
func (a *app) measure() {
	counters := map[string]struct {
		help string
		read func() float64
	}{
		"fovea_cache_fills_total":            {"Cache fills begun.", func() float64 { return float64(a.cache.Stats().Fills) }},
		"fovea_cache_refills_total":          {"Background refills of stale entries.", func() float64 { return float64(a.cache.Stats().Refills) }},
		"fovea_cache_coalesced_total":        {"Requests that joined another one's fill.", func() float64 { return float64(a.cache.Stats().Joins) }},
		"fovea_cache_failures_total":         {"Cache fills that failed.", func() float64 { return float64(a.cache.Stats().Failures) }},
		"fovea_cache_purges_total":           {"Purges.", func() float64 { return float64(a.cache.Stats().Purges) }},
		"fovea_engine_decodes_total":         {"Source pictures decoded.", func() float64 { return float64(a.engine.Stats().Decodes) }},
		"fovea_engine_mezzanines_made_total": {"Sources decoded to make several sizes from.", func() float64 { return float64(a.engine.Stats().Mezzanines[engine.Made]) }},
		"fovea_engine_mezzanines_used_total": {"Pictures made without decoding their source again.", func() float64 {
			used := a.engine.Stats().Mezzanines
			return float64(used[engine.Kept] + used[engine.Joined])
		}},
		"fovea_spared_total":      {"Sources of hosted images that came from the store because Cloudflare did not have them, or could not be asked.", func() float64 { return float64(a.current.Load().Spared()) }},
		"fovea_engine_shed_total": {"Transforms refused for want of capacity.", func() float64 { return float64(a.engine.Stats().Shed) }},
	}
	for name, c := range counters {
		a.telemetry.Counter(name, c.help, c.read)
	}
	a.telemetry.Gauge("fovea_cache_budget_bytes", "Bytes that may be held in memory.", func() float64 { return float64(a.cache.Stats().Tier.Budget) })
	a.telemetry.Gauge("fovea_cache_fills", "Cache fills running now.", func() float64 { return float64(a.cache.Stats().Flying) })
	a.telemetry.Gauge("fovea_engine_budget_bytes", "Bytes that running transforms may hold together.", func() float64 { return float64(a.settings.Engine.Memory) })
	a.telemetry.Gauge("fovea_cache_bytes", "Bytes held in memory.", func() float64 { return float64(a.cache.Stats().Tier.Bytes) })
	a.telemetry.Gauge("fovea_engine_mezzanine_bytes", "Bytes of decoded sources kept in memory.", func() float64 { return float64(a.engine.Stats().MezzanineBytes) })
	a.telemetry.Gauge("fovea_engine_held_bytes", "Bytes that running transforms are estimated to hold.", func() float64 { return float64(a.engine.Stats().Held) })
	a.telemetry.Gauge("fovea_upgraded_connections", "Connections to the websites behind that have left HTTP.", func() float64 { return float64(a.current.Load().Upgraded()) })
	a.telemetry.Gauge("fovea_engine_running", "Transforms running now.", func() float64 { return float64(a.engine.Stats().Running) })
	a.telemetry.Gauge("fovea_engine_queued", "Transforms waiting now.", func() float64 { return float64(a.engine.Stats().Queued) })
	family := func(name, help, label string, gauge bool, read func() map[string]float64) {
		a.telemetry.Register(telemetry.Family{Name: name, Help: help, Labels: []string{label}, Gauge: gauge, Read: func(tell func(float64, ...string)) {
			for value, n := range read() {
				tell(n, value)
			}
		}})
	}
	family("fovea_engine_pictures_total", "Pictures encoded, by media type.", "type", false, func() map[string]float64 {
		made := map[string]float64{}
		for media, n := range a.engine.Stats().Done {
			made[media.String()] = float64(n)
		}
		return made
	})
	family("fovea_reloads_total", "Reloads of the configuration, by result.", "result", false, func() map[string]float64 {
		return map[string]float64{"refused": float64(a.reloads[0].Load()), "done": float64(a.reloads[1].Load())}
	})
	family("fovea_traces_total", "Requests that were followed, by what became of their trace.", "result", false, func() map[string]float64 {
		s := a.tracer.Stats()
		return map[string]float64{"exported": float64(s.Exported), "dropped": float64(s.Dropped), "lost": float64(s.Lost)}
	})
	codecs := map[string]float64{}
	for _, form := range codec.Names(a.codecs) {
		codecs[form.Format+" by "+form.Name] = 1
	}
	family("fovea_codec_info", "Which library serves which format.", "codec", true, func() map[string]float64 { return codecs })
	family("fovea_build_info", "The version that runs.", "version", true, func() map[string]float64 { return map[string]float64{version: 1} })
	a.telemetry.Gauge("fovea_ready", "1 if images can be looked up.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if a.ready(ctx) != nil {
			return 0
		}
		return 1
	})
	if a.certificate != nil {
		a.telemetry.Gauge("fovea_tls_certificate_not_after_seconds", "When the certificate ends, in seconds since 1970.", func() float64 {
			return float64(a.certificate.current.Load().Leaf.NotAfter.Unix())
		})
	}
}
