package proxy

import (
	"context"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
)

// spares reports whether the spare origin may have what has failed to come from where
// it is kept. A variant that only Cloudflare knows cannot be made here.
func (pl *plan) spares(failure error) bool {
	known := pl.target.Variant == "" || pl.variant != nil || pl.instead != nil
	return pl.proxy.Spare != nil && pl.elsewhere() && known && origin.Absent(failure)
}

// source brings the source, from the spare origin if it has to. It returns why it had
// to; nil: it had not.
func (pl *plan) source(ctx context.Context, failure error) (src origin.Source, why, err error) {
	if failure == nil {
		if src, err = pl.fetch(ctx); !pl.spares(err) {
			return src, nil, err
		}
		failure = err
	}
	if src, err = pl.fetchFrom(ctx, pl.proxy.Spare, "spare "+pl.target.Account+"/"+pl.target.Image); err != nil {
		return src, nil, failure
	}
	pl.proxy.spared.Add(1)
	return src, failure, nil
}

// spared makes an answer that the spare origin had to be asked for give way soon. If the
// image is private there, or has become so since it was looked up, nobody keeps it, and who
// has waited for it must prove that they may see it ([plan.stillMay]). Nor is one kept that was asked for with a proof which
// nobody has judged: it may have an end.
func (pl *plan) spared(entry *cache.Entry, src origin.Source, failure error) {
	if failure != nil && !fault.Is(failure, fault.NotFound) {
		entry.Fresh = min(entry.Fresh, interim)
		brief(entry, false)
	}
	if failure != nil && pl.signed != "" {
		unkept(entry)
	}
	if src.RequireSigned && !pl.image.RequireSigned {
		unkept(entry)
		entry.Fields = append(entry.Fields, cache.Field{Name: fieldClosed})
	}
}

// closed reports whether an answer is of an image that is private where it came from.
func closed(entry *cache.Entry) bool {
	for _, f := range entry.Fields {
		if f.Name == fieldClosed {
			return true
		}
	}
	return false
}

// standsIn reports whether the image is our own record of one that is kept elsewhere,
// where nobody could be asked.
func (pl *plan) standsIn() bool { return pl.image != nil && pl.image.Believed && !pl.elsewhere() }

// Spared counts the sources that had to come from the spare origin.
func (p *Proxy) Spared() uint64 { return p.spared.Load() }
