// Package config reads, defaults and documents every knob, and knows nothing of what they turn.
//
// A value comes from the defaults, then the file, then the environment
// (FOVEA_CACHE_MEMORY for cache.memory), then flags; the last one that speaks wins.
// A secret may be named by the file that holds it: token_file for token.
package config

import "time"

// Config is every knob. Rooms check what they are handed: here only the
// spelling is judged.
type Config struct {
	Listen        string        `yaml:"listen" doc:"address of the image listener, host:port"`
	Data          string        `yaml:"data" doc:"folder of the embedded store; made when absent"`
	Account       string        `yaml:"account" doc:"account hash in delivery URLs; made in the store when absent. Put your own here to keep your URLs"`
	Flexible      bool          `yaml:"flexible_variants" doc:"a new account allows options in delivery URLs, not only named variants"`
	Demo          bool          `yaml:"demo" doc:"put the demo pictures into an empty store"`
	Zone          string        `yaml:"zone" doc:"host name whose paths are same-zone sources; empty: the request's own host"`
	DeliveryHosts []string      `yaml:"delivery_hosts" doc:"hosts that also answer /<hash>/<id>/<variant> without /cdn-cgi/imagedelivery"`
	Hosts         []Host        `yaml:"hosts" doc:"hosts with settings of their own; what one leaves out is as it is for all others"`
	Paths         []string      `yaml:"paths" doc:"plain paths for image URLs, such as '/images/* => /cdn-cgi/imagedelivery/<hash>/$1'; the first that fits counts"`
	StrictOptions bool          `yaml:"strict_options" doc:"refuse what would otherwise be ignored with a warning"`
	CORS          string        `yaml:"cors" doc:"Access-Control-Allow-Origin of images; empty sends none"`
	Store         Store         `yaml:"store" doc:"where images are kept"`
	Origins       Origins       `yaml:"origins" doc:"remote sources of /cdn-cgi/image"`
	Cloudflare    Cloudflare    `yaml:"cloudflare" doc:"the account at Cloudflare Images, for images that the store does not have"`
	Shadow        Shadow        `yaml:"shadow" doc:"another service that answers in our place, while we tell how our answers differ"`
	Rules         []Rule        `yaml:"rules" doc:"rule plugins in WebAssembly, in the order in which they see a request: name, module, match, config, on_error, budget, memory, instances, expose. In the file alone"`
	Cache         Cache         `yaml:"cache" doc:"finished answers"`
	Redis         Redis         `yaml:"redis" doc:"what several nodes share: a second cache, and their purges"`
	Engine        Engine        `yaml:"engine" doc:"picture work and its limits"`
	Formats       Formats       `yaml:"formats" doc:"largest outputs by format, longest side in pixels"`
	Tokens        Tokens        `yaml:"tokens" doc:"proofs that open private images, beside Cloudflare's exp and sig, which always do"`
	Ladder        Ladder        `yaml:"flexible" doc:"what options in URLs may ask for; named variants are free of it"`
	Hotlink       Hotlink       `yaml:"hotlink" doc:"which pages may show the images"`
	API           API           `yaml:"api" doc:"the Cloudflare Images management API, for holders of an API token"`
	HTTP          HTTP          `yaml:"http" doc:"what one client may cost"`
	TLS           TLS           `yaml:"tls" doc:"https on the image listener"`
	Admin         Admin         `yaml:"admin" doc:"what operators see and do"`
	Log           Log           `yaml:"log" doc:"log lines, on standard error"`
	Drain         time.Duration `yaml:"drain" doc:"how long requests are still taken at the end, while /readyz says no, so that whoever spreads them over nodes sends them elsewhere; longer than it takes to look"`
	Traces        Traces        `yaml:"traces" doc:"where the time of single requests went, for a collector of OpenTelemetry traces"`
	Shutdown      time.Duration `yaml:"shutdown" doc:"how long running answers may take to finish at the end"`
}

// Host are the knobs that may differ by the Host header. A knob that is not set is the
// one of the same name outside.
type Host struct {
	Names         []string    `yaml:"names" doc:"Host headers that this is for, without ports: host, or *.host, which is the host and all below it; the most exact counts"`
	Account       *string     `yaml:"account" doc:"the only account whose images are delivered on these hosts"`
	Zone          *string     `yaml:"zone" doc:"as zone; the first of names where origins.site is set and this is not"`
	Delivery      *bool       `yaml:"delivery" doc:"these hosts also answer /<hash>/<id>/<variant>; not set: if delivery_hosts has them"`
	Paths         []string    `yaml:"paths" doc:"as paths"`
	StrictOptions *bool       `yaml:"strict_options" doc:"as strict_options"`
	CORS          *string     `yaml:"cors" doc:"as cors"`
	Origins       HostOrigins `yaml:"origins" doc:"as origins"`
	Ladder        HostLadder  `yaml:"flexible" doc:"as flexible"`
	Hotlink       HostHotlink `yaml:"hotlink" doc:"as hotlink"`
}

// HostOrigins are the knobs of Origins that may differ by host.
type HostOrigins struct {
	Forward *bool    `yaml:"forward" doc:"as origins.forward"`
	Site    *string  `yaml:"site" doc:"as origins.site"`
	Allowed []string `yaml:"allowed" doc:"as origins.allowed"`
}

// HostLadder are the knobs of Ladder.
type HostLadder struct {
	Widths    []int    `yaml:"widths" doc:"as flexible.widths"`
	Heights   []int    `yaml:"heights" doc:"as flexible.heights"`
	Qualities []int    `yaml:"qualities" doc:"as flexible.qualities"`
	Options   []string `yaml:"options" doc:"as flexible.options"`
	Refuse    *bool    `yaml:"refuse" doc:"as flexible.refuse"`
}

// HostHotlink are the knobs of Hotlink.
type HostHotlink struct {
	Referers []string `yaml:"referers" doc:"as hotlink.referers"`
	Empty    *bool    `yaml:"allow_empty" doc:"as hotlink.allow_empty"`
}

// Store are the knobs of where images are kept.
type Store struct {
	Bytes       string        `yaml:"bytes" doc:"where the bytes of images are: files, in the data folder, or s3, which several nodes can share"`
	S3          S3            `yaml:"s3" doc:"the bucket, with bytes: s3"`
	Database    Secret        `yaml:"database" doc:"PostgreSQL 14 or newer, postgres://user:password@host:5432/database?sslmode=verify-full; not by a pooler that has sessions share connections. Empty: names.db in the data folder"`
	Connections int           `yaml:"connections" doc:"to the database at once, 2 or more; one more is told of changes"`
	Timeout     time.Duration `yaml:"timeout" doc:"for one question to the database, or one change; what takes longer is answered 503"`
	Trust       time.Duration `yaml:"trust" doc:"while the database does not answer, how long records are believed that other nodes may have changed, 1s or more: so long a picture may be served that was made private or deleted meanwhile, and then nothing is"`
}

// S3 are the knobs of a bucket that images are kept in.
type S3 struct {
	Bucket    string        `yaml:"bucket" doc:"its name; it must be there, and may hold other things beside prefix"`
	Prefix    string        `yaml:"prefix" doc:"begins all keys, such as images/"`
	Endpoint  string        `yaml:"endpoint" doc:"URL of an S3-compatible service, such as https://ACCOUNT.r2.cloudflarestorage.com or http://minio:9000; empty: Amazon's of the region"`
	Region    string        `yaml:"region" doc:"as the service names it; auto for R2"`
	AccessKey string        `yaml:"access_key" doc:"id of an access key that may list, read, write and delete there"`
	SecretKey Secret        `yaml:"secret_key" doc:"its secret"`
	Style     string        `yaml:"style" doc:"where requests name the bucket: path, or host, as Amazon prefers"`
	Timeout   time.Duration `yaml:"timeout" doc:"for a request, further tries included, and a second more for each MiB that is sent; no answer may pause for longer. At most 1m"`
}

// Origins are the knobs of remote sources.
type Origins struct {
	Forward      bool          `yaml:"forward" doc:"pass every path that is no image's on to site, so that this server can stand in front of all of it"`
	Order        []string      `yaml:"order" doc:"where hosted images are looked for: stored and cloudflare, or one of them. The second has what the first does not, or, after cloudflare, cannot say. Empty: stored, then cloudflare if there is one"`
	Site         string        `yaml:"site" doc:"base URL of the website behind, for same-zone paths; empty: none"`
	Allowed      []string      `yaml:"allowed" doc:"sources besides the zone: host, *.host, host/path, or any; s3://bucket or s3://bucket/prefix, of those in buckets, which any does not have"`
	Buckets      []Bucket      `yaml:"buckets" doc:"buckets of S3-compatible services that sources may be in, as s3://bucket/key"`
	Redirects    string        `yaml:"redirects" doc:"where a source may redirect to besides its own host: any public address, as with Cloudflare, or allowlist, what allowed (of any host) has, too"`
	AllowPrivate []string      `yaml:"allow_private" doc:"CIDRs of private addresses that may be fetched all the same"`
	Upgrades     int           `yaml:"upgrades" doc:"connections to site that leave HTTP at once, such as websockets, with forward; 0: none"`
	UpgradeIdle  time.Duration `yaml:"upgrade_idle" doc:"how long one of them may carry nothing"`
	MaxBytes     Bytes         `yaml:"max_bytes" doc:"largest source"`
	Keep         Bytes         `yaml:"keep" doc:"memory for sources, so that every size of a picture is made from one fetch; 0: none"`
	PerHost      int           `yaml:"per_host" doc:"fetches at once from one host; a slow one takes no more"`
	Timeout      time.Duration `yaml:"timeout" doc:"for a whole fetch, redirects included"`
}

// Bucket are the knobs of a bucket that sources may be in.
type Bucket struct {
	Name      string `yaml:"name" doc:"the bucket's name"`
	Endpoint  string `yaml:"endpoint" doc:"as store.s3.endpoint; one at a private address must be in allow_private"`
	Region    string `yaml:"region" doc:"as store.s3.region; empty: us-east-1"`
	AccessKey string `yaml:"access_key" doc:"id of an access key that may read there; empty: the bucket is public"`
	SecretKey Secret `yaml:"secret_key" doc:"its secret"`
	Style     string `yaml:"style" doc:"as store.s3.style; empty: path"`
}

// Cloudflare are the knobs of Cloudflare Images as an origin.
type Cloudflare struct {
	Mode      string        `yaml:"mode" doc:"originals: fetch originals by the API and transform here; variant: fetch a variant instead; passthrough: Cloudflare transforms; empty: originals with a token, otherwise off"`
	AccountID string        `yaml:"account_id" doc:"the account's id at Cloudflare; its hash is account"`
	Token     Secret        `yaml:"token" doc:"API token that may read Cloudflare Images; tells which images are private, and the variants and keys"`
	Variant   string        `yaml:"variant" doc:"what mode variant fetches"`
	Key       Secret        `yaml:"key" doc:"signing key for private images that are fetched by their URL; empty: one that the API knows"`
	Private   []string      `yaml:"private" doc:"images that need a proof, where no token tells: ids, folders such as users/*, or *"`
	Remember  time.Duration `yaml:"remember" doc:"how long what the API said of an image is believed; while it does not answer, a day longer"`
	Mirror    bool          `yaml:"mirror" doc:"with originals: keep in the store what was fetched, so that the account moves over while it serves; what was kept is ours from then on, and no longer changed, made private or deleted from Cloudflare"`
	API       string        `yaml:"api" doc:"base URL of the API"`
	Delivery  string        `yaml:"delivery" doc:"base URL of delivery"`

	Accounts []CloudflareAccount `yaml:"accounts" doc:"further accounts. What one leaves out is as above, but for account_id, key and private; with neither mode nor account_id above, these are all there are"`
}

// CloudflareAccount are the knobs of Cloudflare that may differ by account.
type CloudflareAccount struct {
	Account   string         `yaml:"account" doc:"the hash in the account's delivery URLs"`
	Mode      *string        `yaml:"mode" doc:"as cloudflare.mode"`
	AccountID *string        `yaml:"account_id" doc:"the account's id at Cloudflare"`
	Token     Secret         `yaml:"token" doc:"as cloudflare.token; one may be good for several accounts. In modes variant and passthrough, none is taken from above without an account_id"`
	Variant   *string        `yaml:"variant" doc:"as cloudflare.variant"`
	Key       Secret         `yaml:"key" doc:"the account's own signing key, as cloudflare.key"`
	Private   []string       `yaml:"private" doc:"the account's own private images, as cloudflare.private"`
	Remember  *time.Duration `yaml:"remember" doc:"as cloudflare.remember"`
	Mirror    *bool          `yaml:"mirror" doc:"as cloudflare.mirror"`
	API       *string        `yaml:"api" doc:"as cloudflare.api"`
	Delivery  *string        `yaml:"delivery" doc:"as cloudflare.delivery"`
}

// For returns the knobs of one of the accounts: what it leaves out is c's, unless that
// belongs to one account alone.
func (c Cloudflare) For(one CloudflareAccount) Cloudflare {
	c.AccountID, c.Key, c.Private, c.Accounts = "", one.Key, nil, nil
	c = Over(c, one)
	if one.Token != "" || c.AccountID == "" && (c.Mode == "variant" || c.Mode == "passthrough") {
		c.Token = one.Token
	}
	return c
}

// Shadow are the knobs of moving from another service with confidence.
type Shadow struct {
	Of     string  `yaml:"of" doc:"base URL of the other service: it answers every request for an image, and judges its proofs; empty: we answer"`
	Share  float64 `yaml:"share" doc:"share of its answers that ours is compared with, 0 to 1, in metrics and a log line"`
	AtOnce int     `yaml:"at_once" doc:"comparisons at once; while there are as many, no more are begun"`
}

// Secret is text that is not shown.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Cache are the knobs of the cache.
type Cache struct {
	Memory      Bytes         `yaml:"memory" doc:"bytes of finished answers kept in memory"`
	Disk        Bytes         `yaml:"disk" doc:"bytes of finished answers kept in files, too, so that a restart is warm; 0: none"`
	Folder      string        `yaml:"folder" doc:"where they are, for this process alone; empty: cache in the data folder"`
	FillTimeout time.Duration `yaml:"fill_timeout" doc:"for fetching and transforming one picture"`
	NegativeTTL time.Duration `yaml:"negative_ttl" doc:"how long a 404 is remembered"`
	Edge        time.Duration `yaml:"edge_ttl" doc:"how long a hosted answer stays fresh here; changes purge at once"`
	Browser     time.Duration `yaml:"browser_ttl" doc:"max-age of hosted images without a setting of their own"`
	Revalidate  time.Duration `yaml:"stale_while_revalidate" doc:"how long a stale answer is served while it is made anew"`
	Grace       time.Duration `yaml:"stale_if_error" doc:"how much longer while that fails"`
	RemoteMin   time.Duration `yaml:"remote_min_ttl" doc:"least max-age of a remote source"`
}

// Redis are the knobs of what several nodes share.
type Redis struct {
	URL         Secret        `yaml:"url" doc:"Redis 7 or Valkey, redis://user:password@host:6379/0, or rediss:// with TLS; a node keeps nothing before it has once answered. Empty: this node is alone"`
	Prefix      string        `yaml:"prefix" doc:"begins all keys; nodes of one service have the same"`
	Timeout     time.Duration `yaml:"timeout" doc:"for one command; what takes longer is a miss"`
	MaxBytes    Bytes         `yaml:"max_bytes" doc:"largest answer that is shared; how many are is the server's maxmemory"`
	Consistency string        `yaml:"consistency" doc:"while Redis does not answer, eventual: serve what is kept here; strict: serve nothing that others may have purged more than a second ago"`
}

// Engine are the knobs of the picture work.
type Engine struct {
	Sources        int           `yaml:"sources" doc:"sources held in memory at once, each of at most origins.max_bytes, and no more from one host than it leaves to all others; further ones wait"`
	Memory         Bytes         `yaml:"memory" doc:"memory that running transforms may take together, by estimate from the headers"`
	Mezzanines     Bytes         `yaml:"mezzanines" doc:"memory for decoded sources, from which further sizes are made several times faster; 0: none"`
	Workers        int           `yaml:"workers" doc:"transforms at once; 0: one a CPU"`
	Queue          int           `yaml:"queue" doc:"transforms that may wait, one or two while most are refused; 0: 16 a worker"`
	NativeEncoders bool          `yaml:"native_encoders" doc:"write WebP and AVIF with the system's libwebp and libheif where there are any: twice as fast"`
	NativeDecoders bool          `yaml:"native_decoders" doc:"read JPEG with the system's libturbojpeg: faster, but strangers' bytes then meet code that is not memory safe"`
	QueueTimeout   time.Duration `yaml:"queue_timeout" doc:"how long one may wait before it is refused with 503"`
	AVIF           string        `yaml:"avif" doc:"an AVIF that takes longer than avif_patience: wait for it; background: answer another format until it is made; off: make none"`
	AVIFPatience   time.Duration `yaml:"avif_patience" doc:"how long a client may be kept waiting for AVIF, by estimate"`
	Reencode       string        `yaml:"reencode" doc:"background: encode what is asked for often again, when processors idle, to fewer bytes; off"`
	MaxSide        int           `yaml:"max_side" doc:"longest side of a source or result, pixels"`
	MaxPixels      int64         `yaml:"max_pixels" doc:"pixels of a source or result"`
}

// Formats are the size limits of negotiation.
type Formats struct {
	AVIFAuto     int `yaml:"avif_auto" doc:"AVIF chosen by negotiation"`
	AVIFExplicit int `yaml:"avif" doc:"AVIF asked for by format=avif"`
	WebP         int `yaml:"webp" doc:"WebP"`
}

// HTTP are the bounds of the image listener.
type HTTP struct {
	ReadTimeout  time.Duration `yaml:"read_timeout" doc:"for a whole request"`
	WriteTimeout time.Duration `yaml:"write_timeout" doc:"for a whole answer"`
	IdleTimeout  time.Duration `yaml:"idle_timeout" doc:"between the requests of a connection"`
	HeaderBytes  Bytes         `yaml:"header_bytes" doc:"request line and headers"`
	Connections  int           `yaml:"connections" doc:"served at once"`
	PerIP        int           `yaml:"connections_per_ip" doc:"served at once for one address; 0: unbounded"`
}

// TLS are the knobs of https.
type TLS struct {
	Cert string `yaml:"cert" doc:"file of the certificate and its chain, PEM; looked at again every minute; empty: plain http"`
	Key  string `yaml:"key" doc:"file of its private key, PEM"`
}

// Tokens are the knobs of proofs.
type Tokens struct {
	Keys          []string      `yaml:"keys" doc:"public keys of token signers: files or https URLs (http for this machine alone) of PEM, JWK or JWK sets; refreshed, and kept when that fails"`
	Refresh       time.Duration `yaml:"refresh" doc:"how often they are looked at again"`
	Bearer        bool          `yaml:"bearer" doc:"take a token from the Authorization header, too"`
	Cookie        string        `yaml:"cookie" doc:"take a token from this cookie, too; empty: from none"`
	Leeway        time.Duration `yaml:"leeway" doc:"how wrong a signer's clock may be, up to 1m"`
	Remember      int           `yaml:"remember" doc:"verified tokens remembered, so that their signature is not computed again; 0: none"`
	SignedOptions bool          `yaml:"allow_signed_flexible" doc:"a signature may open options in the URL of a private image; Cloudflare's never does"`
}

// Ladder are the knobs of options in URLs.
type Ladder struct {
	Widths    []int    `yaml:"widths" doc:"widths in pixels, after dpr; empty: any. Name the options, too: others can be spelt in endless ways"`
	Heights   []int    `yaml:"heights" doc:"heights in pixels; empty: as widths"`
	Qualities []int    `yaml:"qualities" doc:"numbers for quality; empty: any"`
	Options   []string `yaml:"options" doc:"options that may be used at all, by their long names; empty: all"`
	Refuse    bool     `yaml:"refuse" doc:"refuse what is not listed, instead of taking the next larger one or ignoring it"`
}

// Hotlink are the knobs of the pages that images are shown on.
type Hotlink struct {
	Referers []string `yaml:"referers" doc:"hosts of pages besides the zone's own: host or *.host; empty: every page"`
	Empty    bool     `yaml:"allow_empty" doc:"answer requests that do not say which page they are for"`
}

// API are the knobs of the management API.
type API struct {
	Enabled       bool          `yaml:"enabled" doc:"answer /client/v4/accounts/<id>/images and /batch/images"`
	Listen        string        `yaml:"listen" doc:"address of a listener of its own; empty: the image listener. Direct creator uploads are answered on both"`
	PublicURL     string        `yaml:"public_url" doc:"begins the URLs in its answers, such as https://img.example.com; empty: the host that was asked"`
	MaxBytes      Bytes         `yaml:"max_bytes" doc:"largest upload"`
	Uploads       int           `yaml:"uploads" doc:"uploads received at once; further ones are answered 429"`
	UploadTimeout time.Duration `yaml:"upload_timeout" doc:"for one upload to arrive"`
	Variants      int           `yaml:"variants" doc:"variants an account may have"`
	Strict        bool          `yaml:"cloudflare_strict" doc:"refuse what only Cloudflare has to refuse: images with an id of their own that require signed URLs"`
}

// Admin are the knobs of the admin listener.
type Admin struct {
	Listen    string `yaml:"listen" doc:"address of the dashboard, purges, health, metrics and profiles; anywhere but on loopback it needs a token; empty: none"`
	Token     Secret `yaml:"token" doc:"opens the admin listener, but for health and metrics; 16 characters or more. Empty: on loopback everybody of this machine may do everything"`
	Dashboard bool   `yaml:"dashboard" doc:"show the dashboard there"`
}

// Log are the knobs of the log.
type Log struct {
	Level  string        `yaml:"level" doc:"debug, info, warn or error"`
	Format string        `yaml:"format" doc:"text or json"`
	Access bool          `yaml:"access" doc:"one line a request"`
	Sample float64       `yaml:"sample" doc:"share of the lines of requests that went well, 0 to 1; refusals, failures, management calls and slow requests always have theirs"`
	Slow   time.Duration `yaml:"slow" doc:"how long a request takes that is slow; 0: none is"`
}

// Traces are the knobs of OpenTelemetry traces. The standard variables fill in for them.
type Traces struct {
	Endpoint  string   `yaml:"endpoint" doc:"URL of the collector, OTLP over HTTP, such as http://127.0.0.1:4318; empty: what OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT says, and if they say nothing there are no traces"`
	Headers   Secret   `yaml:"headers" doc:"sent to the collector, such as a token of it: name=value, with commas between them"`
	Sample    float64  `yaml:"sample" doc:"share of the requests that are followed, 0 to 1, of those that nobody has decided on"`
	Parents   int      `yaml:"parents" doc:"requests a second that are followed because their traceparent says so; more are as if it said nothing. One that says no is obeyed, too; 0: neither is"`
	Propagate []string `yaml:"propagate" doc:"sources and websites that are sent traceparent with our own requests: host, *.host, host/path, or any; empty: none"`
}

// Default returns the configuration of a server that nobody has configured.
func Default() Config {
	return Config{
		Listen: ":8080",
		Data:   "fovea-data",
		// Anybody may know it: it names an account and opens nothing.
		Account: "FoveaDemoAccountHash00",
		// Cloudflare begins with false: there every variant is billed.
		Flexible: true,
		Demo:     true,
		CORS:     "*",
		Store:    Store{Bytes: "files", Connections: 16, Timeout: 5 * time.Second, Trust: 5 * time.Second, S3: S3{Region: "us-east-1", Style: "path", Timeout: 10 * time.Second}},
		Origins: Origins{
			Redirects: "any",
			MaxBytes:  100 << 20,
			Keep:      64 << 20,
			PerHost:   16,
			Upgrades:  1000, UpgradeIdle: 2 * time.Minute,
			Timeout: 20 * time.Second,
		},
		Cloudflare: Cloudflare{Variant: "public", Remember: 5 * time.Minute, API: "https://api.cloudflare.com/client/v4", Delivery: "https://imagedelivery.net"},
		Shadow:     Shadow{AtOnce: 2},
		Cache: Cache{
			Memory: 256 << 20, FillTimeout: 30 * time.Second, NegativeTTL: time.Minute, Edge: 24 * time.Hour,
			Browser: 48 * time.Hour, Revalidate: 2 * time.Hour, Grace: 24 * time.Hour, RemoteMin: time.Hour,
		},
		Redis:   Redis{Prefix: "fovea:", Timeout: 50 * time.Millisecond, MaxBytes: 1 << 20, Consistency: "eventual"},
		Engine:  Engine{Sources: 64, Memory: 1 << 30, Mezzanines: 64 << 20, NativeEncoders: true, QueueTimeout: 10 * time.Second, AVIF: "background", AVIFPatience: 400 * time.Millisecond, Reencode: "off", MaxSide: 12_000, MaxPixels: 100_000_000},
		Formats: Formats{AVIFAuto: 1200, AVIFExplicit: 1600, WebP: 16383},
		Tokens:  Tokens{Refresh: 15 * time.Minute, Remember: 10_000},
		Hotlink: Hotlink{Empty: true},
		API:     API{Enabled: true, MaxBytes: 10 << 20, Uploads: 64, UploadTimeout: 2 * time.Minute, Variants: 100},
		HTTP: HTTP{
			ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
			HeaderBytes: 16 << 10, Connections: 10_000,
		},
		Admin:    Admin{Listen: "127.0.0.1:8081", Dashboard: true},
		Log:      Log{Level: "info", Format: "text", Access: true, Sample: 1, Slow: time.Second},
		Traces:   Traces{Sample: 0.01, Parents: 100},
		Shutdown: 15 * time.Second,
	}
}
