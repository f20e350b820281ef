package store

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/token"
)

// Directory knows of images that are kept elsewhere: their records have no Blob and
// no header fields. It is safe for concurrent use.
type Directory interface {
	// Image returns a record, Believed if whose it is could not be asked; or a
	// *fault.Error: NotFound, or why it cannot be known now. It remembers what it may.
	Image(ctx context.Context, account, id string) (Image, error)
	// Variants and Keys return what is known now, at once. They are added to those of
	// Names; a variant of the same name takes its place.
	Variants(account string) []Variant
	Keys(account string) []token.Key
}

// Order is who is asked for an image.
type Order uint8

// The orders.
const (
	NamesFirst     Order = iota // Names, and Elsewhere for what they do not have
	ElsewhereFirst              // Elsewhere, and Names for what it does not have or cannot say
	ElsewhereOnly
)

// find asks for an image, and says for how long the answer may be remembered here.
func (c *Catalog) find(ctx context.Context, key imageKey) (Image, time.Duration, error) {
	switch {
	case c.Elsewhere == nil || c.Order == NamesFirst:
		image, err := c.own(ctx, key)
		if c.Elsewhere == nil || !fault.Is(err, fault.NotFound) {
			return image, c.Remember, err
		}
		fallthrough
	case c.Order == ElsewhereOnly:
		image, err := c.Elsewhere.Image(ctx, key.account, key.id)
		return image, c.Missing, err // it has a memory of its own
	}
	image, err := c.elsewhereFirst(ctx, key)
	return image, c.Missing, err
}

// elsewhereFirst has Elsewhere decide, and looks at our own record whatever it says.
// What is only believed is as private as the stricter of the two has it.
func (c *Catalog) elsewhereFirst(ctx context.Context, key imageKey) (Image, error) {
	own, err := c.own(ctx, key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Image{}, err
	}
	ours := err == nil && !own.Draft
	there, err := c.Elsewhere.Image(ctx, key.account, key.id)
	switch {
	case err != nil && ours:
		own.Believed = !fault.Is(err, fault.NotFound)
		return own, nil
	case err != nil || !ours:
		return there, err
	case there.Believed:
		there.RequireSigned = there.RequireSigned || own.RequireSigned
	case there.RequireSigned && !own.RequireSigned && c.Closed != nil:
		c.Closed(ctx, key.account, key.id)
	}
	return there, nil
}

// own asks Names, unless they are known to have no image of the account at all: who
// stands in front of another service need not have any.
func (c *Catalog) own(ctx context.Context, key imageKey) (Image, error) {
	if c.Elsewhere != nil {
		w, err := c.current(ctx)
		if err != nil {
			return Image{}, err
		}
		if view := w.accounts[key.account]; view != nil && view.bare && w.added == c.added.Load() {
			return Image{}, errNoImage
		}
	}
	return c.names.Image(ctx, key.account, key.id)
}

var errNoImage = fault.New(fault.NotFound, "Image not found")
