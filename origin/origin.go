// Package origin brings the source bytes of a target from wherever they are kept.
package origin

import (
	"context"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Source is what an Origin brought. The body may be shared: it is only read.
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
	// RequireSigned: who has the bytes has them as those of a private image.
	RequireSigned bool
}

// Absent reports whether err says that an origin does not have what it was asked for,
// or could not be asked, so that another may be. What it refuses, it has refused.
func Absent(err error) bool {
	if err == nil {
		return false
	}
	switch fault.Of(err).Kind {
	case fault.NotFound, fault.FetchFailed, fault.DNSFailed, fault.ConnectTimeout, fault.DownloadTimeout,
		fault.OriginTimeout, fault.OriginBroken, fault.Overloaded:
		return true
	}
	return false
}

// InOrder asks one origin after the other until one has the target.
type InOrder []Origin

// Fetch implements Origin.
func (all InOrder) Fetch(ctx context.Context, t params.Target) (Source, error) {
	err := error(fault.New(fault.NotFound, "Image not found"))
	for _, o := range all {
		var source Source
		if source, err = o.Fetch(ctx, t); !fault.Is(err, fault.NotFound) {
			return source, err
		}
	}
	return Source{}, err
}

// Origin fetches sources. It is safe for concurrent use. It may be called many
// times for one target and changes nothing by it. Ending ctx ends the fetch soon,
// with ctx's error or a *fault.Error; every other error is a *fault.Error of one
// of the origin's kinds, NotFound, SourceTooLong or NotAllowed.
type Origin interface {
	Fetch(ctx context.Context, t params.Target) (Source, error)
}

// Validator is an ETag without its mark and quotes; "" if it is none, or holds
// what must not stand in ours.
func Validator(etag string) string {
	inner := strings.TrimPrefix(etag, "W/")
	if len(inner) < 3 || len(inner) > 256 || inner[0] != '"' || inner[len(inner)-1] != '"' {
		return ""
	}
	inner = inner[1 : len(inner)-1]
	for i := range len(inner) {
		if c := inner[i]; c <= ' ' || c == '"' || c == ',' || c >= 0x7f {
			return ""
		}
	}
	return inner
}
