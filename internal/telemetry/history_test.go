package telemetry

import (
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	tel := New(NoLog(), Lines{}, nil)
	h := tel.NewHistory(3, now)
	for range 9 {
		tel.Finished(&Request{Kind: "hosted", Outcome: "hit", Status: 200, Bytes: 100, Source: 1100, Took: time.Millisecond})
	}
	tel.Finished(&Request{Kind: "remote", Outcome: "failed", Status: 502, Bytes: 50, Source: 1000, Took: 200 * time.Millisecond})
	tel.Finished(&Request{Kind: "hosted", Outcome: "miss", Status: 200, Bytes: 300, Source: 200, Took: 200 * time.Millisecond})
	tel.Finished(&Request{Kind: "api", Outcome: "call", Status: 200, Bytes: 1 << 20, Took: time.Hour})
	now = now.Add(2 * time.Second)
	h.Take(now, Gauges{Queued: 3})
	all := h.Since(0)
	if len(all) != 1 {
		t.Fatalf("%d samples", len(all))
	}
	s := all[0]
	if s.Requests != 11 || s.Hits != 9 || s.Failures != 1 || s.Bytes != 1250 || s.Saved != 9000 || s.Seconds != 2 || s.Queued != 3 {
		t.Errorf("%+v", s)
	}
	if s.P50 < 0.7 || s.P50 > 1.5 || s.P95 < 140 || s.P95 > 300 {
		t.Errorf("p50 %v, p95 %v, of 1 and 200 milliseconds", s.P50, s.P95)
	}
	for range 5 {
		now = now.Add(time.Second)
		h.Take(now, Gauges{})
	}
	if all = h.Since(0); len(all) != 3 || all[0].At >= all[1].At || all[2].At != now.UnixMilli() || all[2].Requests != 0 || all[2].P50 != 0 {
		t.Errorf("%+v", all)
	}
	if all = h.Since(now.UnixMilli() - 1000); len(all) != 1 {
		t.Errorf("%d samples since the last but one", len(all))
	}
}

func TestEveryDurationHasASlot(t *testing.T) {
	last := 0
	for d := time.Nanosecond; d > 0 && d < 1000*time.Hour; d += d/7 + 1 {
		slot := slotOf(d)
		if slot < last || slot >= slots {
			t.Fatalf("%v has slot %d after %d", d, slot, last)
		}
		last = slot
		if ms := middle(slot); d > 16*time.Microsecond && d < time.Hour && (ms < d.Seconds()*700 || ms > d.Seconds()*1400) {
			t.Fatalf("%v is told as %v ms", d, ms)
		}
	}
}
