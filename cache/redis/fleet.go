package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/fovea-images/fovea/cache"
)

// line is what connects this node to the purges of all.
type line struct {
	heard   atomic.Int64 // when this node knew of all purges, by its monotonic clock since began
	began   time.Time
	last    string // id of the newest message read; only Run touches it
	epoch   string // of the server's memory; only Run touches it
	mu      sync.Mutex
	pending []cache.Purge // that the others have not heard of
	first   int           // how many have left pending at its front
}

const (
	silence   = time.Second            // after it, Strict vouches for nothing
	listening = 250 * time.Millisecond // one wait for messages
	recording = 500 * time.Millisecond // for one purge to be recorded
	ticking   = time.Second            // between two looks at the server's clock
	kept      = 20_000                 // messages; of what is older, everything counts as purged
	batch     = 1000
)

// purge gives a purge its stamp, in microseconds of the server's clock and later
// than every one before, and tells everybody. Where there are no messages the server may
// have evicted them: then it purges everything, and is the first of new ones. With a
// third argument it is only for that.
var purgeScript = goredis.NewScript(`
local tags = ARGV[2]
if redis.call('EXISTS', KEYS[1]) == 0 then tags = '*' elseif ARGV[3] then return '0' end
local now = redis.call('TIME')
local stamp = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if stamp <= last then stamp = last + 1 end
redis.call('SET', KEYS[2], string.format('%.0f', stamp))
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'stamp', string.format('%.0f', stamp), 'tags', tags)
return string.format('%.0f', stamp)`)

func (s *Shared) purgesKey() string { return s.Prefix + "purges" }
func (s *Shared) stampKey() string  { return s.Prefix + "stamp" }
func (s *Shared) epochKey() string  { return s.Prefix + "epoch" }

// Stamp implements cache.Fleet.
func (s *Shared) Stamp() (int64, bool) { return s.clock.least() }

// Latest is the latest that the server's clock may show by now, in Unix nanoseconds: no
// node has been given a later Stamp.
func (s *Shared) Latest() int64 { return s.clock.most() }

// Now is the server's time, or this node's while that is not known.
func (s *Shared) Now() time.Time {
	if stamp, ok := s.clock.least(); ok {
		return time.Unix(0, stamp)
	}
	return time.Now()
}

// Vouched implements cache.Fleet.
func (s *Shared) Vouched() bool {
	at := s.line.heard.Load()
	if !s.Strict {
		return at > 0 // the history of what is in Redis must be known, once
	}
	return at > 0 && time.Since(s.line.began) < time.Duration(at)+silence
}

// Purge implements cache.Fleet. What could not be told at once, Run tells.
func (s *Shared) Purge(ctx context.Context, p cache.Purge) int64 {
	stamp, err := s.tell(ctx, p)
	if err == nil {
		return stamp
	}
	s.line.mu.Lock()
	s.line.pending = append(s.line.pending, p)
	if len(s.line.pending) > kept { // too many to remember one by one
		s.line.first += len(s.line.pending)
		s.line.pending = []cache.Purge{{All: true}}
	}
	s.line.mu.Unlock()
	return s.clock.most()
}

// Pending is how many purges the other nodes have not been told of.
func (s *Shared) Pending() int {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	return len(s.line.pending)
}

// tell records p. It goes round the breaker: a purge is worth every try.
func (s *Shared) tell(ctx context.Context, p cache.Purge) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, recording)
	defer cancel()
	text, err := purgeScript.Run(ctx, s.client, []string{s.purgesKey(), s.stampKey()}, kept, tagsText(p)).Text()
	if err != nil {
		return 0, fmt.Errorf("redis: purge: %w", err)
	}
	return stampOf(text)
}

// tagsText is the tags of p as one string: quoted, prefixes after a ^, or * for everything.
func tagsText(p cache.Purge) string {
	if p.All {
		return "*"
	}
	var quoted []string
	for _, tag := range p.Tags {
		quoted = append(quoted, strconv.Quote(tag))
	}
	for _, prefix := range p.Prefixes {
		quoted = append(quoted, "^"+strconv.Quote(prefix))
	}
	return strings.Join(quoted, " ")
}

// stampOf reads a stamp in microseconds. Within its microsecond it is the latest: an
// entry that is as old dies with it.
func stampOf(text string) (int64, error) {
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || micros <= 0 || micros > 1<<62/1000 {
		return 0, fmt.Errorf("redis: expected a stamp in microseconds, received %q", text)
	}
	return micros*1000 + 999, nil
}

// parse reads a message. One that cannot be read purges everything: better that than
// to miss what it said.
func parse(m goredis.XMessage) cache.Purge {
	stampText, _ := m.Values["stamp"].(string)
	tags, _ := m.Values["tags"].(string)
	stamp, err := stampOf(stampText)
	if err != nil {
		stamp = idStamp(m.ID)
		return cache.Purge{Stamp: stamp, All: true}
	}
	p := cache.Purge{Stamp: stamp}
	for rest := tags; rest != ""; {
		after, begins := strings.CutPrefix(rest, "^")
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return cache.Purge{Stamp: stamp, All: true}
		}
		tag, err := strconv.Unquote(quoted)
		if err != nil {
			return cache.Purge{Stamp: stamp, All: true}
		}
		if begins {
			p.Prefixes = append(p.Prefixes, tag)
		} else {
			p.Tags = append(p.Tags, tag)
		}
		rest = strings.TrimPrefix(after[len(quoted):], " ")
	}
	p.All = len(p.Tags)+len(p.Prefixes) == 0
	return p
}

// idStamp is the end of the millisecond that a message's id names.
func idStamp(id string) int64 {
	millis, _, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(millis, 10, 64)
	if err != nil {
		return time.Now().UnixNano()
	}
	return (n+1)*int64(time.Millisecond) - 1
}

// Run listens until ctx ends. When the server was away it goes on where it was; if
// the server has lost its memory, everything counts as purged.
func (s *Shared) Run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ctx.Err() == nil {
		if err := s.listen(ctx); err == nil || ctx.Err() != nil {
			continue
		}
		pause.Reset(listening)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// listen connects and follows the purges until something fails.
func (s *Shared) listen(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.resume(ctx); err != nil {
		return err
	}
	looked := time.Now()
	for ctx.Err() == nil {
		if time.Since(looked) > ticking {
			if err := s.look(ctx); err != nil {
				return err
			}
			looked = time.Now()
		}
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		if err := s.follow(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// look reads the server's clock.
func (s *Shared) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	asked := time.Now()
	server, err := s.client.Time(ctx).Result()
	if err != nil {
		return err
	}
	s.clock.read(server, asked, time.Now())
	return nil
}

// resume finds out whether the server still knows what was purged before.
func (s *Shared) resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	if err := s.client.SetNX(ctx, s.epochKey(), s.node+"-"+strconv.FormatInt(time.Now().UnixNano(), 36), 0).Err(); err != nil {
		return err
	}
	epoch, err := s.client.Get(ctx, s.epochKey()).Result()
	if err != nil {
		return err
	}
	first := s.line.last == ""
	if !first && epoch != s.line.epoch {
		s.Heard([]cache.Purge{{Stamp: s.clock.most(), All: true}})
		first = true
	}
	if first {
		s.line.last = "0-0"
	}
	s.line.epoch = epoch
	if err := purgeScript.Run(ctx, s.client, []string{s.purgesKey(), s.stampKey()}, kept, "*", "found").Err(); err != nil {
		return err
	}
	return s.floor(ctx)
}

// floor purges what is older than the oldest message, if messages were dropped that
// were not read; and everything, if the server has lost some that were: new ones may
// have ids that were passed already.
func (s *Shared) floor(ctx context.Context) error {
	info, err := s.client.XInfoStream(ctx, s.purgesKey()).Result()
	if err != nil {
		return err
	}
	if compareIDs(info.LastGeneratedID, s.line.last) < 0 {
		s.Heard([]cache.Purge{{Stamp: s.clock.most(), All: true}})
		s.line.last = "0-0"
	}
	if info.EntriesAdded <= info.Length || compareIDs(s.line.last, info.FirstEntry.ID) >= 0 {
		return nil
	}
	oldest := parse(info.FirstEntry)
	s.Heard([]cache.Purge{{Stamp: oldest.Stamp - 1000, All: true}})
	return nil
}

// compareIDs orders the ids of messages.
func compareIDs(a, b string) int {
	parts := func(id string) []uint64 {
		millis, count, _ := strings.Cut(id, "-")
		m, _ := strconv.ParseUint(millis, 10, 64) // ids come from the server alone
		n, _ := strconv.ParseUint(count, 10, 64)
		return []uint64{m, n}
	}
	return slices.Compare(parts(a), parts(b))
}

// follow waits for messages once and hands them on.
func (s *Shared) follow(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	asked := time.Since(s.line.began)
	streams, err := s.client.XRead(limited, &goredis.XReadArgs{Streams: []string{s.purgesKey(), s.line.last}, Count: batch, Block: listening}).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return err
	}
	var purges []cache.Purge
	for _, stream := range streams {
		for _, message := range stream.Messages {
			purges = append(purges, parse(message))
			s.line.last = message.ID
		}
	}
	if len(purges) > 0 {
		s.Heard(purges)
	}
	if len(purges) < batch { // all that there was when it was asked
		s.line.heard.Store(max(1, int64(asked)))
	}
	return nil
}

// catchUp tells the others what they could not be told when it happened.
func (s *Shared) catchUp(ctx context.Context) error {
	for {
		s.line.mu.Lock()
		if len(s.line.pending) == 0 {
			s.line.mu.Unlock()
			return nil
		}
		next, number := s.line.pending[0], s.line.first
		s.line.mu.Unlock()
		if _, err := s.tell(ctx, next); err != nil {
			return err
		}
		s.line.mu.Lock()
		if s.line.first == number { // they were not put together meanwhile
			s.line.pending, s.line.first = s.line.pending[1:], number+1
		}
		s.line.mu.Unlock()
	}
}
