package redis

import (
	"sync/atomic"
	"time"
)

// clock knows the server's time by this node's monotonic one. The node's wall clock
// is in none of it.
type clock struct{ known atomic.Pointer[reading] }

// reading is what the server said, and when it was asked and heard.
type reading struct {
	server      time.Time
	asked, told time.Time // with their monotonic part
}

// drift is by how much the two may run apart: 500 ppm, five times what the worst
// of machines do.
const drift = 2000

func (c *clock) read(server, asked, told time.Time) {
	c.known.Store(&reading{server: server, asked: asked, told: told})
}

// least is what the server's clock shows by now, at the least.
func (c *clock) least() (int64, bool) {
	r := c.known.Load()
	if r == nil {
		return 0, false
	}
	since := time.Since(r.told)
	return r.server.Add(since - since/drift).UnixNano(), true
}

// most is what it shows by now, at the most.
func (c *clock) most() int64 {
	r := c.known.Load()
	if r == nil {
		return time.Now().UnixNano()
	}
	since := time.Since(r.asked)
	return r.server.Add(since + since/drift + time.Microsecond).UnixNano()
}
