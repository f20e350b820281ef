package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/proxy"
)

// hosts are the settings that a request finds by its Host header.
type hosts struct {
	all        proxy.Host
	own        params.ByHost[*proxy.Host]
	zones      map[string]*url.URL // websites; nil = a zone without one
	forwarding []*proxy.Host       // pass on what is no image's
}

// newHosts reads them. Its complaints name the knobs.
func newHosts(settings config.Config) (*hosts, []error) {
	h := &hosts{zones: map[string]*url.URL{}}
	all, complaints := newHost(settings)
	h.all = all
	if settings.Origins.Forward {
		h.forwarding = append(h.forwarding, &h.all)
	}
	site, err := parseSite(settings.Origins.Site)
	if err != nil {
		complaints = append(complaints, fmt.Errorf("origins.%w", err))
	}
	h.zones[all.Site.Zone] = site
	told := map[string]bool{}
	for _, complaint := range complaints {
		told[complaint.Error()] = true
	}
	var owns []*proxy.Host
	for i, o := range settings.Hosts {
		own, wrong := h.add(settings, o)
		for _, complaint := range wrong {
			if !told[complaint.Error()] { // what it inherits has been complained of
				complaints = append(complaints, fmt.Errorf("hosts[%d].%w", i, complaint))
			}
		}
		owns = append(owns, own)
	}
	delivery, err := deliveryOf(settings)
	if err != nil {
		complaints = append(complaints, fmt.Errorf("delivery_hosts: %w", err))
	}
	for _, own := range append(owns, &h.all) {
		own.Site.Delivery = delivery
	}
	return h, complaints
}

// add keeps the settings of one member of the list.
func (h *hosts) add(settings config.Config, o config.Host) (*proxy.Host, []error) {
	merged := config.Over(settings, o)
	if len(o.Names) > 0 && o.Zone == nil && o.Origins.Site != nil {
		merged.Zone = strings.TrimPrefix(o.Names[0], "*.")
	}
	own, complaints := newHost(merged)
	if merged.Origins.Forward {
		h.forwarding = append(h.forwarding, &own)
	}
	if o.Account != nil {
		own.Site.Account = *o.Account
	}
	if len(o.Names) == 0 {
		complaints = append(complaints, errors.New("names: expected at least one host"))
	}
	for _, name := range o.Names {
		if err := h.own.Add(name, &own); err != nil {
			complaints = append(complaints, fmt.Errorf("names: %w", err))
		}
	}
	own.Name = strings.Join(o.Names, ", ")
	site, err := parseSite(merged.Origins.Site)
	if err != nil {
		return &own, append(complaints, fmt.Errorf("origins.%w", err))
	}
	// A zone is one website: what is kept is named by the zone.
	if other, taken := h.zones[own.Site.Zone]; taken && text(other) != text(site) {
		complaints = append(complaints, fmt.Errorf("zone: expected a zone of its own for %q, received %q, whose website is %q", text(site), own.Site.Zone, text(other)))
	}
	h.zones[own.Site.Zone] = site
	return &own, complaints
}

func text(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// newHost reads what may differ by host.
func newHost(settings config.Config) (at proxy.Host, complaints []error) {
	complain := func(key string, err error) {
		if err != nil {
			complaints = append(complaints, fmt.Errorf("%s%w", key, err))
		}
	}
	at.AllowOrigin = settings.CORS
	at.Site = params.Site{Zone: strings.ToLower(settings.Zone), Strict: settings.StrictOptions}
	var err error
	complain("account: ", checkHash(settings.Account))
	at.Site.Origins, err = params.ParseOrigins(settings.Origins.Allowed)
	complain("origins.allowed: ", err)
	complain("origins.allowed: ", checkBuckets(at.Site.Origins.Buckets(), settings.Origins.Buckets))
	at.Site.Rewrites, err = newRewrites(settings.Paths)
	complain("paths: ", err)
	if settings.Origins.Forward && settings.Origins.Site == "" {
		complain("origins.forward: ", errors.New("expected origins.site beside it, the website to pass paths on to, received none"))
	}
	l := settings.Ladder
	at.Site.Ladder, err = params.NewLadder(params.Ladder{Widths: l.Widths, Heights: l.Heights, Qualities: l.Qualities, Options: l.Options, Refuse: l.Refuse})
	complain("flexible.", err)
	at.Referers, err = newReferers(settings.Hotlink)
	complain("hotlink.referers: ", err)
	return at, complaints
}

// behind has every host that passes paths on do so by forward, to its own website.
func (h *hosts) behind(forward func(context.Context, *origin.Forwarded) (*http.Response, error)) {
	for _, at := range h.forwarding {
		zone := at.Site.Zone
		at.Behind = func(ctx context.Context, f *origin.Forwarded) (*http.Response, error) {
			f.Zone = zone
			return forward(ctx, f)
		}
	}
}

// redirects says where a source may lead: nil for anywhere that is public, or where
// some host's list of origins lets one be.
func (h *hosts) redirects(mode string) (func(address string) bool, error) {
	switch mode {
	case "any":
		return nil, nil
	case "allowlist":
	default:
		return nil, fmt.Errorf("expected any or allowlist, received %q", mode)
	}
	sites := []*params.Site{&h.all.Site}
	for own := range h.own.All() {
		sites = append(sites, &own.Site)
	}
	return func(address string) bool {
		source, err := params.ParseURL(address)
		return err == nil && slices.ContainsFunc(sites, func(s *params.Site) bool { return s.Allow(source) == nil })
	}, nil
}

// deliveryOf says which hosts answer the short form of delivery URLs.
func deliveryOf(settings config.Config) (params.ByHost[bool], error) {
	var delivery params.ByHost[bool]
	listed, said := lower(settings.DeliveryHosts), map[string]bool{}
	for _, o := range settings.Hosts {
		for _, name := range o.Names {
			delivers := slices.Contains(listed, strings.ToLower(name))
			if o.Delivery != nil {
				delivers = *o.Delivery
			}
			_ = delivery.Add(name, delivers) // a wrong name has been complained of
			said[strings.ToLower(name)] = true
		}
	}
	for _, name := range listed {
		if said[name] {
			continue
		}
		if err := delivery.Add(name, true); err != nil {
			return delivery, err
		}
	}
	return delivery, nil
}

// parseSite reads the base URL of a website; "" is none.
func parseSite(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("site: expected a URL such as https://www.example.com, received something else")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("site: expected a URL such as https://www.example.com, received %q", u.Redacted())
	}
	return u, nil
}
