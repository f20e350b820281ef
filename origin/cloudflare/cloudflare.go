// Package cloudflare turns a target into its Cloudflare URL and lets the origin it was handed fetch it.
//
// With an API token it also knows what Cloudflare knows of an account: its images,
// variants and signing keys. It is the one room below the doors that speaks
// Cloudflare's error numbers: here they are what an origin answers.
package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// Mode is what is fetched.
type Mode uint8

// The modes.
const (
	Originals   Mode = iota + 1 // the original, by the API; transformed here
	Variant                     // a named variant; transformed here
	Passthrough                 // the finished picture
)

var modes = map[string]Mode{"originals": Originals, "variant": Variant, "passthrough": Passthrough}

// ParseMode reads originals, variant or passthrough.
func ParseMode(text string) (Mode, error) {
	if m, ok := modes[text]; ok {
		return m, nil
	}
	return 0, fmt.Errorf("expected originals, variant or passthrough, received %q", text)
}

// Options are what an Origin is made from. Hash, Mode and Ask are required.
type Options struct {
	Hash     string // of the account, in delivery URLs
	Mode     Mode
	Account  string       // id of the account; needed with Token
	Token    token.Secret // of the API; "" = none
	API      string       // https://api.cloudflare.com/client/v4
	Delivery string       // https://imagedelivery.net
	Variant  string       // what mode Variant fetches; public
	Key      token.Secret // signs what is fetched by a delivery URL; "" = the first one that the API knows, if any
	// Private are the images that need a proof as far as nobody else knows: ids, or
	// folders such as users/*.
	Private  []string
	Remember time.Duration // how long what the API said of an image is believed; 5 minutes
	Images   int           // images remembered; 100,000
	Now      func() time.Time
	// Ask fetches a URL with these header fields, whatever it answers; an error is a
	// *fault.Error.
	Ask func(ctx context.Context, address string, fields map[string]string) (status int, header http.Header, body []byte, err error)
	// Report is told what kept the account from being read; nil = nobody.
	Report func(error)
}

// Origin is an origin.Origin and a store.Directory of one account. It is safe for
// concurrent use.
type Origin struct {
	Options
	paused  atomic.Int64 // Unix seconds until which Cloudflare wants to be left alone
	account atomic.Pointer[account]

	mu        sync.Mutex
	images    map[string]remembered
	turn      uint64 // of who asked last
	forgotten uint64 // that of the last Forget
}

// account is what the API said of the account.
type account struct {
	variants []store.Variant
	keys     []token.Key
}

// New checks o and returns an Origin.
func New(o Options) (*Origin, error) {
	for _, d := range []struct {
		field *string
		value string
	}{{&o.API, "https://api.cloudflare.com/client/v4"}, {&o.Delivery, "https://imagedelivery.net"}, {&o.Variant, store.PublicVariant}} {
		if *d.field == "" {
			*d.field = d.value
		}
		*d.field = strings.TrimSuffix(*d.field, "/")
	}
	var errs []error
	for _, place := range []struct{ name, url string }{{"api", o.API}, {"delivery", o.Delivery}} {
		u, err := url.Parse(place.url)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: expected a URL such as https://imagedelivery.net, received something else", place.name)) // it may hold a password
			continue
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil {
			errs = append(errs, fmt.Errorf("%s: expected a URL such as https://imagedelivery.net, received %q", place.name, u.Redacted()))
		}
	}
	if o.Ask == nil || o.Hash == "" || o.Mode == 0 {
		return nil, errors.New("expected Ask, Hash and Mode")
	}
	if o.Mode == Originals && o.Token == "" {
		errs = append(errs, errors.New("token: expected an API token for mode originals, received none"))
	}
	if (o.Mode == Originals || o.Token != "") && o.Account == "" {
		errs = append(errs, errors.New("account_id: expected the account's id beside its token, received none"))
	}
	if !params.ValidVariantName(o.Variant) {
		errs = append(errs, fmt.Errorf("variant: expected the name of a variant, received %q", o.Variant))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if o.Remember == 0 {
		o.Remember = 5 * time.Minute
	}
	if o.Images == 0 {
		o.Images = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	return &Origin{Options: o, images: map[string]remembered{}}, nil
}

// Fetch implements origin.Origin: the original, or the variant that stands for it.
func (o *Origin) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	if t.Kind != params.Hosted || t.Account != o.Hash {
		return origin.Source{}, errNotHere
	}
	if o.Mode == Originals {
		status, header, body, err := o.call(ctx, "/v1/"+url.PathEscape(t.Image)+"/blob")
		if err == nil {
			err = answered(status, header, body)
		}
		return source(status, header, body, err)
	}
	t.Variant, t.Options = o.Variant, params.Options{}
	return o.deliver(ctx, t, "*/*", "")
}

// Render fetches the finished picture of a target, as a client that accepts these
// media types gets it. signed is a visitor's path and query to pass on as they are,
// for Cloudflare to judge; "" = none.
func (o *Origin) Render(ctx context.Context, t params.Target, accept, signed string) (origin.Source, error) {
	if t.Kind != params.Hosted || t.Account != o.Hash {
		return origin.Source{}, errNotHere
	}
	return o.deliver(ctx, t, accept, signed)
}

// via says who asks, and not that a transform does: Cloudflare would take that for
// a loop.
const via = "1.1 fovea"

const deliveryPrefix = "/cdn-cgi/imagedelivery"

// signatureLife is how long what we sign upstream is good for: one fetch.
const signatureLife = 5 * time.Minute

func (o *Origin) deliver(ctx context.Context, t params.Target, accept, signed string) (origin.Source, error) {
	if err := o.resting(); err != nil {
		return origin.Source{}, err
	}
	path := strings.TrimPrefix(t.String(), deliveryPrefix)
	if signed != "" {
		path = strings.TrimPrefix(signed, deliveryPrefix)
	} else if key := o.key(); key.Value != "" && o.private(t.Image) {
		var err error
		if path, err = token.SignURL(path, key, o.Now().Add(signatureLife)); err != nil {
			return origin.Source{}, err
		}
	}
	status, header, body, err := o.Ask(ctx, o.Delivery+path, map[string]string{"Accept": accept, "Via": via})
	o.heed(status, header)
	return source(status, header, body, err)
}

// key is what signs upstream.
func (o *Origin) key() token.Key {
	if o.Key != "" {
		return token.Key{Name: "configured", Value: o.Key}
	}
	if a := o.account.Load(); a != nil && len(a.keys) > 0 {
		return a.keys[0]
	}
	return token.Key{}
}

// private reports whether an image needs a proof as far as is known here.
func (o *Origin) private(id string) bool {
	o.mu.Lock()
	known, ok := o.images[id]
	o.mu.Unlock()
	if ok && known.err == nil {
		return known.image.RequireSigned
	}
	for _, pattern := range o.Private {
		folder, isFolder := strings.CutSuffix(pattern, "*")
		if pattern == id || isFolder && strings.HasSuffix(folder, "/") && strings.HasPrefix(id, folder) || pattern == "*" {
			return true
		}
	}
	return false
}
