package proxy

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// recall remembers the plans of requests that were answered from the cache. A plan
// follows from a request's text, from the configuration and from what the catalog
// says; so one for the same text is the same plan as long as the catalog would say the
// same ([store.Standing.Holds]); what is made of hosted images by way of their URLs is not
// remembered. Nothing of who asks is in it: each request is
// authorised, whatever is remembered.
//
// It is a table without locks. A text has two places in it; of those that share both the
// latest plan stays. When it holds too much, some are forgotten in turn. The zero value
// remembers nothing.
type recall struct {
	places []atomic.Pointer[recollection]
	seed   maphash.Seed
	bytes  atomic.Int64  // of what is remembered, about
	hand   atomic.Uint64 // the place that was emptied last
}

const (
	places      = 1 << 15  // a power of two
	maxText     = 1024     // bytes of text of one that is remembered
	maxRecalled = 48 << 20 // bytes of all
	recollected = 3 << 10  // bytes of one besides its text, dressed once or twice
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

func newRecall() *recall {
	return &recall{places: make([]atomic.Pointer[recollection], places), seed: maphash.MakeSeed()}
}

// where is where a plan of this text would be: in one place, or else in the other.
func (m *recall) where(host, target, accept []byte) (one, other *atomic.Pointer[recollection]) {
	h := maphash.Bytes(m.seed, target)
	h = 31*h + maphash.Bytes(m.seed, accept)
	h = 31*h + maphash.Bytes(m.seed, host)
	return &m.places[h%places], &m.places[h>>32%places]
}

// is reports whether known is of this text.
func (known *recollection) is(host, target, accept []byte) bool {
	return known != nil && known.target == string(target) && known.host == string(host) && known.accept == string(accept)
}

// holds reports whether known is still right at now.
func (known *recollection) holds(now time.Time) bool {
	return known.plan.target.Kind != params.Hosted || known.standing.Holds(now)
}

// etag is that of the answer, if it is known without one.
func (known *recollection) etag() string {
	if known.plan.foreseen == nil {
		return ""
	}
	return known.plan.foreseen.ETag
}

func (known *recollection) cost() int64 {
	if known == nil {
		return 0
	}
	return recollected + 2*int64(len(known.host)+len(known.target)+len(known.accept))
}

// put has known in a place, and makes room for it.
func (m *recall) put(place *atomic.Pointer[recollection], known *recollection) {
	held := m.bytes.Add(known.cost() - place.Swap(known).cost())
	for n := 0; held > maxRecalled && n < places; n++ {
		held = m.bytes.Add(-m.places[m.hand.Add(1)%places].Swap(nil).cost())
	}
}

// find returns what is remembered of a request of this text, if it is still right at now.
// It does not keep the text.
func (m *recall) find(host, target, accept []byte, now time.Time) *recollection {
	one, other := m.where(host, target, accept)
	known := one.Load()
	if !known.is(host, target, accept) {
		if known = other.Load(); !known.is(host, target, accept) {
			return nil
		}
	}
	if !known.holds(now) {
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
	if m.find(host, target, accept, r.At) != nil || len(pl.delivered()) > 0 {
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
	one, other := m.where(host, target, accept)
	if there := other.Load(); there.is(host, target, accept) { // of before a change
		m.put(other, known)
		return
	}
	if there := one.Load(); there != nil && !there.is(host, target, accept) && there.holds(r.At) {
		if there := other.Load(); there == nil || !there.holds(r.At) {
			one = other
		}
	}
	m.put(one, known)
}
