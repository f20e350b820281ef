package load

import (
	"context"
	"runtime"
	"time"
)

// pace hands out the requests of an open loop when they are due. What is handed out
// late, because all connections were busy, keeps the time at which it was due.
func (r *run) pace(ctx context.Context) <-chan due {
	all := make(chan due, r.Connections)
	go func() {
		defer close(all)
		// A thread of its own sleeps more exactly than the runtime's timers, which
		// round up to a millisecond where nothing else runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for i := 0; ; i++ {
			at := r.began.Add(dueAt(i, r.Rate))
			if r.over(i, at) {
				return
			}
			if wait := time.Until(at); wait > 0 {
				sleep(wait)
			}
			select {
			case all <- due{i, at}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return all
}

// dueAt is when request i of an open loop is due, after its beginning.
func dueAt(i int, rate float64) time.Duration {
	return time.Duration(float64(i) / rate * float64(time.Second))
}
