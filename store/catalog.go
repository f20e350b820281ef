package store

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/token"
)

// Catalog remembers what Names said, so that a request that hits the cache asks
// no database. It is safe for concurrent use; a look-up that it remembers neither
// allocates nor takes a lock that all requests share.
//
// A change in this process is seen at once, by Forget; one by another process
// within Remember. What it returns is shared: read only.
type Catalog struct {
	names Names
	CatalogOptions

	world   atomic.Pointer[world]
	age     atomic.Int64    // grows with every Forget of an account or variant
	added   atomic.Int64    // grows with every Forget of an image, which may be the account's first
	reading sync.Mutex      // one reads the world, the others wait
	failed  atomic.Int64    // how many readings have
	failure error           // of the last one; under reading
	looks   [2]atomic.Int64 // images looked up where they are kept: those that succeeded, those that failed
	shards  [catalogShards]catalogShard
	seed    maphash.Seed
}

// CatalogOptions tune a Catalog. Zero fields take the defaults named.
type CatalogOptions struct {
	Remember time.Duration // how long what is there is remembered; 10 s
	Missing  time.Duration // how long what is not there is; 1 s
	Images   int           // how many images are remembered; 100,000
	// Elsewhere knows of images that are kept elsewhere; nil: there are none. Order says
	// when it is asked.
	Elsewhere Directory
	Order     Order
	// Closed is told of an image that Names has as a public one and Elsewhere, which was
	// asked just now, as a private one; nil: nobody.
	Closed func(ctx context.Context, account, id string)
	// Vouched reports whether Forget has been told of what other nodes changed; while it
	// reports false, nothing is remembered. nil: there are none.
	Vouched func() bool
	Now     func() time.Time // time.Now
}

const catalogShards = 64

// world is every account and variant: few, and every request needs one.
type world struct {
	accounts map[string]*accountView // by hash
	ids      map[string]*accountView
	age      int64
	added    int64
	read     time.Time
	serial   uint64 // no other world has it
}

type accountView struct {
	Account
	variants map[string]*Variant
	names    []string // of variants, in order
	keys     []token.Key
	bare     bool // Names had no image of it
}

type catalogShard struct {
	mu     sync.RWMutex
	images map[imageKey]*imageSlot // what leaves it, leaves by drop
}

type imageKey struct{ account, id string }

// imageSlot is one look-up. done closes when image, err and until are set. One that
// is no longer among the images of its shard is gone, and nobody relies on it.
type imageSlot struct {
	gone  atomic.Bool
	done  chan struct{}
	image *Image
	err   error
	until time.Time
}

// NewCatalog returns an empty Catalog over names.
func NewCatalog(names Names, o CatalogOptions) *Catalog {
	if o.Remember == 0 {
		o.Remember = 10 * time.Second
	}
	if o.Missing == 0 {
		o.Missing = time.Second
	}
	if o.Images == 0 {
		o.Images = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Vouched == nil {
		o.Vouched = func() bool { return true }
	}
	c := &Catalog{names: names, CatalogOptions: o, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].images = map[imageKey]*imageSlot{}
	}
	return c
}

// Account returns the account with this hash, or a *fault.Error of kind WrongAccount.
func (c *Catalog) Account(ctx context.Context, hash string) (*Account, error) {
	view, err := c.account(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &view.Account, nil
}

// AccountByID is Account by the id that the management API knows it by.
func (c *Catalog) AccountByID(ctx context.Context, id string) (*Account, error) {
	w, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	if view := w.ids[id]; view != nil {
		return &view.Account, nil
	}
	return nil, fault.New(fault.WrongAccount, "There is no account with this id")
}

// Keys returns the account's signing keys, or a *fault.Error of kind WrongAccount.
func (c *Catalog) Keys(ctx context.Context, hash string) ([]token.Key, error) {
	view, err := c.account(ctx, hash)
	if err != nil {
		return nil, err
	}
	return view.keys, nil
}

// VariantNames returns the names of the account's variants in alphabetical order.
func (c *Catalog) VariantNames(ctx context.Context, hash string) ([]string, error) {
	view, err := c.account(ctx, hash)
	if err != nil {
		return nil, err
	}
	return view.names, nil
}

// Variant returns a variant of the account, or a *fault.Error of kind
// WrongAccount or NoVariant.
func (c *Catalog) Variant(ctx context.Context, hash, name string) (*Variant, error) {
	view, err := c.account(ctx, hash)
	if err != nil {
		return nil, err
	}
	return view.variant(name)
}

func (v *accountView) variant(name string) (*Variant, error) {
	if found := v.variants[name]; found != nil {
		return found, nil
	}
	return nil, fault.New(fault.NoVariant, "This account doesn't have variant with this name")
}

func (c *Catalog) account(ctx context.Context, hash string) (*accountView, error) {
	w, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return w.account(hash)
}

func (w *world) account(hash string) (*accountView, error) {
	if view := w.accounts[hash]; view != nil {
		return view, nil
	}
	return nil, fault.New(fault.WrongAccount, "There is no account with this hash")
}

func (c *Catalog) fresh(w *world, now time.Time) bool {
	return w != nil && w.age == c.age.Load() && now.Sub(w.read) < c.Remember && c.Vouched()
}

// current returns the world, read again if it is too old or was changed.
func (c *Catalog) current(ctx context.Context) (*world, error) {
	if w := c.world.Load(); c.fresh(w, c.Now()) {
		return w, nil
	}
	failed := c.failed.Load()
	c.reading.Lock()
	defer c.reading.Unlock()
	if w := c.world.Load(); c.fresh(w, c.Now()) {
		return w, nil
	}
	// What failed while this one waited fails for it, too: where each try takes long,
	// they must not wait for one another's.
	if c.failed.Load() != failed {
		return nil, c.failure
	}
	w, err := c.read(ctx)
	if err != nil {
		if ctx.Err() == nil { // or it says something of one caller alone
			c.failure = err
			c.failed.Add(1)
		}
		return nil, err
	}
	c.world.Store(w)
	return w, nil
}

// read reads the world.
func (c *Catalog) read(ctx context.Context) (*world, error) {
	// The age before reading: a Forget meanwhile makes what is read too old.
	w := &world{accounts: map[string]*accountView{}, ids: map[string]*accountView{}, age: c.age.Load(), added: c.added.Load(), read: c.Now()}
	accounts, err := c.names.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		view := &accountView{Account: a, variants: map[string]*Variant{}}
		variants, err := c.names.Variants(ctx, a.Hash)
		if err != nil {
			return nil, err
		}
		if view.keys, err = c.names.Keys(ctx, a.Hash); err != nil {
			return nil, err
		}
		if c.Elsewhere != nil {
			first, err := c.names.Images(ctx, a.Hash, "", 1)
			if err != nil {
				return nil, err
			}
			view.bare = len(first) == 0
			variants = append(variants, c.Elsewhere.Variants(a.Hash)...)
			view.keys = append(view.keys, c.Elsewhere.Keys(a.Hash)...)
		}
		for _, v := range variants {
			view.variants[v.Name] = &v
		}
		view.names = slices.Sorted(maps.Keys(view.variants))
		w.accounts[a.Hash], w.ids[a.ID] = view, view
	}
	if before := c.world.Load(); before != nil {
		w.serial = before.serial + 1
	}
	return w, nil
}

func (c *Catalog) shard(key imageKey) *catalogShard {
	return &c.shards[(maphash.String(c.seed, key.account)^maphash.String(c.seed, key.id))%catalogShards]
}

// Image returns an image that has bytes, or a *fault.Error of kind NotFound.
func (c *Catalog) Image(ctx context.Context, account, id string) (*Image, error) {
	slot, err := c.slot(ctx, imageKey{account, id})
	if err != nil {
		return nil, err
	}
	return slot.image, slot.err
}

// slot returns the slot of key once it is filled, or an error that ended the wait.
func (c *Catalog) slot(ctx context.Context, key imageKey) (*imageSlot, error) {
	s := c.shard(key)
	s.mu.RLock()
	slot := s.images[key]
	s.mu.RUnlock()
	if slot == nil || c.expired(slot) {
		return c.look(ctx, s, key)
	}
	return slot, slot.wait(ctx)
}

// expired reports whether slot has landed and is too old.
func (c *Catalog) expired(slot *imageSlot) bool {
	select {
	case <-slot.done:
		return !c.Now().Before(slot.until) || !c.Vouched()
	default:
		return false
	}
}

func (slot *imageSlot) wait(ctx context.Context) error {
	select {
	case <-slot.done:
		return nil
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}

// look reads key, once for all who ask meanwhile.
func (c *Catalog) look(ctx context.Context, s *catalogShard, key imageKey) (*imageSlot, error) {
	s.mu.Lock()
	if slot := s.images[key]; slot != nil && !c.expired(slot) {
		s.mu.Unlock()
		return slot, slot.wait(ctx)
	}
	// The key's strings belong to a request: a remembered one must not keep the
	// whole of it alive.
	key = imageKey{strings.Clone(key.account), strings.Clone(key.id)}
	slot := &imageSlot{done: make(chan struct{})}
	c.tidy(s)
	s.drop(key)
	s.images[key] = slot
	s.mu.Unlock()

	// Others wait for this, so it does not end with its first caller.
	ctx = context.WithoutCancel(ctx)
	image, keep, err := c.find(ctx, key)
	if err == nil || fault.Is(err, fault.NotFound) {
		c.looks[0].Add(1)
	} else {
		c.looks[1].Add(1)
	}
	switch {
	case err == nil && image.Draft:
		slot.err = fault.New(fault.NotFound, "Image not found")
		keep = c.Missing
	case err == nil:
		slot.image = &image
	default:
		slot.err = err
		if keep = c.Missing; !fault.Is(err, fault.NotFound) {
			keep = 0
		}
	}
	slot.until = c.Now().Add(keep)
	close(slot.done)
	return slot, nil
}

// tidy makes room for one more in a shard, whose lock the caller holds: all are cheap to
// read again. A few others are looked at in passing, and go if they are too old: where
// each image is asked for once, as many as may be remembered would stay for ever, and
// every collection of garbage would walk them.
func (c *Catalog) tidy(s *catalogShard) {
	looks := 3
	for key, slot := range s.images {
		full := len(s.images) > c.Images/catalogShards
		if looks--; looks < 0 && !full {
			return
		}
		if full || c.expired(slot) {
			s.drop(key)
		}
	}
}

// CatalogStats counts the images that a Catalog had to look up where they are kept; of
// others it remembered what is so.
type CatalogStats struct {
	Found  int64 // and those that are not there
	Failed int64 // whoever keeps them could not say
}

// Stats returns what was counted since the Catalog was made.
func (c *Catalog) Stats() CatalogStats {
	return CatalogStats{c.looks[0].Load(), c.looks[1].Load()}
}

// drop makes key unknown, and what was known of it no longer good for anybody. The
// caller holds the lock.
func (s *catalogShard) drop(key imageKey) {
	if slot := s.images[key]; slot != nil {
		slot.gone.Store(true)
		delete(s.images, key)
	}
}

// Forget drops what has one of these tags. A look-up that began before it never
// answers one that began after it.
func (c *Catalog) Forget(tags ...string) {
	for _, tag := range tags {
		kind, name, _ := strings.Cut(tag, ":")
		switch kind {
		case "account", "variant":
			c.age.Add(1)
		case "image":
			account, id, _ := strings.Cut(name, "/")
			key := imageKey{account, id}
			s := c.shard(key)
			c.added.Add(1)
			s.mu.Lock()
			s.drop(key)
			s.mu.Unlock()
		}
	}
}

// ForgetImages drops every image of account whose id begins with prefix; with an
// account of "" it drops all there is, accounts and variants too.
func (c *Catalog) ForgetImages(account, prefix string) {
	if account == "" {
		c.age.Add(1)
	}
	c.added.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key := range s.images {
			if account == "" || key.account == account && strings.HasPrefix(key.id, prefix) {
				s.drop(key)
			}
		}
		s.mu.Unlock()
	}
}
