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

// AppendStatus spells the outcome as the parameters of a Cache-Status member
// (RFC 9211); ttl is the answer's remaining freshness.
func (o Outcome) AppendStatus(b []byte, ttl time.Duration) []byte {
	seconds := int64(ttl / time.Second)
	switch o {
	case Hit:
		return strconv.AppendInt(append(b, "hit; ttl="...), seconds, 10)
	case Stale, StaleError, Negative:
		return append(append(strconv.AppendInt(append(b, "hit; ttl="...), seconds, 10), "; detail="...), o.String()...)
	case Miss:
		return strconv.AppendInt(append(b, "fwd=uri-miss; stored; ttl="...), seconds, 10)
	case Coalesced:
		return strconv.AppendInt(append(b, "fwd=uri-miss; collapsed; ttl="...), seconds, 10)
	case Bypass:
		return append(b, "fwd=bypass"...)
	case Revalidated:
		return append(b, "hit; detail=revalidated"...)
	}
	return append(b, "fwd=uri-miss; detail=failed"...)
}
