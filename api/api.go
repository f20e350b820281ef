// Package api speaks the Cloudflare Images management API over a store.
//
// http.go is the door: it reads a request, finds who asks (auth.go) and what for
// (route.go), and writes the envelope. The other files are the calls.
package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/store"
)

// Options are what an API is made from. Library, Catalog, Inspect and Fetch are
// required; other zero fields take the defaults named.
type Options struct {
	Library *store.Library
	Catalog *store.Catalog
	// Inspect fills in what the header of body says of img, and says as a
	// *fault.Error why it is no picture to keep, if so. It does not keep body.
	Inspect func(body []byte, img *store.Image) error
	// Fetch brings the bytes of a URL for an import, at most MaxBytes, never from a
	// private address. A user and password in it go to the host that it names alone.
	Fetch func(ctx context.Context, u *url.URL) ([]byte, error)

	PublicURL string        // begins delivery and upload URLs, such as https://img.example.com; the request's own host
	Folder    string        // where uploads wait until they are whole; the system's temporary folder
	MaxBytes  int64         // largest upload; 10 MiB (contract 5)
	Variants  int           // variants an account may have; 100 (contract 5)
	Uploads   int           // uploads received at once; 64
	Patience  time.Duration // for one upload to arrive; 2 minutes
	// Strict refuses what Cloudflare refuses although it would do no harm here:
	// images with an id of their own that require signed URLs (R-private).
	Strict bool
	// Leaving is as of the image listener; nil: never.
	Leaving func() bool
	Now     func() time.Time // time.Now
	// Follow says by what a call is followed, that came with these fields of W3C Trace
	// Context; nil = by nothing, as is every call without Follow.
	Follow func(traceparent, tracestate string) *trail.Trail
	// Report is told of every finished call, once; nil is nobody.
	Report func(Report)
}

// Report is one finished call, for the log and the metrics.
type Report struct {
	Method, Host, Path string     // Path has no query
	Client             netip.Addr // of the peer
	Status             int
	Code               int    // of the error; 0 = none
	Grant              string // id of the API token; "" = none was valid
	Bytes              int
	Start              time.Time
	Took               time.Duration
	Err                error        // with its private cause, for the log
	Secure             bool         // it came by https
	Trail              *trail.Trail // nil = nobody followed it
}

// API answers management calls. It is safe for concurrent use.
type API struct {
	Options
	base     *url.URL      // of PublicURL; nil = the request's own host
	uploads  chan struct{} // as many as may arrive at once
	judging  chan struct{} // as many as are in memory at once
	fetching chan struct{} // likewise, of imports: they wait for somebody else
}

// fetches is how many imports by URL may be under way.
const fetches = 16

// Validate complains of every bound that is none, by its name in the configuration.
func (o *Options) Validate() error {
	var errs []error
	for _, n := range []struct {
		name string
		n    int64
	}{{"max_bytes", o.MaxBytes}, {"variants", int64(o.Variants)}, {"uploads", int64(o.Uploads)}} {
		if n.n < 0 {
			errs = append(errs, fmt.Errorf("%s: expected 0 or more, received %d", n.name, n.n))
		}
	}
	if o.Patience < 0 {
		errs = append(errs, fmt.Errorf("upload_timeout: expected a duration of 0 or more, received %v", o.Patience))
	}
	if _, err := o.base(); err != nil {
		errs = append(errs, fmt.Errorf("public_url: %w", err))
	}
	return errors.Join(errs...)
}

// base reads PublicURL; nil: there is none.
func (o *Options) base() (*url.URL, error) {
	if o.PublicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("expected a URL such as https://img.example.com, received %q", o.PublicURL)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// New checks o and returns an API over it.
func New(o Options) (*API, error) {
	switch {
	case o.Library == nil || o.Catalog == nil:
		return nil, errors.New("expected a Library and a Catalog")
	case o.Inspect == nil || o.Fetch == nil:
		return nil, errors.New("expected Inspect and Fetch")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 20
	}
	if o.Variants == 0 {
		o.Variants = 100
	}
	if o.Uploads == 0 {
		o.Uploads = 64
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(Report) {}
	}
	a := &API{Options: o, uploads: make(chan struct{}, o.Uploads), judging: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), fetching: make(chan struct{}, fetches)}
	var err error
	if a.base, err = o.base(); err != nil {
		return nil, err
	}
	return a, nil
}
