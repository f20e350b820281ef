package proxy

import (
	"net/netip"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

// Report is one finished request, for the log and the metrics.
type Report struct {
	Start    time.Time
	Took     time.Duration
	Method   string
	Host     string
	Path     string     // without the query: a query may hold a proof
	Client   netip.Addr // of the peer
	Status   int
	Code     int    // Cloudflare's number; 0 = no failure
	Failure  string // kind of the failure; "" = none
	Err      error  // with its private cause, for the log; nil = none
	Kind     params.Kind
	Outcome  cache.Outcome
	Type     string // Content-Type of the answer
	Bytes    int    // of the body
	Source   int64  // bytes of the original; 0 = not on record
	Modified bool   // false: a 304
	Verdict  token.Verdict
	// Rewritten is the path that rules have made of Path; "" = it is the same. Ruled: a
	// rule has answered. ID is the request's name, if a rule has asked for it.
	Rewritten, ID string
	Ruled         bool
	Secure        bool // it came by https
	// Trail is what the request was followed by; nil = nobody did.
	Trail *trail.Trail
}
