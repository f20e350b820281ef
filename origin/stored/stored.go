// Package stored reads sources from our own store.
package stored

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// Origin is an origin.Origin of hosted images.
type Origin struct {
	image Image
	blobs store.Blobs
}

// Image looks up the record of an image; what is not there is a *fault.Error of kind
// NotFound.
type Image func(ctx context.Context, account, id string) (*store.Image, error)

// New returns an Origin over blobs, which finds them by image.
func New(image Image, blobs store.Blobs) *Origin {
	return &Origin{image: image, blobs: blobs}
}

// Named returns an Image that asks names each time, whatever a catalog says of what is
// kept elsewhere. A draft is not found.
func Named(names store.Names) Image {
	return func(ctx context.Context, account, id string) (*store.Image, error) {
		img, err := names.Image(ctx, account, id)
		if err == nil && img.Draft {
			err = fault.New(fault.NotFound, "Image not found")
		}
		return &img, err
	}
}

// Fetch implements origin.Origin. The validator is the hash of the bytes.
func (o *Origin) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	img, err := o.image(ctx, t.Account, t.Image)
	if err != nil {
		return origin.Source{}, err
	}
	if img.Blob == "" { // it is known, and kept elsewhere
		return origin.Source{}, fault.New(fault.NotFound, "Image not found")
	}
	r, n, err := o.blobs.Open(ctx, img.Blob)
	if err != nil {
		return origin.Source{}, err
	}
	if n != img.Bytes {
		err = fault.Wrap(fault.Internal, fmt.Errorf("read the bytes of %s: expected %d, found %d", t.Image, img.Bytes, n), "Internal error")
		return origin.Source{}, errors.Join(err, r.Close())
	}
	body := make([]byte, n)
	if _, err = io.ReadFull(r, body); err != nil && !fault.Is(err, fault.Overloaded) {
		err = fault.Wrap(fault.Internal, fmt.Errorf("read the bytes of %s: %w", t.Image, err), "Internal error")
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return origin.Source{}, err
	}
	return origin.Source{Body: body, Validator: string(img.Blob), Modified: img.Uploaded, RequireSigned: img.RequireSigned}, nil
}
