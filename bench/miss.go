package main

import (
	"context"
	"time"
)

// runMiss asks for pictures of sources that nobody has seen: fetched, decoded,
// scaled to 512 pixels and encoded. Bytes differ by contender: bench/engine compares
// at equal likeness.
func runMiss(ctx context.Context, b *bench) error {
	s, err := b.cold()
	if err != nil {
		return err
	}
	_, ours, err := b.fovea(ctx)
	if err != nil {
		return err
	}
	// What later sizes of a source gain from is paid for by the first: this one does
	// without.
	_, plain, err := b.fovea(ctx, "FOVEA_ENGINE_MEZZANINES=0")
	if err != nil {
		return err
	}
	plain.name += " without mezzanines"
	peers, err := b.makers(ctx)
	if err != nil {
		return err
	}
	for _, format := range []string{"jpeg", "webp", "avif", "png"} {
		r := race{name: "to 512 pixels, " + format, duration: 10 * time.Second}
		for _, m := range append([]maker{ours, plain}, peers...) {
			r.entrants = append(r.entrants, m.asks(s, 4, 512, format))
		}
		if _, err := b.race(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
