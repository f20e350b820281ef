package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
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
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
)

// app is the whole program, built and not yet listening.
type app struct {
	settings  config.Config
	log       *telemetry.Log
	telemetry *telemetry.Telemetry
	tracer    *telemetry.Tracer // nil = there is none
	library   *store.Library
	catalog   *store.Catalog
	s3        *bucket // nil = bytes are files
	codecs    []engine.Codec
	engine    *engine.Engine
	cache     *cache.Cache
	disk      *disk.Tier    // nil = none
	shared    *redis.Shared // nil = this node is alone
	database  *sqldb.DB     // that nodes share; nil = the store's own
	web       *web.Origin
	zones     map[string]*url.URL // websites behind
	rules     *plugins.Chain      // nil = none
	api       *api.API            // nil = switched off
	upstream  upstreams
	order     store.Order
	admin     *operator // nil = no admin listener
	scratch   string    // folder to remove at the end; "" = none
	now       func() time.Time

	tail proxy.Options // what of them stays as it was at the start

	// What a reload changes; settings stay those of the start.
	at          atomic.Pointer[hosts]
	current     atomic.Pointer[proxy.Proxy]
	reloads     [2]atomic.Uint64 // refused, done
	manner      *manner          // of those who serve: only the goroutine of serve touches it
	certificate *certificate     // nil = plain http
	leaving     atomic.Bool      // it is about to stop

	address     string // of the image listener, once serve has it
	started     time.Time
	fingerprint atomic.Pointer[map[string]string] // of the settings in force
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
	if errors.Is(err, sqldb.ErrEmpty) && scratch != "" {
		settings.Store.Database = ""
		a, err = newApp(ctx, settings, telemetry.NoLog(), time.Now, looking)
	}
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
// the one that serves opens; one that looks makes nothing in a database of others.
type purpose uint8

const (
	looking purpose = iota
	working
	serving
)

// newApp builds every room. Its error joins all complaints; each begins with the
// knob that is wrong. On an error nothing is left open.
func newApp(ctx context.Context, settings config.Config, log *telemetry.Log, now func() time.Time, to purpose) (_ *app, err error) {
	a := &app{settings: settings, log: log, now: now}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	var complaints complaints
	complaints.add("log.", checkLog(settings.Log))
	a.tracer, err = newTracer(ctx, settings.Traces, log.Logger, now)
	complaints.add("traces.", err)
	a.telemetry = telemetry.New(log, linesOf(settings.Log), a.tracer)
	complaints.add("", checkAddresses(settings))
	a.certificate, err = newCertificate(settings.TLS)
	complaints.add("tls.", err)
	a.codecs, err = codec.Table(codec.Options{Portable: !settings.Engine.NativeEncoders, NativeDecoders: settings.Engine.NativeDecoders})
	complaints.add("engine.native_decoders: ", err)
	faces, err := face.New()
	complaints.add("", err)
	a.manner, err = newManner(ctx, settings, log.Logger, now)
	complaints.add("", err)
	a.at.Store(a.manner.at)
	a.started = now()
	common := config.Fingerprint(&settings)
	a.fingerprint.Store(&common)
	a.engine, err = engine.New(engine.Options{
		Codecs: a.codecs, Faces: faces, Workers: settings.Engine.Workers, Queue: settings.Engine.Queue, QueueTimeout: settings.Engine.QueueTimeout,
		Memory: int64(settings.Engine.Memory), Mezzanines: int64(settings.Engine.Mezzanines),
		Limits: engine.Limits{SourceBytes: int64(settings.Origins.MaxBytes), Side: settings.Engine.MaxSide, Pixels: settings.Engine.MaxPixels},
	})
	complaints.add("engine.", err)
	redirects, err := a.manner.at.redirects(settings.Origins.Redirects)
	complaints.add("origins.redirects: ", err)
	if redirects != nil {
		redirects = func(address string) bool {
			allowed, err := a.at.Load().redirects(settings.Origins.Redirects)
			return err == nil && allowed(address)
		}
	}
	traced, err := newTraced(settings.Traces.Propagate)
	complaints.add("traces.propagate: ", err)
	a.zones = a.manner.at.zones
	a.web, err = newWeb(settings.Origins, a.zones, func(address string) bool {
		_, _, _, hosted := a.at.Load().all.Site.DeliveryOf(address)
		return hosted
	}, redirects, traced)
	complaints.add("origins.", err)
	a.admin, err = newOperator(a, settings.Admin, now)
	complaints.add("admin.", err)
	upgrades := proxy.Upgrades{AtOnce: settings.Origins.Upgrades, Idle: settings.Origins.UpgradeIdle}
	complaints.add("origins.", upgrades.Validate())
	shadow, err := a.newShadow(settings)
	complaints.add("shadow.", err)
	a.tail = proxy.Options{Upgrades: upgrades, Shadow: shadow}
	complaints.add("http.", a.serverOptions().Validate())
	complaints.add("", a.newCache(settings, to))
	complaints.add("store.", a.newBytes(settings))
	complaints.add("store.", checkNames(settings.Store))
	a.upstream, err = newUpstreams(settings, log.Logger)
	if complaints.add("", err); err == nil {
		a.order, err = a.upstream.newOrder(settings.Origins.Order)
		complaints.add("origins.order: ", err)
	}
	management, later := a.apiOptions(settings.API), a.proxyOptions(settings, a.manner)
	complaints.add("api.", management.Validate())
	complaints.add("engine.", later.Validate())
	if len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	if err := a.openStore(ctx, settings.Data, to); err != nil {
		return nil, err
	}
	if a.rules, err = newRules(ctx, settings.Rules, compiledRules(settings.Data), log.Logger, now); err != nil {
		return nil, err
	}
	a.tail.Rules, a.tail.Debug = a.rules, strings.EqualFold(settings.Log.Level, "debug")
	first, err := proxy.New(a.proxyOptions(settings, a.manner))
	if err != nil {
		return nil, err
	}
	a.current.Store(first)
	if err := a.newAPI(settings); err != nil {
		return nil, fmt.Errorf("api.%w", err)
	}
	a.measure()
	a.measureWork()
	a.measureTiers()
	a.measureBytes()
	a.measureNames()
	a.measureRules()
	return a, nil
}

// complaints gathers what is wrong.
type complaints []error

// add puts the section or the knob before each of err.
func (c *complaints) add(key string, err error) {
	for _, one := range config.Flat(err) {
		one = fmt.Errorf("%s%w", key, one)
		if !slices.ContainsFunc(*c, func(known error) bool { return known.Error() == one.Error() }) {
			*c = append(*c, one)
		}
	}
}

// checkAddresses judges the addresses of all listeners.
func checkAddresses(settings config.Config) error {
	var all complaints
	for _, l := range []struct {
		key, address string
		optional     bool
	}{{"listen: ", settings.Listen, false}, {"api.listen: ", settings.API.Listen, true}, {"admin.listen: ", settings.Admin.Listen, true}} {
		if l.optional && l.address == "" {
			continue
		}
		_, port, err := net.SplitHostPort(l.address)
		if err == nil {
			_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port)
		}
		if err != nil {
			all.add(l.key, fmt.Errorf("expected host:port such as 127.0.0.1:8080 or :8080, received %q", l.address))
		}
	}
	return errors.Join(all...)
}

// newRewrites reads rules such as "/images/* => /cdn-cgi/imagedelivery/<hash>/$1".
func newRewrites(rules []string) ([]params.Rewrite, error) {
	var all []params.Rewrite
	var complaints complaints
	for _, rule := range rules {
		from, to, ok := strings.Cut(rule, "=>")
		if !ok {
			complaints.add("", fmt.Errorf("expected FROM => TO, received %q", rule))
			continue
		}
		rewrite, err := params.ParseRewrite(strings.TrimSpace(from), strings.TrimSpace(to))
		complaints.add("", err)
		all = append(all, rewrite)
	}
	return all, errors.Join(complaints...)
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

func newWeb(o config.Origins, zones map[string]*url.URL, unkept, redirects, traced func(address string) bool) (*web.Origin, error) {
	var complaints complaints
	options := web.Options{Zones: zones, Redirects: redirects, Traced: traced, MaxBytes: int64(o.MaxBytes), Keep: int64(o.Keep), Unkept: unkept, PerHost: o.PerHost, Timeout: o.Timeout, Version: version}
	for _, text := range o.AllowPrivate {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			complaints.add("", fmt.Errorf("allow_private: expected a network such as 10.1.0.0/16, received %q", text))
		}
		options.AllowPrivate = append(options.AllowPrivate, network)
	}
	var err error
	options.Buckets, err = originBuckets(o.Buckets)
	complaints.add("", err)
	made, err := web.New(options)
	if complaints.add("", err); len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	return made, nil
}

func (a *app) openStore(ctx context.Context, folder string, to purpose) error {
	names, err := a.openNames(ctx, folder, to)
	if err != nil {
		return err
	}
	a.library = &store.Library{Names: names, Forget: a.forget}
	options := store.CatalogOptions{Vouched: a.vouched()}
	if a.database != nil {
		options.Remember = remembered
	}
	if len(a.upstream) > 0 {
		options.Elsewhere, options.Order, options.Closed = a.upstream, a.order, a.closed
	}
	a.catalog = store.NewCatalog(names, options)
	a.library.Left = func(ref store.BlobRef, err error) {
		a.log.Warn("bytes without an image are left to the sweep", "bytes", ref, "error", err)
	}
	if a.s3 != nil {
		a.library.Blobs = a.s3
		return nil
	}
	if a.library.Blobs, err = fsblob.Open(filepath.Join(folder, blobsFolder)); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
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
	imports.MaxBytes, imports.Keep, imports.Buckets = c.MaxBytes, 0, nil
	from, err := newWeb(imports, nil, nil, nil, nil)
	if err != nil {
		return err
	}
	o := a.apiOptions(c)
	o.Library, o.Catalog, o.Inspect, o.Folder, o.Report = a.library, a.catalog, a.inspect, waiting, a.reportCall
	o.Leaving = a.leaving.Load
	if a.tracer != nil {
		o.Follow = a.tracer.Follow
	}
	o.Fetch = func(ctx context.Context, u *url.URL) ([]byte, error) {
		got, err := from.Get(ctx, u.String())
		return got.Body, err
	}
	a.api, err = api.New(o)
	return err
}

// apiOptions are those that the configuration has.
func (a *app) apiOptions(c config.API) api.Options {
	return api.Options{
		PublicURL: c.PublicURL, MaxBytes: int64(c.MaxBytes), Variants: c.Variants, Uploads: c.Uploads, Patience: c.UploadTimeout, Strict: c.Strict,
	}
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
	if a.telemetry != nil {
		a.telemetry.Flush()
	}
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
	for i, own := range a.settings.Cloudflare.Accounts {
		if own.Account == a.settings.Account {
			continue
		}
		if _, err := a.library.EnsureAccount(ctx, own.Account, a.settings.Flexible); err != nil {
			return store.Account{}, fmt.Errorf("cloudflare.accounts[%d].account: %w", i, err)
		}
	}
	return a.library.EnsureAccount(ctx, a.settings.Account, a.settings.Flexible)
}

// open makes the store ready to be served and returns what to say at the start.
func (a *app) open(ctx context.Context, address string) (string, error) {
	if err := a.reachBytes(ctx); err != nil {
		return "", err
	}
	account, err := a.ensureAccounts(ctx)
	if err != nil {
		return "", fmt.Errorf("account: %w", err)
	}
	if a.settings.Demo && a.order != store.ElsewhereOnly {
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

func (a *app) serverOptions() proxy.ServerOptions {
	h := a.settings.HTTP
	return proxy.ServerOptions{
		ReadTimeout: h.ReadTimeout, WriteTimeout: h.WriteTimeout, IdleTimeout: h.IdleTimeout,
		HeaderBytes: int(h.HeaderBytes), Concurrency: h.Connections, PerIP: h.PerIP, Leaving: a.leaving.Load,
	}
}

// scheme begins the URLs of the listeners that strangers reach.
func (a *app) scheme() string {
	if a.certificate != nil {
		return "https://"
	}
	return "http://"
}

// serve listens until ctx ends and then lets running answers finish. Whenever again
// says something, it takes over what load reads.
func (a *app) serve(ctx context.Context, listener net.Listener, again <-chan os.Signal, load func() (config.Config, error)) error {
	waits, stop := context.WithCancel(context.WithoutCancel(ctx)) // answers outlive the signal
	defer stop()
	options := a.serverOptions()
	a.address = listener.Addr().String()
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
		servers, listeners = append(servers, a.api.NewServer(waits)), append(listeners, a.certificate.guard(own))
		a.log.Info("management API", "address", a.scheme()+own.Addr().String())
	}
	servers, listeners = append(servers, proxy.NewServer(waits, a.current.Load, options)), append(listeners, a.certificate.guard(listener))
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
		defer a.announce(waits, stop)()
	}
	if a.database != nil {
		go a.database.Listen(waits, a.told)
	}
	go a.warm(waits)
	go a.telemetry.Run(waits)
	go a.tracer.Run()
	go a.certificate.run(waits, time.Minute, a.log.Logger)
	a.manner.run(waits)
	go a.watch(waits)
	for hash, u := range a.upstream {
		go u.Run(waits, u.Remember, func() { a.catalog.Forget(params.AccountTag(hash)) })
	}
	for running := true; running; {
		select {
		case err := <-failed:
			a.tracer.Close(ctx)
			return err
		case <-again:
			a.takeOver(ctx, waits, load)
		case <-ctx.Done():
			running = false
		}
	}
	if err := a.drain(failed); err != nil {
		a.tracer.Close(ctx)
		return err
	}
	a.log.Info("stopping", "patience", a.manner.shutdown)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.manner.shutdown)
	defer cancel()
	var errs []error
	for _, s := range servers {
		if err := s.ShutdownWithContext(patience); err != nil {
			errs = append(errs, fmt.Errorf("stopped before all answers were finished: %w", err))
		}
	}
	a.tracer.Close(patience)
	return errors.Join(errs...)
}

// warm compiles the codecs that need it. That leaves more garbage than a server that
// idles would collect for minutes, so it is given back at once.
func (a *app) warm(ctx context.Context) {
	codec.Warm(ctx, a.codecs)
	debug.FreeOSMemory()
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
