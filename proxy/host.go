package proxy

import (
	"context"
	"net/http"

	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// Host is what may differ by the host that a request names.
type Host struct {
	Name     string // tells explanations whose settings these are; "" = those of all
	Site     params.Site
	Referers Referers
	// AllowOrigin is the value of Access-Control-Allow-Origin on public images; "" sends none.
	AllowOrigin string
	// Behind passes on what is no image's to the website behind; nil: it is not found.
	// What it returns with an error is nil; the door closes the answer's body.
	Behind func(ctx context.Context, f *origin.Forwarded) (*http.Response, error)
}

// passes reports whether anything is passed on to a website behind.
func (p *Proxy) passes() bool {
	for own := range p.Hosts.All() {
		if own.Behind != nil {
			return true
		}
	}
	return p.Behind != nil || p.shadow.Ask != nil
}

// At returns what is in force for a request with this Host header and target.
func (p *Proxy) At(host, target string) *Host {
	if p.Hosts.Empty() {
		return &p.Host
	}
	if own, ok := p.Hosts.Of(params.RequestHost(host, target)); ok {
		return own
	}
	return &p.Host
}
