// Package origin brings the source bytes of a target from wherever they are kept.
package origin

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/params"
)

// Source is what an Origin brought. The body is the caller's.
type Source struct {
	Body []byte
	// Validator changes whenever the body does: the origin's ETag without quotes
	// and weakness mark, else the hash of the body.
	Validator string
	Modified  time.Time // zero: unknown
	// Fresh is how long the origin lets caches keep it; 0: it does not say, or not at all.
	Fresh time.Duration
	// Private: it was meant for who asked alone; nobody may keep what is made of it.
	Private bool
	// MustRevalidate: it must not be served any longer than that.
	MustRevalidate bool
}

// Origin fetches sources. It is safe for concurrent use. It may be called many
// times for one target and changes nothing by it. Ending ctx ends the fetch soon,
// with ctx's error or a *fault.Error; every other error is a *fault.Error of one
// of the origin's kinds, NotFound, SourceTooLong or NotAllowed.
type Origin interface {
	Fetch(ctx context.Context, t params.Target) (Source, error)
}
