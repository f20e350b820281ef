package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// plan is what will be done for one request: everything that its answer depends
// on, and nothing else. Once resolved it is only read.
type plan struct {
	proxy    *Proxy
	at       *Host
	path     string // of the request, rewritten
	target   params.Target
	options  params.Options // the variant's or the URL's, with the client's hints applied
	account  *store.Account // Hosted
	image    *store.Image   // Hosted
	variant  *store.Variant // Hosted, named
	accepts  negotiate.Accepts
	hints    []string         // request headers that shaped options
	warnings []params.Warning // about this request's spelling; not part of the entry
	maxAge   time.Duration    // Hosted; of a remote source its origin decides
	signed   string           // path and query for who renders it to judge; "" = nothing is for it to judge
	admission
	tags []string // that rules have given

	operator bool            // an operator looks, to whom no picture is closed
	instead  *params.Options // take the place of the URL's; nil = they do not

	// known: the source's header is on record, so geometry and choice are
	// settled before any work, and the key names the very format.
	known    bool
	geometry params.Geometry
	choice   negotiate.Choice
	notes    []params.Warning // of geometry and choice; the entry carries them
	key      string
	effort   effort
	shared   bool         // with other requests of the same text
	foreseen *cache.Entry // head of the answer, if it is known and was asked for before
}

// chosen is what an answer will be.
type chosen struct {
	geometry params.Geometry
	choice   negotiate.Choice
	notes    []params.Warning
}

// resolve takes r from its text to its key: steps 3 to 7 of the way of a request.
// A non-nil assume stands in for the stored record of a hosted image.
func (pl *plan) resolve(ctx context.Context, r *Request, assume *store.Image) error {
	var err error
	pl.at = pl.proxy.At(r.Host, r.Target)
	if pl.path = r.Target; r.Rules != nil {
		pl.tags = r.Rules.Tags()
	}
	if !strings.Contains(r.Via, viaOurs) { // a transform's own fetch is for what is behind the plain path
		pl.path = pl.at.Site.Rewrite(r.Target)
	}
	m := r.trail.Begin("parse", "")
	pl.target, pl.warnings, err = pl.at.Site.Parse(r.Host, pl.path)
	m.End(kindOf(err))
	if err != nil {
		return err
	}
	if pl.instead != nil {
		pl.target.Variant, pl.target.Options = "", *pl.instead
	}
	if pl.target.Kind != params.None && !pl.operator {
		if err := pl.at.welcome(r); err != nil {
			return err
		}
	}
	switch pl.target.Kind {
	case params.Hosted:
		err = pl.resolveHosted(ctx, r, assume)
	case params.Remote:
		err = pl.resolveRemote(r)
	default:
		err = errNotOurs
	}
	if err != nil {
		return err
	}
	if len(pl.options.Draw) > 0 && strings.Contains(r.Via, viaOurs) {
		return fault.New(fault.Loop, "The picture is itself drawn over another")
	}
	if err := pl.allowOverlays(); err != nil {
		return err
	}
	if !pl.operator {
		if err := pl.byWay(ctx); err != nil {
			return err
		}
	}
	m = r.trail.Begin("negotiate", "")
	pl.options, pl.hints = negotiate.Resolve(pl.options, r.Client)
	pl.accepts = negotiate.ParseAccept(r.Client.Accept)
	err = pl.settle(assume)
	m.End(kindOf(err))
	if err != nil {
		return err
	}
	pl.key = pl.name()
	return nil
}

func (pl *plan) resolveHosted(ctx context.Context, r *Request, assume *store.Image) error {
	m := r.trail.Begin("resolve", "")
	err := pl.lookUp(ctx, r, assume)
	if m.End(kindOf(err)); err != nil || pl.operator {
		return err
	}
	m = r.trail.Begin("authorise", "")
	pl.admission, err = pl.authorise(ctx, r)
	if m.End(kindOf(err)); err != nil {
		return err
	}
	// Nobody has told us whether the image is private: who renders it knows.
	if path, query := params.SplitTarget(pl.path); pl.rendered() && pl.image.Version == 0 && token.Signed(query) {
		pl.signed = path + "?" + query
	}
	return nil
}

// lookUp finds the account, the image and the variant.
func (pl *plan) lookUp(ctx context.Context, r *Request, assume *store.Image) error {
	t := &pl.target
	account, err := pl.proxy.Catalog.Account(ctx, t.Account)
	if pl.account = account; err != nil {
		return err
	}
	if t.Variant == "" && !account.Flexible && !pl.operator {
		return fault.New(fault.FlexibleOff, "Options in the URL are switched off for this account; use a named variant")
	}
	if pl.image = assume; assume == nil {
		if pl.image, err = pl.proxy.Catalog.Image(ctx, t.Account, t.Image); err != nil {
			return err
		}
	}
	if pl.elsewhere() && assume == nil && strings.Contains(r.Via, viaUs) {
		return fault.New(fault.Loop, "The image is asked for by the server that would have to have it")
	}
	pl.options = t.Options
	pl.maxAge = pl.proxy.Life.Browser
	if account.BrowserTTL > 0 {
		pl.maxAge = account.BrowserTTL
	}
	if t.Variant != "" {
		pl.variant, err = pl.proxy.Catalog.Variant(ctx, t.Account, t.Variant)
		switch {
		case fault.Is(err, fault.NoVariant) && pl.rendered():
			pl.variant = nil // who renders it may know it
		case err != nil:
			return err
		default:
			pl.options = pl.variant.Options
			if pl.variant.BrowserTTL > 0 {
				pl.maxAge = pl.variant.BrowserTTL
			}
		}
	}
	if pl.standsIn() {
		pl.maxAge = min(pl.maxAge, interim)
	}
	return nil
}

// elsewhere reports whether the image is hosted, and not in our own store.
func (pl *plan) elsewhere() bool { return pl.image != nil && pl.image.Blob == "" }

// rendered reports whether somebody else makes the picture.
func (pl *plan) rendered() bool { return pl.elsewhere() && pl.proxy.Render[pl.image.Account] != nil }

// viaOurs is in the Via header of every transform's fetch, Cloudflare's too;
// viaFovea is in that of one of a Fovea.
const (
	viaOurs  = "image-resizing"
	viaFovea = "fovea (image-resizing)"
	viaUs    = "1.1 fovea" // in every fetch of one
)

// resolveRemote refuses a transform of a transform: our own origin fetches carry
// `Via: … image-resizing`, so one that comes back is a loop (contract 1.2).
func (pl *plan) resolveRemote(r *Request) error {
	if strings.Contains(r.Via, viaOurs) {
		return fault.New(fault.Loop, "The source is itself the result of a transform")
	}
	if pl.proxy.Web == nil {
		return &fault.Error{Kind: fault.NotAllowed, Public: "This server transforms no remote sources"}
	}
	pl.options = pl.target.Options
	return nil
}

// settle chooses size and format now if the source's header is on record.
func (pl *plan) settle(assume *store.Image) error {
	record := pl.image
	if record == nil {
		record = assume // explain knows what a remote source will be
	}
	if record == nil || record.Size.W == 0 || pl.options.NeedsPixels() {
		return nil
	}
	info := engine.Info{
		Media: record.Media, Size: record.Size, Orientation: record.Orientation,
		Frames: record.Frames, Alpha: record.Alpha, Bytes: int(record.Bytes),
	}
	var err error
	pl.geometry, pl.choice, pl.notes, err = pl.choose(info)
	pl.known = err == nil
	return err
}

// choose settles size and format for a source with this header, and says what
// could not be honoured.
func (pl *plan) choose(info engine.Info) (params.Geometry, negotiate.Choice, []params.Warning, error) {
	return pl.chooseBy(pl.proxy.Policy, info)
}

func (pl *plan) chooseBy(policy negotiate.Policy, info engine.Info) (params.Geometry, negotiate.Choice, []params.Warning, error) {
	var geometry params.Geometry
	var notes []params.Warning
	if info.Media != params.SVG { // an SVG is never resized (R-svg)
		var err error
		geometry, notes, err = pl.options.Geometry(info.Size, info.Orientation, params.Seen{})
		if err != nil {
			return geometry, negotiate.Choice{}, nil, err
		}
	}
	picture := negotiate.Picture{Media: info.Media, Animated: info.Animated(), Alpha: info.Alpha, Frames: info.Frames}
	choice := policy.Choose(pl.options, pl.target.Kind == params.Hosted, picture, geometry.Output, pl.accepts)
	return geometry, choice, append(notes, choice.Warnings...), nil
}

// name returns the cache key: canonical target with the options in force, the
// source's version, and the format or, for a source not yet seen, what of the
// client's Accept can matter (R-cachekey). Ignored options are not in it, and so
// neither are the warnings about them: they are answered beside the entry.
func (pl *plan) name() string {
	var room [512]byte
	t := pl.target
	t.Variant, t.Options = "", pl.options
	b := t.AppendString(room[:0])
	if pl.target.Variant != "" {
		b = append(append(b, " variant="...), pl.target.Variant...)
	}
	if t.Source.Zone != "" {
		b = append(append(b, " zone="...), t.Source.Zone...)
	}
	if pl.image != nil {
		b = strconv.AppendInt(append(b, " version="...), pl.image.Version, 10)
		b = append(append(b, ' '), pl.image.Blob[:min(len(pl.image.Blob), 32)]...) // another database may give the version again
	}
	if pl.standsIn() {
		b = append(b, " stands in"...)
	}
	if pl.signed != "" {
		sum := sha256.Sum256([]byte(pl.signed))
		b = append(append(b, " signed="...), hex.EncodeToString(sum[:])...)
	}
	if pl.operator {
		b = append(b, " operator"...) // nothing made for one is found by a visitor
	}
	b = append(b, " engine="+engine.Version+" "...)
	if pl.known {
		b = append(b, pl.choice.Media.String()...)
		if pl.choice.Media == params.AVIF && pl.accepts&negotiate.AcceptsWebP == 0 {
			b = append(b, " no webp"...) // what may stand in for it
		}
	} else {
		bucket := negotiate.Bucket(pl.options, t.Kind == params.Hosted, pl.accepts)
		b = strconv.AppendUint(append(b, "accepts="...), uint64(bucket), 10)
	}
	return string(b)
}

// Tags returns what the answer is made from, for purges.
func (pl *plan) Tags() []string {
	t := pl.target
	overlays := slices.Clone(pl.tags)
	for _, o := range pl.options.Draw {
		overlays = append(overlays, params.SourceTag(o.Source.Value))
	}
	for _, d := range pl.delivered() {
		overlays = append(overlays, d.tags()...)
	}
	if t.Kind == params.Remote {
		return append(overlays, params.SourceTag(t.Source.URL()))
	}
	tags := []string{params.ImageTag(t.Account, t.Image), params.AccountTag(t.Account)}
	if t.Variant != "" {
		tags = append(tags, params.VariantTag(t.Account, t.Variant))
	}
	return append(tags, overlays...)
}

// tagged is pl with tags for the entry that it may fill; pl itself is others', too.
func (pl *plan) tagged(tags []string) *plan {
	if tags == nil {
		return pl
	}
	own := *pl
	own.tags = tags
	return &own
}

// fallback is where onerror=redirect sends the client: to the source itself, if
// that is the zone's own or a sub-domain's (R-onerror).
func (pl *plan) fallback(err error) string {
	if fault.Is(err, fault.Denied) { // who may not see it is not sent to it
		return ""
	}
	source := pl.target.Source
	if !pl.target.Options.Redirect || source.Value == "" {
		return ""
	}
	if !source.Absolute {
		return source.Value
	}
	scheme, rest, _ := strings.Cut(source.Value, "://")
	host, _, _ := strings.Cut(rest, "/")
	if zone := pl.at.Site.Zone; zone != "" && strings.HasPrefix(scheme, "http") && (host == zone || strings.HasSuffix(host, "."+zone)) {
		return source.Value
	}
	return ""
}

// etag is strong: it covers the options in force, the format, the engine and the
// sources, so no two sizes or formats of a picture ever share one. overlays are the
// validators of what is drawn over it.
func (pl *plan) etag(media params.Media, validator, overlays string) string {
	var room [512]byte
	b := append(room[:0], engine.Version...)
	b = append(append(b, ' '), media.String()...)
	b = pl.options.AppendString(append(b, ' '))
	if pl.effort == small {
		b = append(b, " small"...)
	}
	b = append(append(append(b, ' '), validator...), overlays...)
	sum := sha256.Sum256(b)
	return `"cf-` + hex.EncodeToString(sum[:8]) + ":" + validator + `"`
}

// unchanged returns the head of a 304 if r's copy of a known picture is good, so
// that neither cache nor origin is asked.
func (pl *plan) unchanged(r *Request) *cache.Entry {
	if r.IfNoneMatch == "" && r.IfModifiedSince.IsZero() {
		return nil
	}
	head := pl.foreseen
	if head == nil {
		head = pl.foresee()
	}
	if head == nil || !notModified(r, head.ETag, head.Modified) {
		return nil
	}
	return head
}

// foresee returns the head of the answer, if nothing need be fetched or drawn to know it.
func (pl *plan) foresee() *cache.Entry {
	if !pl.known || len(pl.options.Draw) > 0 {
		return nil
	}
	head := pl.head(pl.choice.VaryAccept)
	head.Type, head.Modified = pl.choice.Media.String(), pl.image.Uploaded
	head.ETag = pl.etag(pl.choice.Media, string(pl.image.Blob), "")
	return &head
}

// notModified applies r's conditions as RFC 9110 section 13.2.2 orders them:
// If-None-Match, weakly compared, silences If-Modified-Since.
func notModified(r *Request, etag string, modified time.Time) bool {
	if r.IfNoneMatch == "" {
		return !r.IfModifiedSince.IsZero() && !modified.IsZero() &&
			!modified.Truncate(time.Second).After(r.IfModifiedSince)
	}
	for rest := r.IfNoneMatch; rest != ""; {
		var member string
		member, rest, _ = strings.Cut(rest, ",")
		member = strings.TrimPrefix(strings.Trim(member, " \t"), "W/")
		if member == "*" || member == etag {
			return true
		}
	}
	return false
}
