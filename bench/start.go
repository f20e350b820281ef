package main

import (
	"context"
	"os"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runStart starts the server on a store that is there already and asks until the
// first picture has come.
func runStart(ctx context.Context, b *bench) error {
	f, err := b.rig.Fovea(ctx)
	if err != nil {
		return err
	}
	b.result.contender(f.Process)
	photo, err := photograph(1600, 1200, 1)
	if err == nil {
		err = f.Upload(ctx, "first", photo, false)
	}
	if err != nil {
		return err
	}
	request := load.Get(f.Address, rig.Path("first", "width=400"), 200, accept)
	if _, err := fetch(ctx, f.Address, request); err != nil {
		return err
	}
	starts := 10
	if b.short {
		starts = 2
	}
	var listens, firsts, idle []float64
	for range starts {
		if err := f.Stop(); err != nil {
			return err
		}
		began := time.Now()
		if err := f.Start(ctx); err != nil {
			return err
		}
		listens = append(listens, time.Since(began).Seconds()*1000)
		if _, err := fetch(ctx, f.Address, request); err != nil {
			return err
		}
		firsts = append(firsts, time.Since(began).Seconds()*1000)
	}
	if err := f.Stop(); err != nil {
		return err
	}
	for range 3 {
		if err := f.Start(ctx); err != nil {
			return err
		}
		if err := f.Settle(ctx); err != nil {
			return err
		}
		resident, err := f.Resident()
		if err != nil {
			return err
		}
		idle = append(idle, float64(resident)/1e6)
		if err := f.Stop(); err != nil {
			return err
		}
	}
	binary, err := os.Stat(f.Program())
	if err != nil {
		return err
	}
	b.find(finding{Name: "from nothing to listening", Value: figureOf(listens), Unit: "ms"})
	b.bound("from nothing to the first picture, ms", figureOf(firsts), "≤ 150", 150)
	b.bound("binary, MB", figureOf([]float64{float64(binary.Size()) / 1e6}), "≤ 60", 60)
	b.bound("idle RSS, MB", figureOf(idle), "≤ 60", 60)
	return nil
}
