package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/token"
)

// manner is how requests are answered: what a reload replaces as a whole.
type manner struct {
	at       *hosts
	policy   negotiate.Policy
	life     proxy.Life
	ring     *token.Ring
	tokens   *token.Verifier
	drain    time.Duration
	shutdown time.Duration
	stop     context.CancelFunc // of what run began
}

// run keeps the public keys fresh until ctx ends, or stop is called.
func (m *manner) run(ctx context.Context) {
	ctx, m.stop = context.WithCancel(ctx)
	go m.ring.Run(ctx)
}

// newManner reads the knobs of a manner. Its error joins all complaints.
func newManner(ctx context.Context, settings config.Config, log *slog.Logger, now func() time.Time) (*manner, error) {
	var complaints complaints
	m := &manner{
		drain: settings.Drain, shutdown: settings.Shutdown,
		policy: negotiate.Policy{AVIFAuto: settings.Formats.AVIFAuto, AVIFExplicit: settings.Formats.AVIFExplicit, WebP: settings.Formats.WebP},
	}
	complaints.add("formats.", m.policy.Validate())
	c := settings.Cache
	m.life = proxy.Life{Browser: c.Browser, Revalidate: c.Revalidate, Edge: c.Edge, RemoteMinimum: c.RemoteMin, Grace: c.Grace}
	complaints.add("cache.", m.life.Validate())
	at, wrong := newHosts(settings)
	m.at = at
	complaints.add("", errors.Join(wrong...))
	var err error
	m.ring, err = newRing(ctx, settings.Tokens, log)
	complaints.add("tokens.", err)
	m.tokens, err = token.New(token.Options{
		Public: m.ring, Leeway: settings.Tokens.Leeway, Bearer: settings.Tokens.Bearer, Cookie: settings.Tokens.Cookie,
		SignedOptions: settings.Tokens.SignedOptions, Remember: settings.Tokens.Remember, Now: now,
	})
	complaints.add("tokens.", err)
	return m, errors.Join(complaints...)
}

// proxyOptions are those of a Proxy in the manner m. Rooms that are not built yet
// are left out.
func (a *app) proxyOptions(settings config.Config, m *manner) proxy.Options {
	o := proxy.Options{
		Hosts: m.at.own, Policy: m.policy, Life: m.life, Tokens: m.tokens, Upgrades: a.tail.Upgrades, Shadow: a.tail.Shadow, Rules: a.tail.Rules, Debug: a.tail.Debug,
		Catalog: a.catalog, Cache: a.cache, Engine: a.engine, Sources: settings.Engine.Sources,
		AVIF: proxy.AVIF(settings.Engine.AVIF), AVIFPatience: settings.Engine.AVIFPatience, Reencode: proxy.Reencode(settings.Engine.Reencode),
		Version: version, Report: a.report,
	}
	if a.tracer != nil {
		o.Follow = a.tracer.Follow
	}
	if a.web != nil {
		o.Web = a.web
		m.at.behind(a.web.Forward)
	}
	o.Host = m.at.all
	if a.library != nil {
		a.hosted(&o)
	}
	return o
}

// reload takes over what load reads, as a whole or not at all. Requests that have
// begun end as they began. What the new manner needs runs until waits ends.
func (a *app) reload(ctx, waits context.Context, load func() (config.Config, error)) error {
	settings, err := load()
	if err != nil {
		return err
	}
	var complaints complaints
	for _, key := range config.Fixed(&a.settings, &settings) {
		complaints.add(key+": ", errors.New("expected what it was at the start, received another value; it takes a restart"))
	}
	next, err := newManner(ctx, settings, a.log.Logger, a.now)
	complaints.add("", err)
	certificate, err := newCertificate(settings.TLS)
	complaints.add("tls.", err)
	if !maps.EqualFunc(next.at.zones, a.zones, func(x, y *url.URL) bool { return text(x) == text(y) }) {
		complaints.add("hosts: ", errors.New("expected the zones and websites of the start, received others; it takes a restart"))
	}
	if (len(next.at.forwarding) > 0) != (len(a.manner.at.forwarding) > 0) {
		complaints.add("origins.forward: ", errors.New("expected what it was at the start, received another value; it takes a restart"))
	}
	options := a.proxyOptions(settings, next)
	complaints.add("engine.", options.Validate())
	complaints.add("log.", checkLog(settings.Log))
	complaints.add("traces.", samplingOf(settings.Traces).Validate())
	if len(complaints) > 0 {
		return errors.Join(complaints...)
	}
	// Keys that come from elsewhere are there before they are asked for.
	patience, cancel := context.WithTimeout(ctx, 2*keyWait)
	defer cancel()
	if err := next.ring.Refresh(patience); err != nil {
		return fmt.Errorf("tokens.keys: %w", err)
	}
	p, err := a.current.Load().Renew(options)
	if err != nil {
		return err
	}
	if err := a.log.Set(settings.Log.Level, settings.Log.Format); err != nil {
		return fmt.Errorf("log.%w", err)
	}
	common := config.Fingerprint(&settings)
	a.fingerprint.Store(&common)
	a.telemetry.SetLines(linesOf(settings.Log))
	a.tracer.Tune(samplingOf(settings.Traces))
	a.at.Store(next.at)
	a.current.Store(p)
	if a.certificate != nil {
		a.certificate.take(certificate)
	}
	next.run(waits)
	a.manner.stop()
	a.manner = next
	return nil
}

// takeOver is reload for who only reads the log.
func (a *app) takeOver(ctx, waits context.Context, load func() (config.Config, error)) {
	err := a.reload(ctx, waits, load)
	if err == nil {
		a.reloads[1].Add(1)
		a.log.Info("configuration reloaded")
		return
	}
	a.reloads[0].Add(1)
	for _, c := range config.Complaints(err) {
		a.log.Error("configuration not reloaded: the old one stays in force", "key", c.Key, "error", c.What, "where", c.Where)
	}
}
