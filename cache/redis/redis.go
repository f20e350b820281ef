// Package redis keeps cache entries, and what the nodes that share them have in common, in Redis or Valkey.
package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/fovea-images/fovea/cache"
)

// Options are what a Shared is made from. Zero fields take the defaults named.
type Options struct {
	URL     string        // redis://[user:password@]host:port/db, or rediss:// with TLS; required
	Prefix  string        // begins all keys; "fovea:"
	Timeout time.Duration // for one command; 50 ms. What takes longer is a miss
	Largest int           // bytes of the largest entry kept; 1 MiB
	// Strict serves nothing from any tier while it is not known what the other nodes
	// have purged more than a second ago. Otherwise it is served all the same.
	Strict bool
	// Heard is told of every purge, this node's own among them, and possibly more than
	// once. Run calls it, one call at a time. Required before Run.
	Heard func([]cache.Purge)
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "fovea:"
	}
	if o.Timeout == 0 {
		o.Timeout = 50 * time.Millisecond
	}
	if o.Largest == 0 {
		o.Largest = 1 << 20
	}
	return o
}

// Shared is a cache.Tier and a cache.Fleet over one Redis. A Redis that is slow or
// away costs milliseconds: commands are short, and after some that failed the rest
// fails at once for a second.
//
// How much it keeps is the server's own business: set maxmemory, and a policy such
// as allkeys-lfu.
type Shared struct {
	Options
	client  *goredis.Client
	node    string // tells this node's leases and messages
	breaker breaker
	clock   clock
	line    line
	shut    atomic.Bool
}

// Open returns a Shared. It does not connect: Run does.
func Open(o Options) (*Shared, error) {
	o = o.withDefaults()
	options, err := goredis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("expected a URL such as redis://user:password@host:6379/0, received something else") // it may hold a password
	}
	if o.Timeout < 0 || o.Largest < 0 {
		return nil, fmt.Errorf("expected a timeout and a size above 0, received %v and %d", o.Timeout, o.Largest)
	}
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1 // a second try costs as much as the first, and there is the origin
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = time.Second, time.Second, time.Second
	options.PoolTimeout = o.Timeout
	return &Shared{Options: o, client: goredis.NewClient(options), node: rand.Text()[:16], line: line{began: time.Now()}}, nil
}

func (s *Shared) entryKey(key string) string { return s.Prefix + "entry:" + digest(key) }

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// Get implements cache.Tier.
func (s *Shared) Get(ctx context.Context, key string) (*cache.Entry, bool) {
	var frame []byte
	err := s.do(ctx, s.Timeout, func(ctx context.Context) (err error) {
		frame, err = s.client.Get(ctx, s.entryKey(key)).Bytes()
		return err
	})
	if err != nil {
		return nil, false
	}
	kept, entry, err := cache.ReadFrame(frame)
	if err != nil || kept != key {
		return nil, false
	}
	return entry, true
}

// Set implements cache.Tier.
func (s *Shared) Set(ctx context.Context, key string, e *cache.Entry) {
	life := e.Fresh + e.Stale + e.Grace
	if len(e.Body) > s.Largest || life < time.Millisecond {
		return
	}
	frame := e.AppendFrame(make([]byte, 0, e.Cost()+int64(len(key))), key)
	// A failure is counted by the breaker; a cache may forget.
	_ = s.do(ctx, s.Timeout, func(ctx context.Context) error {
		return s.client.Set(ctx, s.entryKey(key), frame, life).Err()
	})
}

// Stats implements cache.Tier. The budget is the server's.
func (s *Shared) Stats() cache.TierStats { return cache.TierStats{Failures: s.breaker.failures.Load()} }

// Close implements cache.Tier. Run must have returned.
func (s *Shared) Close() error {
	if s.shut.Swap(true) {
		return nil
	}
	return s.client.Close()
}

var errAway = errors.New("redis: away")

// do runs one command within its time. What Redis does not have is no failure.
func (s *Shared) do(ctx context.Context, timeout time.Duration, command func(context.Context) error) error {
	if s.shut.Load() || !s.breaker.allow() {
		return errAway
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := command(limited)
	switch {
	case err == nil, errors.Is(err, goredis.Nil):
		s.breaker.ok()
	case ctx.Err() != nil: // the caller has gone: that says nothing of Redis
		s.breaker.unsure()
	default:
		s.breaker.failed()
	}
	return err
}

// breaker stops asking what does not answer.
type breaker struct {
	failures atomic.Uint64

	mu      sync.Mutex
	row     int       // failures in a row
	until   time.Time // nobody asks before
	probing bool
}

const (
	trips = 5           // failures in a row that open it
	rest  = time.Second // then one asks again
)

func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.row < trips {
		return true
	}
	if b.probing || time.Now().Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

func (b *breaker) ok() {
	b.mu.Lock()
	b.row, b.probing = 0, false
	b.mu.Unlock()
}

func (b *breaker) unsure() {
	b.mu.Lock()
	b.probing = false
	b.mu.Unlock()
}

func (b *breaker) failed() {
	b.failures.Add(1)
	b.mu.Lock()
	b.row++
	b.until, b.probing = time.Now().Add(rest), false
	b.mu.Unlock()
}
