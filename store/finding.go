package store

import (
	"context"
	"time"
)

// Finding is what a Catalog said of an image, all of it at one moment. Its records
// are shared: read only.
type Finding struct {
	Account  *Account
	Variant  *Variant // nil: none was asked for
	Image    *Image
	Standing Standing
}

// Standing tells whether a Finding still stands. It keeps nothing else of the
// catalog in memory.
type Standing struct {
	catalog *Catalog
	world   uint64
	slot    *imageSlot
}

// Find returns what is known of an image and, unless it is "", of a variant. Errors
// are those of Account, Variant and Image.
func (c *Catalog) Find(ctx context.Context, hash, id, variant string) (Finding, error) {
	var f Finding
	w, err := c.current(ctx)
	if err != nil {
		return f, err
	}
	view, err := w.account(hash)
	if err != nil {
		return f, err
	}
	if variant != "" {
		if f.Variant, err = view.variant(variant); err != nil {
			return f, err
		}
	}
	slot, err := c.slot(ctx, imageKey{hash, id})
	if err != nil {
		return f, err
	}
	f.Account, f.Image, f.Standing = &view.Account, slot.image, Standing{c, w.serial, slot}
	return f, slot.err
}

// Holds reports whether the catalog would say the same at now, a time of a moment ago. It
// takes no lock and reads no clock: an account or a variant that changed makes another
// world, an image that changed or was forgotten leaves its slot, and each is believed for
// no longer than it is by the catalog itself.
func (s *Standing) Holds(now time.Time) bool {
	c := s.catalog
	w := c.world.Load()
	return w.serial == s.world && c.fresh(w, now) && !s.slot.gone.Load() && now.Before(s.slot.until)
}
