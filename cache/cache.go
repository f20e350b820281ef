// Package cache keeps filled responses, fills each key once at a time, and forgets by tag.
//
// It knows nothing of images or HTTP.
package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// Job fills one key.
type Job interface {
	// Tags are what the answer is made from, as far as it is known before the
	// fill. They must be among the tags of the entry that Fill returns.
	Tags() []string
	// Fill makes the entry. It is called at most once, on a goroutine and with a
	// context of the cache's own: the caller may be long gone. An error of kind
	// NotFound is kept as a negative entry, no other error is.
	Fill(ctx context.Context) (Entry, error)
}

// Options are what a Cache is made from.
type Options struct {
	Tier        Tier             // required
	Slower      []Tier           // are asked in turn for what Tier does not have, and keep what it keeps
	Ledger      Ledger           // of tiers that outlive the process; nil: none
	Fleet       Fleet            // the nodes that share a tier; nil: this one is alone
	Now         func() time.Time // nil: time.Now
	FillTimeout time.Duration    // for one Fill; 0: 30 s
	NegativeTTL time.Duration    // how long "there is nothing" is kept; 0: 60 s
	MaxLife     time.Duration    // longest life of any entry; 0: MaxLife
	Refills     int              // background refills at once; 0: 8
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.FillTimeout, 30 * time.Second}, {&o.NegativeTTL, time.Minute}, {&o.MaxLife, MaxLife}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Refills == 0 {
		o.Refills = 8
	}
	return o
}

// Stats count what happened besides plain hits.
type Stats struct {
	Fills, Refills, Joins, Failures, Purges uint64
	Unrecorded                              uint64 // purges that the ledger could not write down
	Flying                                  int64  // fills running now
	Tier                                    TierStats
}

// Cache fills keys and keeps what was filled. It is safe for concurrent use.
type Cache struct {
	Options
	shards  [shardCount]shard
	seed    maphash.Seed
	purges  purges
	clock   atomic.Int64 // newest stamp given out
	refills chan struct{}
	work    chan func()   // for who is parked
	parked  chan struct{} // goroutines that wait for it

	ctx     context.Context // of all fills
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing atomic.Bool

	fills, refilled, joins, failures, purged, unrecorded atomic.Uint64
	flying                                               atomic.Int64
}

const shardCount = 64

// shard holds the flights of some keys.
type shard struct {
	mu      sync.Mutex
	flights map[string]*flight
	_       [40]byte // a cache line of its own
}

// flight is one fill under way. Its result is set before done closes.
type flight struct {
	done  chan struct{}
	begun int64
	again bool // even if the key is fresh
	entry *Entry
	err   error
}

// New returns a Cache over o.Tier and o.Slower, which it closes when it is closed.
func New(o Options) (*Cache, error) {
	if o.Tier == nil {
		return nil, errors.New("cache: Tier is missing")
	}
	var errs []error
	if o.FillTimeout < 0 {
		errs = append(errs, fmt.Errorf("fill_timeout: expected a duration of 0 or more, received %v", o.FillTimeout))
	}
	if o.NegativeTTL < 0 {
		errs = append(errs, fmt.Errorf("negative_ttl: expected a duration of 0 or more, received %v", o.NegativeTTL))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	c := &Cache{Options: o.withDefaults(), seed: maphash.MakeSeed()}
	c.refills = make(chan struct{}, c.Refills)
	c.work, c.parked = make(chan func()), make(chan struct{}, mostParked)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := range c.shards {
		c.shards[i].flights = map[string]*flight{}
	}
	if err := c.recall(); err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// Get returns the entry of key, kept or filled by job. A negative entry is
// returned as an entry, with its Fault. Ending ctx ends the wait with an error of
// kind Canceled; the fill goes on, for others and to be kept.
//
// However many ask for a key, one fill runs. A caller that comes after a purge
// neither gets nor waits for anything begun before it.
func (c *Cache) Get(ctx context.Context, key string, job Job) (*Entry, Outcome, error) {
	entry, _ := c.Look(ctx, key, c.time())
	return c.Rest(ctx, key, entry, job)
}

// Look returns what is at hand for key at now, no slower tier being asked, and whether
// it is a Hit. If it is none, the caller turns to Rest with it, nil or not. Look calls
// for no job, and with a true clock reads none.
func (c *Cache) Look(ctx context.Context, key string, now time.Time) (entry *Entry, hit bool) {
	if !c.vouched() {
		return nil, false
	}
	if c.Fleet != nil {
		now = c.time() // that of all its nodes
	}
	entry, ok := c.Tier.Get(ctx, key)
	if !ok || !c.good(entry, now, false) {
		return nil, false
	}
	return entry, entry.Fault == nil && now.Sub(entry.Filled) < entry.Fresh
}

// Rest is what Get does after Look. To ask a tier twice would count what it does not
// have as asked for twice as often as what it has, which is how it chooses what to keep.
func (c *Cache) Rest(ctx context.Context, key string, entry *Entry, job Job) (*Entry, Outcome, error) {
	if !c.vouched() {
		return c.fill(ctx, key, job)
	}
	now := c.time()
	if entry == nil || !c.good(entry, now, false) {
		entry = c.further(ctx, key, now, false)
	}
	if entry == nil {
		return c.fill(ctx, key, job)
	}
	age := now.Sub(entry.Filled)
	switch {
	case age < entry.Fresh && entry.Fault != nil:
		return entry, Negative, nil
	case age < entry.Fresh:
		return entry, Hit, nil
	case age < entry.Fresh+entry.Stale:
		c.refill(key, job)
		return entry, Stale, nil
	case age < entry.Fresh+entry.Stale+entry.Grace:
		fresh, outcome, err := c.fill(ctx, key, job)
		if err != nil && passing(err) {
			return entry, StaleError, nil
		}
		return fresh, outcome, err
	}
	return c.fill(ctx, key, job)
}

// passing reports whether a failure says nothing about the image itself, so that
// an old answer is better than none.
func passing(err error) bool {
	switch fault.Of(err).Kind {
	case fault.Internal, fault.FetchFailed, fault.DNSFailed, fault.ConnectTimeout, fault.DownloadTimeout,
		fault.OriginTimeout, fault.OriginBroken, fault.EncodeFailed, fault.Overloaded, fault.Canceled:
		return true
	}
	return false
}

// stamp returns a time that is later than every stamp before it, so that a purge
// and a fill never tie.
func (c *Cache) stamp() int64 {
	for {
		last := c.clock.Load()
		next := max(c.Now().UnixNano(), last+1)
		if c.clock.CompareAndSwap(last, next) {
			return next
		}
	}
}

func (c *Cache) shard(key string) *shard {
	return &c.shards[maphash.String(c.seed, key)%shardCount]
}

// fill joins the flight of key or starts one, and waits for it.
func (c *Cache) fill(ctx context.Context, key string, job Job) (*Entry, Outcome, error) {
	f, outcome, err := c.board(key, job, nil, false)
	if err != nil {
		return nil, Failed, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, Failed, fault.Of(ctx.Err())
	}
	switch {
	case f.err != nil:
		return nil, Failed, f.err
	case outcome == Miss && f.entry.Fault == nil && f.entry.Fresh+f.entry.Stale <= 0:
		outcome = Bypass
	}
	return f.entry, outcome, nil
}

// board returns the flight of key, starting it if there is none that may be
// joined. release, if not nil, is called when a flight that this call started has
// landed; it is called at once when it started none. again fills even a key that is
// fresh.
func (c *Cache) board(key string, job Job, release func(), again bool) (*flight, Outcome, error) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[key]; f != nil && !c.purgedSince(f, job) {
		if release != nil {
			release()
		}
		c.joins.Add(1)
		return f, Coalesced, nil
	}
	if c.closing.Load() {
		if release != nil {
			release()
		}
		return nil, Failed, fault.New(fault.Canceled, "The server is stopping")
	}
	// The stamp is taken before anything is fetched: what a purge between here
	// and the end of the fill makes invalid, it makes dead.
	f := &flight{done: make(chan struct{}), begun: c.begin(), again: again}
	s.flights[key] = f
	c.running.Add(1)
	c.flying.Add(1)
	c.launch(func() { c.fly(s, key, f, job, release) })
	return f, Miss, nil
}

// mostParked is how many goroutines wait for the next flight.
const mostParked = 32

// launch runs do on a goroutine of the cache's: one that has run another, if any waits.
// Its stack has grown to what a fill needs, which costs a new one several copies.
func (c *Cache) launch(do func()) {
	select {
	case c.work <- do:
		return
	default:
	}
	go func() {
		for {
			do()
			do = nil // what it has made is not for it to keep in memory
			select {
			case c.parked <- struct{}{}:
			default:
				return
			}
			select {
			case do = <-c.work:
				<-c.parked
			case <-c.ctx.Done():
				return
			}
		}
	}()
}

// purgedSince reports whether f began before a purge that concerns job. Tags are
// only asked for when there was any purge at all.
func (c *Cache) purgedSince(f *flight, job Job) bool {
	return f.begun <= c.purges.last.Load() && c.purges.dead(f.begun, job.Tags())
}

// refill starts a flight of key in the background, unless one is under way or
// too many are: the stale entry still serves.
func (c *Cache) refill(key string, job Job) {
	select {
	case c.refills <- struct{}{}:
	default:
		return
	}
	_, outcome, _ := c.board(key, job, func() { <-c.refills }, false)
	if outcome == Miss {
		c.refilled.Add(1)
	}
}

// Refill fills key again, and returns when that is done. It first waits for a fill
// that is under way. Ending ctx ends the wait.
func (c *Cache) Refill(ctx context.Context, key string, job Job) {
	for {
		f, outcome, err := c.board(key, job, nil, true)
		if err != nil {
			return
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
		if outcome == Miss {
			c.refilled.Add(1)
			return
		}
	}
}

// fly runs one fill to its end.
func (c *Cache) fly(s *shard, key string, f *flight, job Job, release func()) {
	defer c.running.Done()
	if release != nil {
		defer release()
	}
	if !f.again {
		f.entry = c.landed(key)
	}
	if f.entry == nil {
		c.take(key, f, job)
	}
	s.mu.Lock()
	if s.flights[key] == f { // a flight that began after a purge may have taken its place
		delete(s.flights, key)
	}
	s.mu.Unlock()
	c.flying.Add(-1)
	close(f.done)
}

// take fills key in its turn.
func (c *Cache) take(key string, f *flight, job Job) {
	ctx, cancel := context.WithTimeout(c.ctx, c.FillTimeout)
	defer cancel()
	kept := false
	defer c.turn(ctx, key, f)(&kept)
	if f.entry != nil {
		return
	}
	entry, err := c.attempt(ctx, job)
	if f.entry, f.err = c.judge(entry, err, f, job); f.err == nil {
		kept = c.keep(key, f.entry)
	}
}

// landed is what another flight has kept since this one's caller missed it; nil
// for nothing.
func (c *Cache) landed(key string) *Entry {
	if !c.vouched() {
		return nil
	}
	return c.find(c.ctx, key, c.time(), true)
}

// attempt calls Fill and makes a panic an error for all who wait: one bad
// picture must not end the process.
func (c *Cache) attempt(ctx context.Context, job Job) (entry Entry, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic in a fill: %v\n%s", v, debug.Stack()), "Internal error")
		}
	}()
	c.fills.Add(1)
	return job.Fill(ctx)
}

// judge turns the end of a fill into what its waiters get.
func (c *Cache) judge(entry Entry, err error, f *flight, job Job) (*Entry, error) {
	if err != nil {
		c.failures.Add(1)
		cause := fault.Of(err)
		if cause.Kind != fault.NotFound {
			return nil, err
		}
		entry = Entry{Fault: cause, Tags: job.Tags(), Fresh: c.NegativeTTL}
	}
	entry.Filled = time.Unix(0, f.begun)
	entry.Fresh = min(entry.Fresh, c.MaxLife)
	entry.Stale = min(entry.Stale, c.MaxLife-entry.Fresh)
	entry.Grace = min(entry.Grace, c.MaxLife-entry.Fresh-entry.Stale)
	return &entry, nil
}

// keep stores what may be served again, and reports whether that is so.
func (c *Cache) keep(key string, entry *Entry) bool {
	if entry.Fresh+entry.Stale <= 0 || entry.Filled.UnixNano() == unknown || c.purges.dead(entry.Filled.UnixNano(), entry.Tags) {
		return false
	}
	for _, tier := range c.Slower {
		tier.Set(c.ctx, key, entry)
	}
	c.Tier.Set(c.ctx, key, entry)
	return true
}

// Purge makes every entry die that has one of tags and whose fill began before
// now. When it returns, no later Get gets one; those of other nodes of a Fleet, as
// soon as they have heard of it.
func (c *Cache) Purge(tags ...string) {
	if len(tags) == 0 {
		return
	}
	c.purge(Purge{Tags: tags})
}

// PurgePrefix makes every entry die that has a tag that begins with prefix and whose
// fill began before now. An empty prefix is PurgeAll.
func (c *Cache) PurgePrefix(prefix string) {
	if prefix == "" {
		c.PurgeAll()
		return
	}
	c.purge(Purge{Prefixes: []string{prefix}})
}

// PurgeAll makes every entry die whose fill began before now.
func (c *Cache) PurgeAll() {
	c.purge(Purge{All: true})
}

// Purges counts the purges that have begun. What was read before the count
// changed may be older than a purge.
func (c *Cache) Purges() uint64 { return c.purged.Load() }

// Stats returns the counts since New.
func (c *Cache) Stats() Stats {
	return Stats{
		Fills: c.fills.Load(), Refills: c.refilled.Load(), Joins: c.joins.Load(),
		Failures: c.failures.Load(), Purges: c.purged.Load(), Unrecorded: c.unrecorded.Load(), Flying: c.flying.Load(), Tier: c.Tier.Stats(),
	}
}

// Close ends the running fills, waits for them and closes the tier. Fills must
// heed their context: Close waits as long as they take.
func (c *Cache) Close() error {
	c.closing.Store(true)
	c.cancel()
	for i := range c.shards { // whoever saw closing unset has started its flight now
		c.shards[i].mu.Lock()
		c.shards[i].mu.Unlock() //nolint:staticcheck // an empty section is the point
	}
	c.running.Wait()
	err := c.Tier.Close()
	for _, tier := range c.Slower {
		err = errors.Join(err, tier.Close())
	}
	return err
}
