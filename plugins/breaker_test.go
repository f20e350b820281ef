package plugins

import (
	"testing"
	"time"
)

// While a probe is out, calls from before the breaker opened say nothing: neither do they
// close it, nor do they let a second probe through.
func TestOneProbeAtATime(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, late := range map[string]func(*breaker, permit){
		"a late success": func(b *breaker, was permit) { b.succeeded(was) },
		"a late failure": func(b *breaker, was permit) { b.failed(was, now) },
		"a late nothing": func(b *breaker, was permit) { b.released(was) },
	} {
		t.Run(name, func(t *testing.T) {
			b := &breaker{}
			was := b.allow(now)
			for range breakerFailures {
				b.failed(b.allow(now), now)
			}
			if !b.resting() || b.allow(now) != refused {
				t.Fatal("it did not open")
			}
			after := now.Add(breakerRest)
			if b.allow(after) != probe {
				t.Fatal("there is no probe")
			}
			late(b, was)
			if !b.resting() || b.allow(after) != refused {
				t.Error("a second one was let through")
			}
			b.succeeded(probe)
			if b.resting() || b.allow(after) != allowed {
				t.Error("it did not close")
			}
		})
	}
}
