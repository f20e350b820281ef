package cache

import (
	"strconv"
	"time"
)

// Outcome says how an answer came about. The words are the same in code, logs,
// metrics and headers.
type Outcome uint8

// The outcomes.
const (
	Failed      Outcome = iota // there was no answer to give
	Hit                        // kept and fresh
	Stale                      // kept, past its freshness; a refill runs
	StaleError                 // kept, past its freshness; the refill failed
	Miss                       // filled for this request
	Coalesced                  // filled for another request that came first
	Negative                   // kept: there is nothing
	Bypass                     // filled for this request and not to be kept
	Revalidated                // the client's own copy was good; nothing was asked
)

var outcomes = [...]string{
	Failed: "failed", Hit: "hit", Stale: "stale", StaleError: "stale_error", Miss: "miss",
	Coalesced: "coalesced", Negative: "negative", Bypass: "bypass", Revalidated: "revalidated",
}

// String returns the outcome's word.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return outcomes[Failed]
}

// Served reports whether the answer was kept from before.
func (o Outcome) Served() bool { return o == Hit || o == Stale || o == StaleError || o == Negative }

// Status spells the outcome as the parameters of a Cache-Status member
// (RFC 9211); ttl is the answer's remaining freshness.
func (o Outcome) Status(ttl time.Duration) string {
	seconds := strconv.FormatInt(int64(ttl/time.Second), 10)
	switch o {
	case Hit:
		return "hit; ttl=" + seconds
	case Stale, StaleError, Negative:
		return "hit; ttl=" + seconds + "; detail=" + o.String()
	case Miss:
		return "fwd=uri-miss; stored; ttl=" + seconds
	case Coalesced:
		return "fwd=uri-miss; collapsed; ttl=" + seconds
	case Bypass:
		return "fwd=bypass"
	case Revalidated:
		return "hit; detail=revalidated"
	}
	return "fwd=uri-miss; detail=failed"
}
