package redis

import (
	"context"
	"math/rand/v2"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	lease    = 3 * time.Second // a node that dies holds the others up no longer
	renewing = time.Second
	polling  = 20 * time.Millisecond
	slowest  = 200 * time.Millisecond // between two looks
	nobody   = "open"                 // the value of a lease whose fill is not to be had
)

// endScript gives a lease back, or opens it for all if ARGV[2] says how long.
var endScript = goredis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], 'open', 'PX', ARGV[2])
return 1`)

// renewScript makes a lease last.
var renewScript = goredis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

// Turn implements cache.Fleet by a lease with a short life. Without Redis every node
// takes its turn at once.
func (s *Shared) Turn(ctx context.Context, key string, landed func() bool) (done func(kept bool)) {
	name := s.Prefix + "turn:" + digest(key)
	none := func(bool) {}
	for wait := polling; ; wait = min(2*wait, slowest) {
		mine, open, err := s.acquire(ctx, name)
		switch {
		case err != nil, open:
			return none
		case mine:
			return s.hold(ctx, name, landed)
		}
		pause := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-ctx.Done():
			pause.Stop()
			return none
		case <-pause.C:
		}
		if landed() {
			return none
		}
	}
}

func (s *Shared) acquire(ctx context.Context, name string) (mine, open bool, err error) {
	var holder string
	err = s.do(ctx, s.Timeout, func(ctx context.Context) error {
		// GET with NX: who holds it, if this call did not get it (Redis 7).
		var err error
		holder, err = s.client.SetArgs(ctx, name, s.node, goredis.SetArgs{Mode: "NX", Get: true, TTL: lease}).Result()
		return err
	})
	if err == goredis.Nil { //nolint:errorlint // returned as it is
		return true, false, nil
	}
	return false, holder == nobody, err
}

// hold keeps the lease until done, or ctx ends. What another node has made since this
// one looked is found first.
func (s *Shared) hold(ctx context.Context, name string, landed func() bool) (done func(kept bool)) {
	end := func(kept bool) {
		millis := "0"
		if !kept { // the others need not wait for each other
			millis = "1000"
		}
		_ = s.do(context.WithoutCancel(ctx), s.Timeout, func(ctx context.Context) error { // a lease ends by itself
			return endScript.Run(ctx, s.client, []string{name}, s.node, millis).Err()
		})
	}
	if landed() {
		end(true)
		return func(bool) {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(renewing)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = s.do(ctx, s.Timeout, func(ctx context.Context) error { // without it another node takes a turn, too
					return renewScript.Run(ctx, s.client, []string{name}, s.node, lease.Milliseconds()).Err()
				})
			}
		}
	}()
	return func(kept bool) {
		close(stop)
		<-stopped
		end(kept)
	}
}
