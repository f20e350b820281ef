package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fovea-images/fovea/api"
	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/disk"
	"github.com/fovea-images/fovea/cache/redis"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/engine/face"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
	"github.com/fovea-images/fovea/token"
)

// app is the whole program, built and not yet listening.
type app struct {
	settings  config.Config
	log       *telemetry.Log
	telemetry *telemetry.Telemetry
	library   *store.Library
	catalog   *store.Catalog
	codecs    []engine.Codec
	engine    *engine.Engine
	cache     *cache.Cache
	disk      *disk.Tier    // nil = none
	shared    *redis.Shared // nil = this node is alone
	web       *web.Origin
	zones     map[string]*url.URL // websites behind
	proxy     *proxy.Proxy
	api       *api.API // nil = switched off
	ring      *token.Ring
	rules     *plugins.Chain     // nil = none
	upstream  *cloudflare.Origin // nil = none
	admin     *operator          // nil = no admin listener
	scratch   string             // folder to remove at the end; "" = none
}

// lookingApp is newApp for commands that only look: where there is no store they
// look at an empty one that leaves nothing behind.
func lookingApp(ctx context.Context, settings config.Config) (*app, error) {
	scratch := ""
	if _, err := os.Stat(settings.Data); errors.Is(err, fs.ErrNotExist) {
		if scratch, err = os.MkdirTemp("", "fovea-*"); err != nil {
			return nil, err
		}
		settings.Data = scratch
	}
	a, err := newApp(ctx, settings, telemetry.NoLog(), time.Now, looking)
	if err != nil {
		return nil, errors.Join(err, removeAll(scratch))
	}
	a.scratch = scratch
	if scratch != "" {
		if _, err := a.ensureAccounts(ctx); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

func removeAll(folder string) error {
	if folder == "" {
		return nil
	}
	return os.RemoveAll(folder)
}

// purpose is what an app is built for: what belongs to one process at a time, only
// the one that serves opens.
type purpose bool

const (
	looking purpose = false
	serving purpose = true
)

// newApp builds every room. Its complaints name the knob that is wrong; there
// is one for each. On an error nothing is left open.
func newApp(ctx context.Context, settings config.Config, log *telemetry.Log, now func() time.Time, to purpose) (_ *app, err error) {
	a := &app{settings: settings, log: log, telemetry: telemetry.New(log, settings.Log.Access)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	at, complaints := newHosts(settings)
	complain := func(key string, err error) {
		if err != nil {
			complaints = append(complaints, fmt.Errorf("%s%w", key, err))
		}
	}
	_, err = telemetry.NewLog(io.Discard, settings.Log.Level, settings.Log.Format)
	complain("log.", err)
	a.codecs, err = codec.Table(codec.Options{Portable: !settings.Engine.NativeEncoders, NativeDecoders: settings.Engine.NativeDecoders})
	complain("engine.native_decoders: ", err)
	faces, err := face.New()
	complain("", err)
	a.ring, err = newRing(ctx, settings.Tokens, log.Logger)
	complain("tokens.keys: ", err)
	tokens, err := token.New(token.Options{
		Public: a.ring, Leeway: settings.Tokens.Leeway, Bearer: settings.Tokens.Bearer, Cookie: settings.Tokens.Cookie,
		SignedOptions: settings.Tokens.SignedOptions, Remember: settings.Tokens.Remember, Now: now,
	})
	complain("tokens.", err)
	a.engine, err = engine.New(engine.Options{
		Codecs: a.codecs, Faces: faces, Workers: settings.Engine.Workers, Queue: settings.Engine.Queue, QueueTimeout: settings.Engine.QueueTimeout,
		Memory: int64(settings.Engine.Memory), Mezzanines: int64(settings.Engine.Mezzanines),
		Limits: engine.Limits{SourceBytes: int64(settings.Origins.MaxBytes), Side: settings.Engine.MaxSide, Pixels: settings.Engine.MaxPixels},
	})
	complain("engine: ", err)
	redirects, err := at.redirects(settings.Origins.Redirects)
	complain("origins.redirects: ", err)
	a.web, err = newWeb(settings.Origins, at.zones, func(address string) bool {
		_, _, hosted := at.all.Site.DeliveryOf(address)
		return hosted
	}, redirects)
	complain("origins.", err)
	a.zones = at.zones
	a.admin, err = newOperator(a, settings.Admin, now)
	complain("admin.", err)
	policy := negotiate.Policy{AVIFAuto: settings.Formats.AVIFAuto, AVIFExplicit: settings.Formats.AVIFExplicit, WebP: settings.Formats.WebP}
	complain("formats.", policy.Validate())
	upgrades := proxy.Upgrades{AtOnce: settings.Origins.Upgrades, Idle: settings.Origins.UpgradeIdle}
	complain("origins.", upgrades.Validate())
	shadow, err := a.newShadow(settings)
	complain("shadow.", err)
	complain("", a.newCache(settings, to))
	if len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	if a.upstream, err = newCloudflare(settings, log.Logger); err != nil {
		return nil, fmt.Errorf("cloudflare.%w", err)
	}
	if err := a.openStore(ctx, settings.Data); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if a.rules, err = newRules(ctx, settings.Rules, compiledRules(settings.Data), log.Logger, now); err != nil {
		return nil, err
	}
	hosted, render := a.hosted(settings.Cloudflare)
	c := settings.Cache
	at.behind(a.web.Forward)
	a.proxy, err = proxy.New(proxy.Options{
		Host: at.all, Hosts: at.own, Catalog: a.catalog, Policy: policy, Cache: a.cache, Engine: a.engine,
		Stored: hosted, Render: render, Web: a.web,
		Life:   proxy.Life{Browser: c.Browser, Revalidate: c.Revalidate, Edge: c.Edge, RemoteMinimum: c.RemoteMin, Grace: c.Grace},
		Tokens: tokens, Sources: settings.Engine.Sources,
		AVIF: proxy.AVIF(settings.Engine.AVIF), AVIFPatience: settings.Engine.AVIFPatience, Reencode: proxy.Reencode(settings.Engine.Reencode),
		Upgrades: upgrades, Shadow: shadow, Version: version, Report: a.report,
		Rules: a.rules, Debug: strings.EqualFold(settings.Log.Level, "debug"),
	})
	if err != nil {
		return nil, fmt.Errorf("engine.%w", err)
	}
	if err := a.newAPI(settings); err != nil {
		return nil, fmt.Errorf("api.%w", err)
	}
	a.measure()
	a.measureTiers()
	a.measureRules()
	return a, nil
}

// newRewrites reads rules such as "/images/* => /cdn-cgi/imagedelivery/<hash>/$1".
func newRewrites(rules []string) ([]params.Rewrite, error) {
	var all []params.Rewrite
	for _, rule := range rules {
		from, to, ok := strings.Cut(rule, "=>")
		if !ok {
			return nil, fmt.Errorf("expected FROM => TO, received %q", rule)
		}
		rewrite, err := params.ParseRewrite(strings.TrimSpace(from), strings.TrimSpace(to))
		if err != nil {
			return nil, err
		}
		all = append(all, rewrite)
	}
	return all, nil
}

// checkHash says whether an account may have this hash.
func checkHash(hash string) error {
	if !params.ValidVariantName(hash) {
		return fmt.Errorf("expected letters, digits, '-' and '_', received %q", hash)
	}
	return nil
}

func lower(list []string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = strings.ToLower(s)
	}
	return all
}

func newWeb(o config.Origins, zones map[string]*url.URL, unkept, redirects func(address string) bool) (*web.Origin, error) {
	options := web.Options{Zones: zones, Redirects: redirects, MaxBytes: int64(o.MaxBytes), Keep: int64(o.Keep), Unkept: unkept, PerHost: o.PerHost, Timeout: o.Timeout, Version: version}
	for _, text := range o.AllowPrivate {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("allow_private: expected a network such as 10.1.0.0/16, received %q", text)
		}
		options.AllowPrivate = append(options.AllowPrivate, network)
	}
	return web.New(options)
}

func (a *app) openStore(ctx context.Context, folder string) error {
	names, err := sqldb.Open(ctx, filepath.Join(folder, namesFile))
	if err != nil {
		return err
	}
	a.library = &store.Library{Names: names, Forget: a.forget}
	options := store.CatalogOptions{Vouched: a.vouched()}
	if a.upstream != nil {
		options.Elsewhere = a.upstream
	}
	a.catalog = store.NewCatalog(names, options)
	a.library.Left = func(ref store.BlobRef, err error) {
		a.log.Warn("bytes without an image are left to the sweep", "bytes", ref, "error", err)
	}
	a.library.Blobs, err = fsblob.Open(filepath.Join(folder, "blobs"))
	return err
}

// newAPI builds the management wing, if it is wanted.
func (a *app) newAPI(settings config.Config) error {
	c := settings.API
	if !c.Enabled {
		return nil
	}
	waiting := filepath.Join(settings.Data, "uploads")
	if err := os.MkdirAll(waiting, 0o700); err != nil {
		return err
	}
	imports := settings.Origins
	imports.MaxBytes, imports.Keep = c.MaxBytes, 0
	from, err := newWeb(imports, nil, nil, nil)
	if err != nil {
		return err
	}
	a.api, err = api.New(api.Options{
		Library: a.library, Catalog: a.catalog, Inspect: a.inspect,
		Fetch: func(ctx context.Context, u *url.URL) ([]byte, error) {
			got, err := from.Get(ctx, u.String())
			return got.Body, err
		},
		PublicURL: c.PublicURL, Folder: waiting, MaxBytes: int64(c.MaxBytes), Variants: c.Variants,
		Uploads: c.Uploads, Patience: c.UploadTimeout, Strict: c.Strict, Report: a.reportCall,
	})
	return err
}

// inspect fills in what the header of body says of img.
func (a *app) inspect(body []byte, img *store.Image) error {
	info, err := a.engine.Probe(body)
	img.Media, img.Size, img.Orientation, img.Frames, img.Alpha = info.Media, info.Size, info.Orientation, info.Frames, info.Alpha
	return err
}

// forget makes a change to the store true for everybody: first for those who
// look up, then for those who hit the cache.
func (a *app) forget(tags ...string) {
	a.catalog.Forget(tags...)
	a.cache.Purge(tags...)
}

// close closes what newApp opened, once nobody is served any more.
func (a *app) close() error {
	var err error
	a.telemetry.Flush()
	if a.admin != nil {
		err = a.admin.close()
	}
	if a.cache != nil {
		err = errors.Join(err, a.cache.Close())
	}
	if a.library != nil {
		err = errors.Join(err, a.library.Names.Close())
	}
	if a.rules != nil {
		err = errors.Join(err, a.rules.Close())
	}
	return errors.Join(err, removeAll(a.scratch))
}

// ensureAccounts makes the accounts that the configuration names, if they are not
// there, and returns the one outside of hosts.
func (a *app) ensureAccounts(ctx context.Context) (store.Account, error) {
	for i, own := range a.settings.Hosts {
		if own.Account == nil || *own.Account == a.settings.Account {
			continue
		}
		if _, err := a.library.EnsureAccount(ctx, *own.Account, a.settings.Flexible); err != nil {
			return store.Account{}, fmt.Errorf("hosts[%d].account: %w", i, err)
		}
	}
	return a.library.EnsureAccount(ctx, a.settings.Account, a.settings.Flexible)
}

// open makes the store ready to be served and returns what to say at the start.
func (a *app) open(ctx context.Context, address string) (string, error) {
	account, err := a.ensureAccounts(ctx)
	if err != nil {
		return "", fmt.Errorf("account: %w", err)
	}
	if a.settings.Demo {
		if err := a.addDemo(ctx, account); err != nil {
			return "", fmt.Errorf("demo: %w", err)
		}
	}
	return a.greeting(ctx, address, account)
}

// server is what both doors are.
type server interface {
	Serve(listener net.Listener) error
	ShutdownWithContext(ctx context.Context) error
}

// serve listens until ctx ends and then lets running answers finish.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	waits, stop := context.WithCancel(context.WithoutCancel(ctx)) // answers outlive the signal
	defer stop()
	h := a.settings.HTTP
	options := proxy.ServerOptions{
		ReadTimeout: h.ReadTimeout, WriteTimeout: h.WriteTimeout, IdleTimeout: h.IdleTimeout,
		HeaderBytes: int(h.HeaderBytes), Concurrency: h.Connections, PerIP: h.PerIP,
	}
	var servers []server
	var listeners []net.Listener
	if a.api != nil {
		options.Other = a.api.Handle
	}
	if a.api != nil && a.settings.API.Listen != "" {
		options.Other = a.api.HandleUploads
		own, err := listen(ctx, a.settings.API.Listen)
		if err != nil {
			return errors.Join(fmt.Errorf("api.listen: %w", err), listener.Close())
		}
		servers, listeners = append(servers, a.api.NewServer(waits)), append(listeners, own)
		a.log.Info("management API", "address", "http://"+own.Addr().String())
	}
	servers, listeners = append(servers, proxy.NewServer(waits, a.proxy, options)), append(listeners, listener)
	if a.admin != nil {
		own, err := a.admin.server(waits)
		if err != nil {
			return errors.Join(fmt.Errorf("admin.%w", err), listener.Close())
		}
		servers, listeners = append(servers, own), append(listeners, a.admin.listener)
		go a.admin.watch(waits)
	}
	failed := make(chan error, len(servers))
	for i := range servers {
		go func() { failed <- servers[i].Serve(listeners[i]) }()
	}
	go a.sweep(waits)
	if a.shared != nil {
		go a.shared.Run(waits)
	}
	go a.warm(waits)
	go a.telemetry.Run(waits)
	go a.ring.Run(waits)
	go a.watch(waits)
	if a.upstream != nil {
		go a.upstream.Run(waits, a.settings.Cloudflare.Remember, func() { a.catalog.Forget(params.AccountTag(a.settings.Account)) })
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.log.Info("stopping", "patience", a.settings.Shutdown)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.settings.Shutdown)
	defer cancel()
	var errs []error
	for _, s := range servers {
		if err := s.ShutdownWithContext(patience); err != nil {
			errs = append(errs, fmt.Errorf("stopped before all answers were finished: %w", err))
		}
	}
	return errors.Join(errs...)
}

// warm compiles the codecs that need it. That leaves more garbage than a server that
// idles would collect for minutes, so it is given back at once.
func (a *app) warm(ctx context.Context) {
	codec.Warm(ctx, a.codecs)
	debug.FreeOSMemory()
}

// ready reports whether images can be looked up.
func (a *app) ready(ctx context.Context) error {
	if a.shared != nil && !a.shared.Vouched() {
		return errors.New("redis: expected to have heard of what other nodes purged, received nothing yet")
	}
	_, err := a.library.Names.Accounts(ctx)
	return err
}

// sweep removes what has expired, every ten minutes, and bytes that a crash left
// without a name, and purged entries, every six hours: for those it looks at all.
func (a *app) sweep(ctx context.Context) {
	const pause, rounds = 10 * time.Minute, 36
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 0; ; n++ {
		removed := 0
		err := a.library.Expire(ctx, time.Now())
		if err == nil && n%rounds == 0 {
			removed, err = a.library.Sweep(ctx, time.Now(), time.Hour)
			purged, failed := a.cache.Sweep(ctx)
			removed, err = removed+purged, errors.Join(err, failed)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			a.log.Error("sweep", "error", err)
		case removed > 0:
			a.log.Info("sweep", "removed", removed)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report tells telemetry of a finished request.
func (a *app) report(r proxy.Report) {
	kind := r.Kind.String()
	if r.Ruled {
		kind = "rule"
	}
	a.telemetry.Finished(&telemetry.Request{
		Method: r.Method, Host: r.Host, Path: r.Path, Client: r.Client, Status: r.Status, Code: r.Code,
		Kind: kind, Outcome: r.Outcome.String(), Failure: r.Failure, Type: r.Type, Verdict: r.Verdict.String(),
		Bytes: r.Bytes, Source: r.Source, At: r.Start.Add(r.Took), Took: r.Took, Err: r.Err, Rewritten: r.Rewritten, ID: r.ID,
	})
}

// reportCall tells telemetry of a finished management call.
func (a *app) reportCall(r api.Report) {
	failure := ""
	if r.Err != nil {
		failure = "refused"
		if r.Status >= 500 {
			failure = "internal"
		}
	}
	a.telemetry.Finished(&telemetry.Request{
		Method: r.Method, Host: r.Host, Path: r.Path, Client: r.Client, Status: r.Status, Code: r.Code,
		Kind: "api", Outcome: "call", Failure: failure, Type: "application/json", Grant: r.Grant, Bytes: r.Bytes, At: r.Start.Add(r.Took), Took: r.Took, Err: r.Err,
	})
}

// measure registers what the rooms count.
func (a *app) measure() {
	counters := map[string]struct {
		help string
		read func() float64
	}{
		"fovea_cache_fills_total":            {"Cache fills begun.", func() float64 { return float64(a.cache.Stats().Fills) }},
		"fovea_cache_refills_total":          {"Background refills of stale entries.", func() float64 { return float64(a.cache.Stats().Refills) }},
		"fovea_cache_coalesced_total":        {"Requests that joined another one's fill.", func() float64 { return float64(a.cache.Stats().Joins) }},
		"fovea_cache_purges_total":           {"Purges.", func() float64 { return float64(a.cache.Stats().Purges) }},
		"fovea_engine_decodes_total":         {"Source pictures decoded.", func() float64 { return float64(a.engine.Stats().Decodes) }},
		"fovea_engine_mezzanines_made_total": {"Sources decoded to make several sizes from.", func() float64 { return float64(a.engine.Stats().Mezzanines[engine.Made]) }},
		"fovea_engine_mezzanines_used_total": {"Pictures made without decoding their source again.", func() float64 {
			used := a.engine.Stats().Mezzanines
			return float64(used[engine.Kept] + used[engine.Joined])
		}},
		"fovea_engine_shed_total": {"Transforms refused for want of capacity.", func() float64 { return float64(a.engine.Stats().Shed) }},
	}
	for name, c := range counters {
		a.telemetry.Counter(name, c.help, c.read)
	}
	a.telemetry.Gauge("fovea_cache_bytes", "Bytes held in memory.", func() float64 { return float64(a.cache.Stats().Tier.Bytes) })
	a.telemetry.Gauge("fovea_engine_mezzanine_bytes", "Bytes of decoded sources kept in memory.", func() float64 { return float64(a.engine.Stats().MezzanineBytes) })
	a.telemetry.Gauge("fovea_engine_held_bytes", "Bytes that running transforms are estimated to hold.", func() float64 { return float64(a.engine.Stats().Held) })
	a.telemetry.Gauge("fovea_upgraded_connections", "Connections to the websites behind that have left HTTP.", func() float64 { return float64(a.proxy.Upgraded()) })
	a.telemetry.Gauge("fovea_engine_running", "Transforms running now.", func() float64 { return float64(a.engine.Stats().Running) })
	a.telemetry.Gauge("fovea_engine_queued", "Transforms waiting now.", func() float64 { return float64(a.engine.Stats().Queued) })
}
