package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runPurge deletes a picture under load and adds another one under its name, over and
// over. When a call has answered, nobody may get what was there before.
func runPurge(ctx context.Context, b *bench) error {
	f, err := b.rig.Fovea(ctx)
	if err != nil {
		return err
	}
	var pictures [2][]byte
	for i := range pictures {
		if pictures[i], err = photograph(640, 480, uint64(i)); err != nil {
			return err
		}
	}
	path := rig.Path("changing", "public")
	if err := f.Upload(ctx, "changing", pictures[0], false); err != nil {
		return err
	}
	var answers [2][]byte // of each picture
	for i := range answers {
		id := fmt.Sprintf("kept/%d", i)
		if err := f.Upload(ctx, id, pictures[i], false); err != nil {
			return err
		}
		got, err := fetch(ctx, f.Address, load.Get(f.Address, rig.Path(id, "public"), 200, accept))
		if err != nil {
			return err
		}
		answers[i] = got.Body
	}
	length := 10 * time.Second
	if b.duration > 0 {
		length = b.duration
	}
	if b.short {
		length = time.Second
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan *load.Outcome)
	var loadErr atomic.Value
	go func() {
		defer close(done)
		request := load.Get(f.Address, path, 200, accept)
		got, err := load.Run(loading, load.Plan{
			Address: f.Address, Connections: clients, Duration: length, Next: func(int) *load.Request { return request },
			Judge: func(r *load.Request, a *load.Answer, _ bool) error {
				if a.Status == 404 || a.Status == 200 && (bytes.Equal(a.Body, answers[0]) || bytes.Equal(a.Body, answers[1])) {
					return nil
				}
				return fmt.Errorf("%s: expected one of two pictures or none, received %d, %d bytes", r.Target(), a.Status, len(a.Body))
			},
		})
		if err != nil {
			loadErr.Store(err)
			return
		}
		done <- got
	}()
	calls, stale, err := b.replace(ctx, f, path, pictures, answers, time.Now().Add(length))
	if err != nil {
		return err
	}
	got, ok := <-done
	if !ok {
		return fmt.Errorf("%v", loadErr.Load())
	}
	b.complain(f.Name, got)
	b.find(finding{Name: "requests a second meanwhile", Value: figureOf([]float64{got.Throughput()})})
	b.find(finding{Name: "a deletion, under that load", Value: figureOf(calls), Unit: "ms"})
	b.exactly("answers of before after a call had answered", float64(stale), 0)
	return nil
}

// replace deletes and adds until the time has come. It returns how long deletions
// took and how many answers were of before.
func (b *bench) replace(ctx context.Context, f *rig.Fovea, path string, pictures, answers [2][]byte, until time.Time) (millis []float64, stale int, err error) {
	gone := load.Get(f.Address, path, 404, accept)
	for i := 1; time.Now().Before(until) || len(millis) < 2; i++ {
		began := time.Now()
		if err := f.Delete(ctx, "changing"); err != nil {
			return nil, 0, err
		}
		millis = append(millis, time.Since(began).Seconds()*1000)
		if _, err := fetch(ctx, f.Address, gone); err != nil {
			stale++
		}
		if err := f.Upload(ctx, "changing", pictures[i%2], false); err != nil {
			return nil, 0, err
		}
		now := load.Get(f.Address, path, 200, accept)
		now.Body = answers[i%2]
		if _, err := fetch(ctx, f.Address, now); err != nil {
			b.wrong("purge: " + err.Error())
			stale++
		}
	}
	return millis, stale, nil
}
