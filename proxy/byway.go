package proxy

import (
	"context"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

// delivered is a hosted image that a picture is made of by way of its URL.
type delivered struct {
	account, image, tail string
	signed               bool // its URL holds a proof
	overlay              int  // from 1; 0 = it is the source
}

// delivered are the hosted images that the picture is made of by way of their URLs.
func (pl *plan) delivered() (all []delivered) {
	add := func(overlay int, source string) {
		d := delivered{overlay: overlay}
		var ok bool
		if d.account, d.image, d.tail, ok = pl.at.Site.DeliveryOf(source); ok {
			_, query, _ := strings.Cut(source, "?")
			d.signed = token.Signed(query)
			all = append(all, d)
		}
	}
	if pl.target.Kind == params.Remote {
		add(0, pl.target.Source.URL())
	}
	for i := range pl.options.Draw {
		add(i+1, pl.options.Draw[i].Source.Value)
	}
	return all
}

// byWay refuses a picture made of a hosted image by way of its URL if the image needs a
// proof now, whatever was made while it needed none. An image that is not known here is
// for who delivers it to judge, and so is a proof in its URL.
func (pl *plan) byWay(ctx context.Context) error {
	for _, d := range pl.delivered() {
		found, err := pl.proxy.Catalog.Find(ctx, d.account, d.image, "")
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.WrongAccount) {
			continue
		}
		if err == nil && found.Image.RequireSigned && !d.signed {
			err = pl.opened(ctx, d)
		}
		if err != nil && d.overlay > 0 {
			err = overlayFailure(d.overlay-1, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// opened returns nil if a variant opens the private image.
func (pl *plan) opened(ctx context.Context, d delivered) error {
	variant, err := pl.proxy.Catalog.Variant(ctx, d.account, d.tail)
	switch {
	case err != nil && !fault.Is(err, fault.NoVariant):
		return err
	case err == nil && variant.NeverRequireSigned:
		return nil
	}
	return fault.New(fault.Denied, "The image at this URL needs a valid signature")
}

// tags are those of the image and its variant: what is made from them must go when they
// do, or change.
func (d *delivered) tags() []string {
	tags := []string{params.ImageTag(d.account, d.image), params.AccountTag(d.account)}
	if params.ValidVariantName(d.tail) {
		tags = append(tags, params.VariantTag(d.account, d.tail))
	}
	return tags
}
