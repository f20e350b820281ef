package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// overlaySources are what options.Draw is drawn with.
type overlaySources struct {
	sources    []origin.Source
	bodies     [][]byte
	validators string // they change when any body does
}

// fetchOverlays brings the sources of the plan's overlays, all at once; there are
// few. They obey the rules of remote sources.
func (pl *plan) fetchOverlays(ctx context.Context) (overlaySources, error) {
	draw := pl.options.Draw
	o := overlaySources{sources: make([]origin.Source, len(draw)), bodies: make([][]byte, len(draw))}
	errs := make([]error, len(draw))
	var all sync.WaitGroup
	for i := range draw {
		all.Go(func() { o.sources[i], errs[i] = pl.fetchOverlay(ctx, draw[i].Source) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return o, overlayFailure(i, err)
		}
		o.bodies[i] = o.sources[i].Body
		o.validators += " " + o.sources[i].Validator
	}
	return o, nil
}

// allowOverlays refuses overlays that may not be fetched for the host that was asked,
// whether an answer with them is there already or not.
func (pl *plan) allowOverlays() error {
	for i, o := range pl.options.Draw {
		if err := pl.at.Site.Allow(o.Source); err != nil {
			return overlayFailure(i, err)
		}
	}
	return nil
}

func overlayFailure(i int, err error) error {
	f := fault.Of(err)
	return fault.Wrap(f.Kind, err, "Overlay %d of draw: %s", i+1, f.Public)
}

func (pl *plan) fetchOverlay(ctx context.Context, source params.Source) (origin.Source, error) {
	if pl.proxy.Web == nil {
		return origin.Source{}, fault.New(fault.NotAllowed, "This server fetches no remote sources")
	}
	return pl.proxy.Web.Fetch(ctx, params.Target{Kind: params.Remote, Source: source})
}

// live shortens the entry's life to that of the overlay that lives shortest, and
// dates it by the one that changed last.
func (o *overlaySources) live(entry *cache.Entry, life Life) {
	for _, s := range o.sources {
		switch {
		case s.Modified.IsZero() || entry.Modified.IsZero():
			entry.Modified = time.Time{} // nobody knows since when it looks like this
		case s.Modified.After(entry.Modified):
			entry.Modified = s.Modified
		}
		entry.Fresh = min(entry.Fresh, max(s.Fresh, life.RemoteMinimum))
		if s.MustRevalidate {
			entry.Stale, entry.Grace = 0, 0
		}
		if s.Private {
			unkept(entry)
		}
	}
}
