package proxy

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// recall remembers the plans of requests that were answered from the cache. A plan
// follows from a request's text, from the configuration and from what the catalog
// says; so one for the same text is the same plan as long as the catalog would say the
// same ([store.Standing.Holds]). Nothing of who asks is in it: each request is
// authorised, whatever is remembered.
//
// It is a table without locks, in which the latest plan of those that share a place
// stays. The zero value remembers nothing.
type recall struct {
	places []atomic.Pointer[recollection]
	seed   maphash.Seed
}

const (
	places  = 8192 // plans remembered, at most; a power of two
	maxText = 1024 // bytes of text of one that is
)

// recollection is a plan, and what it followed from.
type recollection struct {
	// host, target and accept are all of a request's text that its plan follows from, if
	// it bears no mark of a fetch of ours and its options ask for no hints.
	host, target, accept string

	path  string                 // of target, as the log has it
	asked atomic.Pointer[friend] // what rules have made target of, last

	standing store.Standing // of what the catalog said; Hosted
	plan     plan
	whole    atomic.Pointer[dress] // of a plain hit
	head     atomic.Pointer[dress] // of a plain 304
	// Those of who may see a private image; what of them is his alone is set on top.
	private, privateHead atomic.Pointer[dress]
}

// friend is a text that a rule has rewritten.
type friend struct{ target, path string }

// pathOf is the path of target, for the log: that of a text that is known is.
func (known *recollection) pathOf(target []byte) string {
	if known == nil {
		return withoutQuery(string(target))
	}
	if string(target) == known.target {
		return known.path
	}
	f := known.asked.Load()
	if f == nil || f.target != string(target) {
		f = &friend{target: string(target)}
		f.path = withoutQuery(f.target)
		if len(target) <= maxText {
			known.asked.Store(f)
		}
	}
	return f.path
}

func newRecall() recall {
	return recall{places: make([]atomic.Pointer[recollection], places), seed: maphash.MakeSeed()}
}

// place is where a plan of this text would be.
func (m *recall) place(host, target, accept []byte) *atomic.Pointer[recollection] {
	h := maphash.Bytes(m.seed, target)
	h = 31*h + maphash.Bytes(m.seed, accept)
	h = 31*h + maphash.Bytes(m.seed, host)
	return &m.places[h%places]
}

// find returns what is remembered of a request of this text, if it is still right. It
// does not keep the text.
func (m *recall) find(host, target, accept []byte) *recollection {
	known := m.place(host, target, accept).Load()
	if known == nil || known.target != string(target) || known.host != string(host) || known.accept != string(accept) ||
		known.plan.target.Kind == params.Hosted && !known.standing.Holds() {
		return nil
	}
	return known
}

// keep remembers pl, the plan of r, which was answered by it.
func (m *recall) keep(ctx context.Context, r *Request, pl *plan) {
	if pl.shared || r.Via != "" || len(pl.hints) > 0 || pl.elsewhere() || len(r.Host)+len(r.Target)+len(r.Client.Accept) > maxText {
		return
	}
	host, target, accept := []byte(r.Host), []byte(r.Target), []byte(r.Client.Accept)
	if m.find(host, target, accept) != nil {
		return
	}
	known := &recollection{host: r.Host, target: r.Target, accept: r.Client.Accept, path: withoutQuery(r.Target), plan: *pl}
	if pl.target.Kind == params.Hosted {
		f, err := pl.proxy.Catalog.Find(ctx, pl.target.Account, pl.target.Image, pl.target.Variant)
		if err != nil || f.Account != pl.account || f.Image != pl.image || f.Variant != pl.variant {
			return // it has changed meanwhile
		}
		known.standing = f.Standing
	}
	known.plan.shared, known.plan.account, known.plan.admission, known.plan.foreseen = true, nil, admission{}, pl.foresee()
	known.plan.tags = nil // they are of that request alone
	m.place(host, target, accept).Store(known)
}
