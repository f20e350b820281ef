package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// catalogue is many pictures of many sizes, made when they are asked for.
type catalogue struct {
	sizes []int // bytes
	total int64
	stem  []byte // a small JPEG
}

// newCatalogue has n pictures whose sizes lie around 10 KB as a website's do.
func newCatalogue(n int) (*catalogue, error) {
	stem, err := encode(scene(64, 48, 1))
	if err != nil {
		return nil, err
	}
	c := &catalogue{sizes: make([]int, n), stem: stem}
	random := rand.New(rand.NewPCG(1, 3))
	for i := range c.sizes {
		c.sizes[i] = max(len(stem)+8, min(int(10_000*math.Exp(random.NormFloat64())), 200_000))
		c.total += int64(c.sizes[i])
	}
	return c, nil
}

// picture is the stem with comments behind its first marker, up to the size. It says
// in the first which one it is.
func (c *catalogue) picture(i int) []byte {
	body := append(make([]byte, 0, c.sizes[i]), c.stem[:2]...)
	for left := c.sizes[i] - len(c.stem); left > 0; {
		length := min(left, 65_000)
		if rest := left - length; rest > 0 && rest < 8 {
			length -= 8
		}
		segment := make([]byte, length)
		segment[0], segment[1] = 0xff, 0xfe
		binary.BigEndian.PutUint16(segment[2:], uint16(length-2))
		if length >= 8 {
			binary.BigEndian.PutUint32(segment[4:], uint32(i))
		}
		body = append(body, segment...)
		left -= length
	}
	return append(body, c.stem[2:]...)
}

// answer is what an origin of the pictures says at a path.
func (c *catalogue) answer(path string) (media string, body []byte) {
	_, rest, _ := strings.Cut(path, "/m")
	number, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(c.sizes) {
		return "", nil
	}
	return "image/jpeg", c.picture(i)
}

// judge tells one picture from another.
func (c *catalogue) judge(r *load.Request, a *load.Answer, sampled bool) error {
	err := load.Plain(r, a, sampled)
	if err == nil && (len(a.Body) != c.sizes[r.Key] || sampled && !bytes.Equal(a.Body, c.picture(r.Key))) {
		err = fmt.Errorf("%s: another picture than %d, of %d bytes", r.Target(), r.Key, len(a.Body))
	}
	return err
}

// requests ask p for each of the pictures.
func (c *catalogue) requests(p *rig.Process) []*load.Request {
	all := make([]*load.Request, len(c.sizes))
	for i := range all {
		all[i] = load.Get(p.Address, rig.Path(fmt.Sprintf("m%d", i), "public"), 200, accept)
		all[i].Key = i
	}
	return all
}

// runMixed asks by Zipf's law for 100,000 pictures with a cache of a tenth of their
// bytes, and counts what had to be fetched. All caches and the simulated one get the
// same sequence.
func runMixed(ctx context.Context, b *bench) error {
	images, warm, count := 100_000, 300_000, 300_000
	if b.short {
		images, warm, count = 1000, 3000, 3000
	}
	c, err := newCatalogue(images)
	if err != nil {
		return err
	}
	capacity := c.total / 10
	picks := load.NewZipf(images, 1, 1).Sequence(warm + count)
	b.rig.Origin.Make(c.answer)
	f, err := b.rig.Fovea(ctx, append(b.throughCloudflare(), "FOVEA_CACHE_MEMORY="+strconv.FormatInt(capacity, 10))...)
	if err != nil {
		return err
	}
	peers, err := b.caches(ctx, capacity)
	if err != nil {
		return err
	}
	b.result.note(fmt.Sprintf("mixed: %d pictures of %.0f MB in all, caches of %.0f MB; the first %d requests of the sequence warm, the next %d count",
		images, float64(c.total)/1e6, float64(capacity)/1e6, warm, count))
	simulated := newLRU(capacity)
	hits := 0
	for i, key := range picks {
		if simulated.ask(key, int64(c.sizes[key])) && i >= warm {
			hits++
		}
	}
	least := 100 * float64(hits) / float64(count)
	b.find(finding{Name: "hit ratio of a simulated LRU", Value: figureOf([]float64{least}), Unit: "%"})
	for _, p := range append([]*rig.Process{f.Process}, peers...) {
		// A peer that hangs is not waited for: a run has more to ask.
		limited, cancel := context.WithTimeout(ctx, 5*time.Minute)
		ratio, err := b.hitRatio(limited, p, c, picks, warm)
		cancel()
		if p != f.Process && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			b.result.note("mixed: " + p.Name + " did not answer all within five minutes and is left out")
			continue
		}
		if err != nil {
			return err
		}
		b.find(finding{Name: "hit ratio of " + p.Name, Value: figureOf([]float64{ratio}), Unit: "%"})
		if p.Name == "nginx" {
			kept, err := p.Kept()
			if err != nil {
				return err
			}
			b.find(finding{Name: "kept by nginx at the end, of what it may", Value: figureOf([]float64{100 * float64(kept) / float64(capacity)}), Unit: "%"})
		}
		if p.Name == f.Name {
			b.atLeast("hit ratio of ours above the LRU, points", figureOf([]float64{ratio - least}), "≥ 3", 3)
		}
	}
	return nil
}

// hitRatio sends the sequence to p and returns the share that it did not fetch, of
// those behind the first warm ones, in percent.
func (b *bench) hitRatio(ctx context.Context, p *rig.Process, c *catalogue, picks []int, warm int) (float64, error) {
	requests := c.requests(p)
	var fetched, before int64
	for _, part := range [][]int{picks[:warm], picks[warm:]} {
		before = b.rig.Origin.Fetches("")
		got, err := load.Run(ctx, load.Plan{
			Address: p.Address, Connections: 16, Count: len(part), Sample: 64, Judge: c.judge,
			Next: func(i int) *load.Request { return requests[part[i]] },
		})
		if got != nil {
			b.complain(p.Name, got)
		}
		if err != nil {
			return 0, err
		}
		fetched = b.rig.Origin.Fetches("") - before
		fmt.Fprintf(b.log, "  %s: %d requests in %.1f s, %d fetches\n", p.Name, len(part), got.Elapsed.Seconds(), fetched)
		select { // refills and admissions in the background
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return 100 * (1 - float64(fetched)/float64(len(picks)-warm)), ctx.Err()
}
