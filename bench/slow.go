package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runSlowOrigin lets an origin take two seconds for each picture while others are
// hit: hits must not feel it, and what waits for the origin is bounded.
func runSlowOrigin(ctx context.Context, b *bench) error {
	// Small ones: it is about the wait, not about the work.
	small, err := photograph(128, 96, 1)
	if err != nil {
		return err
	}
	b.rig.Origin.Make(func(string) (string, []byte) { return "image/jpeg", small })
	f, ours, err := b.fovea(ctx)
	if err != nil {
		return err
	}
	beside := func(ctx context.Context) (string, error) {
		plan := ours.asks(&sources{}, 200, 64, "webp").plan
		plan.Duration, plan.Judge = time.Hour, orRefused(plan.Judge)
		// Who is refused does not ask again at once: that would be a load of its own.
		plan.Rate = 100
		got, err := load.Run(ctx, plan)
		if got == nil {
			return "", err
		}
		b.complain(f.Name, got)
		return fmt.Sprintf("200 clients of an origin that takes 2 s: %d answered, %d refused", got.Answers, got.Refused.TotalCount()), nil
	}
	b.rig.Origin.Delay.Store(int64(2 * time.Second))
	defer b.rig.Origin.Delay.Store(0)
	return b.undisturbed(ctx, f, "a slow origin", beside)
}

// runSlowClient lets 500 clients take a picture of 200 KB a byte in half a second,
// and as many send their request so, while others are hit.
func runSlowClient(ctx context.Context, b *bench) error {
	f, versions, err := b.warmed(ctx)
	if err != nil {
		return err
	}
	b.result.contender(f.Process)
	large := load.Get(f.Address, rig.Path(versions[2].id, versions[2].options), 200, accept)
	beside := func(ctx context.Context) (string, error) {
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() { trickle(ctx, f.Address, large.Raw, true) })
			all.Go(func() { trickle(ctx, f.Address, large.Raw, false) })
		}
		all.Wait()
		return "500 clients that read, and 500 that write, a byte in half a second", nil
	}
	return b.undisturbed(ctx, f, "slow clients", beside)
}

// trickle reads the answer, or else writes the request, one byte in half a second, until ctx
// ends. That the server may close on it is the server's right.
func trickle(ctx context.Context, address string, raw []byte, read bool) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }() // what it was for is over
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10) // or the system would read for it
	}
	if read {
		if _, err := conn.Write(raw); err != nil {
			return
		}
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if read {
			_, err = io.ReadFull(conn, make([]byte, 1))
		} else {
			_, err = conn.Write(raw[i%len(raw) : i%len(raw)+1])
		}
		if err != nil {
			return
		}
	}
}

// undisturbed races hits at a steady rate, alone, with the works of beside, which
// runs until its context ends, and alone again.
func (b *bench) undisturbed(ctx context.Context, f *rig.Fovea, what string, beside func(context.Context) (string, error)) error {
	photo, err := photograph(800, 600, 9)
	if err == nil {
		err = f.Upload(ctx, "steady", photo, false)
	}
	if err != nil {
		return err
	}
	request := load.Get(f.Address, rig.Path("steady", "width=400"), 200, accept)
	first, err := fetch(ctx, f.Address, request)
	if err != nil {
		return err
	}
	request.Body = first.Body
	plan := steady(f.Process, request).plan
	plan.Rate, plan.Sample = 1000, 16
	plan.Duration = 10 * time.Second
	if b.duration > 0 {
		plan.Duration = b.duration
	}
	if b.short {
		plan.Duration = time.Second
	}
	alone, err := b.loaded(ctx, f.Process, plan)
	if err != nil {
		return err
	}
	disturbing, stop := context.WithCancel(ctx)
	var note string
	var failed error
	var all sync.WaitGroup
	all.Go(func() { note, failed = beside(disturbing) })
	with, err := b.loaded(ctx, f.Process, plan)
	resident, err2 := f.Resident()
	stop()
	all.Wait()
	if err != nil || err2 != nil || failed != nil && ctx.Err() != nil {
		return fmt.Errorf("%w, %w, %w", err, err2, failed)
	}
	ms := func(o *load.Outcome, q float64) figure { return figureOf([]float64{o.Quantile(q).Seconds() * 1000}) }
	b.result.note(b.now + ": " + note)
	b.find(finding{Name: "p99 of hits at 1,000 a second, alone", Value: ms(alone, .99), Unit: "ms"})
	b.find(finding{Name: "p99 of hits beside " + what, Value: ms(with, .99), Unit: "ms"})
	b.find(finding{Name: "p99.9 of hits, alone", Value: ms(alone, .999), Unit: "ms"})
	b.find(finding{Name: "p99.9 of hits beside " + what, Value: ms(with, .999), Unit: "ms"})
	b.find(finding{Name: "RSS beside " + what, Value: figureOf([]float64{float64(resident >> 20)}), Unit: "MB"})
	b.exactly("hits that went wrong", float64(alone.Wrong+with.Wrong), 0)
	return nil
}
