package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/disk"
	"github.com/fovea-images/fovea/cache/memory"
	"github.com/fovea-images/fovea/cache/redis"
	"github.com/fovea-images/fovea/internal/config"
)

// newCache builds the cache and its tiers: memory, then disk, then what the nodes
// share. The slower two are for a server alone.
func (a *app) newCache(settings config.Config, to purpose) (err error) {
	c := settings.Cache
	options := cache.Options{FillTimeout: c.FillTimeout, NegativeTTL: c.NegativeTTL}
	if options.Tier, err = memory.New(int64(c.Memory)); err != nil {
		return fmt.Errorf("cache.memory: %w", err)
	}
	defer func() {
		if err != nil {
			for _, tier := range append(options.Slower, options.Tier) {
				err = errors.Join(err, tier.Close())
			}
		}
	}()
	shared, err := a.newShared(settings.Redis)
	if err != nil {
		return fmt.Errorf("redis.%w", err)
	}
	if c.Disk > 0 {
		kept := disk.Options{Folder: cmp.Or(c.Folder, filepath.Join(settings.Data, "cache")), Bytes: int64(c.Disk)}
		if shared != nil {
			kept.Now = shared.Now
		}
		if err = kept.Validate(); err == nil && to == serving {
			if a.disk, err = disk.Open(kept); err == nil {
				options.Slower, options.Ledger = append(options.Slower, a.disk), a.disk.Ledger()
			}
		}
		if err != nil {
			return fmt.Errorf("cache.disk: %w", err)
		}
	}
	if shared != nil && to == serving {
		a.shared, options.Fleet = shared, shared
		options.Slower = append(options.Slower, shared)
	}
	if a.cache, err = cache.New(options); err != nil {
		return fmt.Errorf("cache.%w", err)
	}
	return nil
}

// newShared builds what the nodes share; nil if this one is alone.
func (a *app) newShared(r config.Redis) (*redis.Shared, error) {
	if r.Consistency != "eventual" && r.Consistency != "strict" {
		return nil, fmt.Errorf("consistency: expected eventual or strict, received %q", r.Consistency)
	}
	if r.URL == "" {
		return nil, nil
	}
	shared, err := redis.Open(redis.Options{
		URL: string(r.URL), Prefix: r.Prefix, Timeout: r.Timeout, Largest: int(r.MaxBytes),
		Strict: r.Consistency == "strict", Heard: a.heard,
	})
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return shared, nil
}

// measureTiers registers what the slower tiers count.
func (a *app) measureTiers() {
	if a.disk != nil {
		a.telemetry.Gauge("fovea_cache_disk_bytes", "Bytes of cached answers on disk.", func() float64 { return float64(a.disk.Stats().Bytes) })
		a.telemetry.Gauge("fovea_cache_disk_entries", "Cached answers on disk.", func() float64 { return float64(a.disk.Stats().Entries) })
		a.telemetry.Counter("fovea_cache_disk_failures_total", "Reads and writes that the disk could not do.", func() float64 { return float64(a.disk.Stats().Failures) })
		a.telemetry.Counter("fovea_cache_purges_unrecorded_total", "Purges that could not be written down: the disk's answers are dropped at the next start.", func() float64 { return float64(a.cache.Stats().Unrecorded) })
	}
	if a.shared != nil {
		a.telemetry.Counter("fovea_redis_failures_total", "Commands that Redis did not do in time.", func() float64 { return float64(a.shared.Stats().Failures) })
		a.telemetry.Gauge("fovea_redis_purges_pending", "Purges that other nodes have not been told of.", func() float64 { return float64(a.shared.Pending()) })
		a.telemetry.Gauge("fovea_redis_vouched", "1 while what is kept may be served, as redis.consistency has it.", func() float64 {
			if a.shared.Vouched() {
				return 1
			}
			return 0
		})
	}
}
