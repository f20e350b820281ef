package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runOverload offers ten times as many cold pictures as can be made. Those that are
// taken have to be right and quick, the others refused at once, and afterwards all
// is as before.
func runOverload(ctx context.Context, b *bench) error {
	s, err := b.cold()
	if err != nil {
		return err
	}
	f, ours, err := b.fovea(ctx, "FOVEA_ENGINE_MEMORY=256MiB", "FOVEA_CACHE_MEMORY=64MiB")
	if err != nil {
		return err
	}
	const budget = 256 + 64 + 64 + 64 // engine, answers, mezzanines, sources; MiB
	calm, busy, ramp := 8*time.Second, time.Minute, 3*time.Second
	if b.duration > 0 {
		busy = b.duration
	}
	if b.short {
		calm, busy, ramp = time.Second, 2*time.Second, time.Second
	}
	plan := ours.asks(s, 8, 512, "webp").plan
	plan.Duration, plan.Judge = calm, orRefused(plan.Judge) // a slow machine may refuse even these
	full, err := b.loaded(ctx, f.Process, plan)
	if err != nil {
		return err
	}
	capacity := full.Throughput()
	plan.Connections, plan.Rate = 32, capacity/2
	quiet, err := b.loaded(ctx, f.Process, plan)
	if err != nil {
		return err
	}
	// A request that is refused is answered, too: what counts is that it says so.
	shedding := plan
	shedding.Connections, shedding.Rate, shedding.Duration = 512, 10*capacity, busy
	shedding.Ramp = ramp
	over, err := b.loaded(ctx, f.Process, shedding)
	if err != nil {
		return err
	}
	recovered, err := b.recovers(ctx, &ours, s, 2*quiet.Quantile(.99))
	if err != nil {
		return err
	}
	peak, err := f.Peak()
	if err != nil {
		return err
	}
	one := func(v float64) figure { return figureOf([]float64{v}) }
	refused := float64(over.Refused.TotalCount())
	total := float64(over.Answers+over.Wrong) + refused
	b.find(finding{Name: "capacity, cold pictures of 512 pixels as WebP", Value: one(capacity), Unit: "a second"})
	b.find(finding{Name: fmt.Sprintf("refused of %.0f requests at ten times that", total), Value: one(100 * refused / total), Unit: "%"})
	b.find(finding{Name: "pictures made a second meanwhile", Value: one(over.Throughput())})
	b.find(finding{Name: "p99 of refusals", Value: one(float64(over.Refused.ValueAtQuantile(99)) / 1e6), Unit: "ms"})
	b.find(finding{Name: "p99 at half the capacity", Value: one(quiet.Quantile(.99).Seconds() * 1000), Unit: "ms"})
	b.find(finding{Name: fmt.Sprintf("p99 of accepted in the first %v of it, while it may be a burst", ramp), Value: one(float64(over.Ramp.ValueAtQuantile(99)) / 1e6), Unit: "ms"})
	b.find(finding{Name: "p99 of accepted from then on", Value: one(over.Quantile(.99).Seconds() * 1000), Unit: "ms"})
	b.bound("p99 of accepted under lasting overload / at half the capacity", one(float64(over.Quantile(.99))/float64(quiet.Quantile(.99))), "≤ 3", 3)
	b.bound("back to normal after, s", one(recovered.Seconds()), "≤ 2", 2)
	b.bound("peak RSS, MB", one(float64(peak>>20)), fmt.Sprintf("≤ %d, the budgets' sum", budget), budget)
	b.exactly("wrong answers", float64(over.Wrong), 0)
	return nil
}

// orRefused takes a 503 that says when to come again for what it is.
func orRefused(judge func(*load.Request, *load.Answer, bool) error) func(*load.Request, *load.Answer, bool) error {
	return func(r *load.Request, a *load.Answer, sampled bool) error {
		if a.Status == 503 && len(a.Header("Retry-After")) > 0 {
			return load.ErrRefused
		}
		return judge(r, a, sampled)
	}
}

// loaded is load.Run whose wrong answers are kept.
func (b *bench) loaded(ctx context.Context, p *rig.Process, plan load.Plan) (*load.Outcome, error) {
	got, err := load.Run(ctx, plan)
	if err == nil {
		b.complain(p.Name, got)
	}
	return got, err
}

// recovers asks for cold pictures, one by one, until three in a row come within
// limit, and returns how long that took.
func (b *bench) recovers(ctx context.Context, m *maker, s *sources, limit time.Duration) (time.Duration, error) {
	began, good := time.Now(), 0
	for ctx.Err() == nil && time.Since(began) < time.Minute {
		plan := m.asks(s, 1, 512, "webp").plan
		plan.Count = 1
		got, err := load.Run(ctx, plan)
		if err != nil {
			return 0, err
		}
		if good++; got.Wrong > 0 || got.Elapsed > limit {
			good = 0
		}
		if good == 3 {
			break
		}
	}
	return time.Since(began), ctx.Err()
}
