package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// AVIF says what becomes of a costly AVIF that a client would get by negotiation.
type AVIF string

// The choices.
const (
	AVIFWait       AVIF = "wait"       // it is waited for
	AVIFBackground AVIF = "background" // another format is answered, and replaced once it is made
	AVIFOff        AVIF = "off"        // none is made
)

// Reencode says whether answers that are asked for often are encoded again, to
// fewer bytes of the same quality.
type Reencode string

// The choices.
const (
	ReencodeOff        Reencode = "off"
	ReencodeBackground Reencode = "background" // when processors idle
)

// Validate complains of every number and word that is none, by the name of its field
// in lower case.
func (o *Options) Validate() error {
	var errs []error
	switch o.AVIF {
	case "", AVIFWait, AVIFBackground, AVIFOff:
	default:
		errs = append(errs, fmt.Errorf("avif: expected wait, background or off, received %q", o.AVIF))
	}
	switch o.Reencode {
	case "", ReencodeOff, ReencodeBackground:
	default:
		errs = append(errs, fmt.Errorf("reencode: expected off or background, received %q", o.Reencode))
	}
	if o.AVIFPatience < 0 {
		errs = append(errs, fmt.Errorf("avif_patience: expected a duration of 0 or more, received %v", o.AVIFPatience))
	}
	if o.Sources < 0 {
		errs = append(errs, fmt.Errorf("sources: expected 0 or more, received %d", o.Sources))
	}
	return errors.Join(errs...)
}

func (o *Options) laterDefaults() {
	if o.AVIF == "" {
		o.AVIF = AVIFBackground
	}
	if o.Reencode == "" {
		o.Reencode = ReencodeOff
	}
	if o.AVIFPatience == 0 {
		o.AVIFPatience = 400 * time.Millisecond
	}
	o.Policy.NoAVIF = o.AVIF == AVIFOff
}

// effort is how much time a fill may take.
type effort uint8

const (
	prompt   effort = iota // somebody waits
	thorough               // nobody waits
	small                  // nobody waits, and the bytes count
)

const (
	interim      = 10 * time.Second // how long a stand-in is fresh
	improvements = 64               // at once, waiting ones included
	idleWait     = time.Minute      // for processors with nothing to do
	sampled      = 16               // one of so many hits is counted
	often        = 3                // sampled hits that make an entry worth the time
	mostCounted  = 4096             // keys
)

// tooDear reports whether an AVIF of this size would keep its client waiting for
// too long, and those behind it.
func (pl *plan) tooDear(out params.Size) bool {
	p := pl.proxy
	return p.AVIF == AVIFBackground && pl.effort == prompt && p.Engine.Estimate(params.AVIF, out) > p.AVIFPatience
}

// later fills the plan's key again once processors idle, unless too many wait for
// that already: then the next fill or hit tries again.
func (pl *plan) later(ctx context.Context, e effort) {
	p := pl.proxy
	select {
	case p.improving <- struct{}{}:
	default:
		return
	}
	again := *pl
	again.effort = e
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), idleWait)
	go func() {
		defer func() { <-p.improving }()
		defer cancel()
		if p.Engine.Idle(ctx) == nil {
			p.Cache.Refill(ctx, again.key, &again)
		}
	}()
}

// heat counts hits by key.
type heat struct {
	mu   sync.Mutex
	hits map[string]int
}

// hot counts a hit, if it is one of the sample, and reports whether that makes key
// worth an effort. What does not fit is forgotten, all at once.
func (h *heat) hot(key string) bool {
	if rand.Uint32N(sampled) != 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hits == nil || len(h.hits) >= mostCounted {
		h.hits = map[string]int{}
	}
	h.hits[key]++
	return h.hits[key] == often
}

// warmed has a plain answer that is asked for often made smaller.
func (pl *plan) warmed(ctx context.Context, entry *cache.Entry, outcome cache.Outcome) {
	if pl.proxy.Reencode == ReencodeOff || outcome != cache.Hit || !pl.proxy.Engine.Shrinks(entry.Type) || !pl.proxy.heat.hot(pl.key) {
		return
	}
	for _, f := range entry.Fields {
		if f.Name == fieldSmall {
			return
		}
	}
	pl.later(ctx, small)
}

// standIn replaces an AVIF that is too dear to wait for; it reports false if the
// plan's choice stays.
func (pl *plan) standIn(info engine.Info, to *chosen) (bool, error) {
	if to.choice.Media != params.AVIF || !pl.tooDear(to.geometry.Output) {
		return false, nil
	}
	geometry, choice, notes, err := pl.chooseBy(pl.proxy.withoutAVIF, info)
	if err != nil {
		return false, fault.Of(err)
	}
	*to = chosen{geometry, choice, append(notes, params.Warning{Option: "format", Text: "AVIF is being made; this answer stands in for it"})}
	return true, nil
}
