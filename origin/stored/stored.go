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
	catalog *store.Catalog
	blobs   store.Blobs
}

// New returns an Origin over catalog and blobs.
func New(catalog *store.Catalog, blobs store.Blobs) *Origin {
	return &Origin{catalog: catalog, blobs: blobs}
}

// Fetch implements origin.Origin. The validator is the hash of the bytes.
func (o *Origin) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	img, err := o.catalog.Image(ctx, t.Account, t.Image)
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
	return origin.Source{Body: body, Validator: string(img.Blob), Modified: img.Uploaded}, nil
}
