package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fovea-images/fovea/bench/rig"
)

// scenario is one question, with all its cases.
type scenario struct {
	name  string
	about string
	run   func(ctx context.Context, b *bench) error
}

// scenarios are all that there are, in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"hit", "pictures from the cache: 2, 15 and 200 KB, one key and 10,000", runHit},
		{"304", "clients whose copy is still right", runNotModified},
		{"signed", "private pictures: exp and sig, HS256, EdDSA", runSigned},
		{"rule", "a friendly path by a rule in WebAssembly", runRule},
		{"miss", "pictures that nobody has seen, by format", runMiss},
		{"passthrough", "misses that are passed on to Cloudflare", runPassthrough},
		{"srcset", "eight sizes of one new source at once", runSrcset},
		{"herd", "1,000 clients, one URL that nobody has seen", runHerd},
		{"mixed", "100,000 pictures by Zipf's law, a cache of a tenth of their bytes", runMixed},
		{"tiers", "one node and three, with memory alone, files, and Redis", runTiers},
		{"overload", "ten times as many new pictures as can be made", runOverload},
		{"slow-origin", "hits beside an origin that takes two seconds", runSlowOrigin},
		{"slow-client", "hits beside clients that read and write a byte at a time", runSlowClient},
		{"purge", "a picture that is exchanged under load", runPurge},
		{"start", "from nothing to the first picture", runStart},
		{"api", "the management API", runAPI},
		{"anatomy", "where the time of a hit and of a miss goes", runAnatomy},
		{"soak", "all kinds of requests for long: what the server holds stays flat", runSoak},
	}
}

// bench is a run of the command.
type bench struct {
	options
	out, log io.Writer
	rig      *rig.Rig
	result   result
	now      string // scenario under way
	faults   []error
	photos   [][]byte
	sizes    map[string]string // options that were found, by image and size
}

const (
	shortLap = 300 * time.Millisecond
	clients  = 64 // connections of a closed loop
)

// run measures, prints tables to out and writes the results; progress goes to log.
func run(ctx context.Context, o options, out, log io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "fovea-bench-")
	if err != nil {
		return err
	}
	// Varnish and nginx work as users of their own.
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // nothing secret is in it
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	r, err := rig.New(ctx, folder)
	if err != nil {
		return err
	}
	b := &bench{options: o, out: out, log: log, rig: r, sizes: map[string]string{}}
	defer func() { err = errors.Join(err, r.Close()) }()
	b.result.begin(ctx, o)
	if o.target != "" {
		err = b.one(ctx, scenario{"target", "a server that somebody else runs", runTarget})
	}
	for _, s := range scenarios() {
		if slices.Contains(o.scenarios, s.name) && ctx.Err() == nil {
			err = errors.Join(err, b.one(ctx, s))
		}
	}
	return errors.Join(append(b.faults, err)...)
}

// save writes what was found so far: a run is long, and may be ended before its end.
func (b *bench) save(ctx context.Context) error {
	if b.options.out == "" {
		return nil
	}
	b.result.Ended, b.result.Faults = time.Now().UTC(), nil
	for _, fault := range b.faults {
		b.result.Faults = append(b.result.Faults, fault.Error())
	}
	if ctx.Err() != nil {
		b.result.note("**Interrupted** in " + b.now + ": what should have come after it is not here")
	}
	return b.result.write(b.options.out, b.rig.Settings)
}

// one runs a scenario; what it started is stopped.
func (b *bench) one(ctx context.Context, s scenario) error {
	began := time.Now()
	b.now = s.name
	fmt.Fprintf(b.log, "%s: %s\n", s.name, s.about)
	err := s.run(ctx, b)
	err = errors.Join(err, b.rig.StopAll(), b.save(ctx))
	fmt.Fprintf(b.log, "%s took %.0f s\n", s.name, time.Since(began).Seconds())
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (b *bench) wrong(text string) { b.faults = append(b.faults, errors.New(text)) }

// peer reports whether a peer is wanted, and whether err only left it out.
func (b *bench) wants(name string) bool {
	for _, peer := range b.peers {
		if peer == name {
			return true
		}
	}
	return false
}

// leftOut notes a contender that this machine does not have and passes on any other
// error.
func (b *bench) leftOut(err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, rig.ErrLeftOut) {
		return err
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	b.result.note(line)
	return nil
}
