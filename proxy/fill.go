package proxy

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// Fields of an entry whose values the door completes; all others are response headers.
const (
	fieldDone    = "done"    // what follows `internal=ok/<h|m>` in cf-resized and cf-images
	fieldTimings = "timings" // Server-Timing of the fill
	fieldSmall   = "small"   // the bytes are as few as can be; not answered
	fieldClosed  = "closed"  // where the bytes come from, the image is private; not answered
)

// followed is a plan whose fill is a part of the request that begins it.
type followed struct {
	*plan
	trail *trail.Trail
}

// Fill implements cache.Job.
func (f followed) Fill(ctx context.Context) (cache.Entry, error) {
	return f.plan.Fill(trail.With(ctx, f.trail))
}

// job is what fills pl's key for r.
func (pl *plan) job(r *Request) cache.Job {
	if r.trail == nil {
		return pl
	}
	return followed{pl, r.trail}
}

// Fill fetches the source, transforms it and dresses the result: steps 9 and 10
// of the way of a request. It is called on the cache's context.
func (pl *plan) Fill(ctx context.Context) (cache.Entry, error) {
	if !pl.rendered() {
		if err := pl.proxy.Engine.Offer(); err != nil {
			return cache.Entry{}, err
		}
	}
	begun := pl.proxy.Now()
	leave, err := pl.proxy.sources.enter(ctx, pl.place())
	if err != nil {
		return cache.Entry{}, err
	}
	defer leave()
	waited := pl.proxy.Now().Sub(begun)
	if pl.rendered() {
		entry, err := pl.fillRendered(ctx)
		if !pl.spares(err) {
			return entry, err
		}
		if err := pl.proxy.Engine.Offer(); err != nil {
			return cache.Entry{}, err
		}
		return pl.fill(ctx, waited, err)
	}
	return pl.fill(ctx, waited, nil)
}

// fill is Fill of what is transformed here. A failure that is not nil is why the spare
// origin has to bring it. It has waited for its turn to fetch.
func (pl *plan) fill(ctx context.Context, waited time.Duration, failure error) (cache.Entry, error) {
	start := pl.proxy.Now()
	src, overlays, failure, err := pl.sources(ctx, waited, failure)
	if err != nil {
		return cache.Entry{}, err
	}
	fetched := pl.proxy.Now().Sub(start)
	info, err := pl.proxy.Engine.Probe(src.Body)
	if err != nil {
		return cache.Entry{}, err
	}
	var to chosen
	if to.geometry, to.choice, to.notes, err = pl.choose(info); err != nil {
		return cache.Entry{}, err
	}
	standsIn, err := pl.standIn(info, &to)
	if err != nil {
		return cache.Entry{}, err
	}
	choice := to.choice
	m := trail.Of(ctx).Begin("transform", "cache")
	result, err := pl.proxy.Engine.Transform(ctx, src.Body, info, engine.Plan{
		Options: pl.options, Media: choice.Media, Animated: choice.Animated,
		Baseline: choice.Baseline, Palette: choice.Palette, Lossless: choice.Lossless,
		Source: pl.sourceName(src), Small: pl.effort == small, Overlays: overlays.bodies,
	})
	noteSteps(ctx, &m, &result)
	if m.End(kindOf(err)); err != nil {
		return cache.Entry{}, err
	}
	entry := pl.head(choice.VaryAccept)
	entry.Body, entry.Type = result.Body, result.Media.String()
	entry.ETag, entry.Modified = pl.etag(result.Media, src.Validator, overlays.validators), src.Modified
	pl.live(&entry, src)
	overlays.live(&entry, pl.proxy.Life)
	pl.spared(&entry, src, failure)
	if standsIn {
		pl.later(ctx, thorough)
		entry.Fresh = min(entry.Fresh, interim)
		brief(&entry, src.MustRevalidate)
	}
	if pl.effort == small {
		entry.Fields = append(entry.Fields, cache.Field{Name: fieldSmall})
	}
	entry.Fields = append(entry.Fields, doneFields(pl, fetched, result)...)
	if text := warningText(append(to.notes, result.Warnings...)); text != "" {
		entry.Fields = append(entry.Fields, cache.Field{Name: "warning", Value: text})
	}
	return entry, nil
}

// fillRendered fetches the finished picture. What it is, is judged by its bytes. An
// SVG is sanitised here, whoever has done so before.
func (pl *plan) fillRendered(ctx context.Context) (cache.Entry, error) {
	start := pl.proxy.Now()
	bucket := negotiate.Bucket(pl.options, true, pl.accepts)
	t := pl.target
	if t.Variant == "" {
		t.Options = pl.options // with the client's hints in them, as the key has it
	}
	m := trail.Of(ctx).Begin("fetch", "cache")
	src, err := pl.proxy.Render[t.Account](ctx, t, bucket.String(), pl.signed)
	if m.End(kindOf(err)); err != nil {
		return cache.Entry{}, err
	}
	result, err := pl.asItIs(ctx, src.Body)
	if err != nil {
		return cache.Entry{}, err
	}
	entry := pl.head(negotiate.Bucket(pl.options, true, negotiate.AcceptsAVIF|negotiate.AcceptsWebP) != 0)
	entry.Body, entry.Type = result.Body, result.Media.String()
	entry.ETag, entry.Modified = pl.etag(result.Media, src.Validator, ""), src.Modified
	pl.live(&entry, src)
	if pl.signed != "" {
		unkept(&entry)
	}
	entry.Fields = append(entry.Fields, doneFields(pl, pl.proxy.Now().Sub(start), result)...)
	return entry, nil
}

// asItIs is a finished picture, judged by its bytes.
func (pl *plan) asItIs(ctx context.Context, body []byte) (engine.Result, error) {
	if pl.options.Format == params.FormatJSON && json.Valid(body) {
		return engine.Result{Body: body, Media: params.JSON}, nil
	}
	info, err := pl.proxy.Engine.Probe(body)
	if err != nil || info.Media != params.SVG {
		return engine.Result{Body: body, Media: info.Media}, err
	}
	return pl.proxy.Engine.Transform(ctx, body, info, engine.Plan{Media: params.SVG})
}

// sources fetches all that the picture is made of, unless there is no capacity to
// make it. failure and why are as source has them.
func (pl *plan) sources(ctx context.Context, waited time.Duration, failure error) (src origin.Source, over overlaySources, why, err error) {
	if err = pl.proxy.Engine.Expect(waited); err != nil {
		return src, over, nil, err
	}
	defer pl.proxy.Engine.Arrived()
	m := trail.Of(ctx).Begin("fetch", "cache")
	if src, why, err = pl.source(ctx, failure); err == nil {
		over, err = pl.fetchOverlays(ctx)
	}
	m.End(kindOf(err))
	return src, over, why, err
}

// noteSteps notes the steps of a transform that began at m. They follow each other.
func noteSteps(ctx context.Context, m *trail.Mark, result *engine.Result) {
	at := m.Start
	for _, step := range steps(result) {
		if step.took > 0 {
			trail.Of(ctx).Note(trail.Phase{Name: step.name, In: "transform", Start: at, End: at.Add(step.took)})
			at = at.Add(step.took)
		}
	}
}

// step is one of a transform, by the name that Server-Timing has for it, too.
type step struct {
	name string
	took time.Duration
}

func steps(result *engine.Result) []step {
	return []step{{"queue", result.Queued}, {"decode", result.Decode}, {"resize", result.Resize}, {"encode", result.Encode}}
}

// fetch brings the source, once for all plans that want it at the same time. The
// bytes are shared: they are only read. Nobody joins a fetch that began before the
// latest purge.
func (pl *plan) fetch(ctx context.Context) (origin.Source, error) {
	if pl.target.Kind == params.Remote {
		return pl.fetchFrom(ctx, pl.proxy.Web, remoteName(pl.target.Source))
	}
	return pl.fetchFrom(ctx, pl.proxy.Stored, pl.target.Account+"/"+pl.target.Image)
}

func (pl *plan) fetchFrom(ctx context.Context, from origin.Origin, name string) (origin.Source, error) {
	key := strconv.FormatUint(pl.proxy.Cache.Purges(), 10) + " " + name
	src, _, err := pl.proxy.fetches.Do(ctx, key, func(ctx context.Context) (origin.Source, error) {
		return from.Fetch(ctx, pl.target)
	})
	return src, err
}

// remoteName names a remote source, and never two. What the website behind says under a
// path need not be what the world sees at the zone's URL.
func remoteName(s params.Source) string {
	if s.Absolute {
		return s.Value
	}
	return s.Zone + " " + s.Value
}

// sourceName names src's bytes for the engine.
func (pl *plan) sourceName(src origin.Source) string {
	if pl.target.Kind == params.Remote {
		return remoteName(pl.target.Source) + " " + src.Validator
	}
	if src.Validator == string(pl.image.Blob) { // the hash of the bytes
		return src.Validator
	}
	return pl.target.Account + "/" + pl.target.Image + " " + src.Validator // others may call two pictures the same
}

// head is what every answer of the plan carries, with or without a body.
func (pl *plan) head(varyAccept bool) cache.Entry {
	entry := cache.Entry{Tags: pl.Tags()}
	vary := pl.hints
	if varyAccept {
		vary = append([]string{"Accept"}, vary...)
	}
	if len(vary) > 0 {
		entry.Fields = append(entry.Fields, cache.Field{Name: "Vary", Value: strings.Join(vary, ", ")})
	}
	if len(pl.hints) > 0 {
		entry.Fields = append(entry.Fields, cache.Field{Name: "Accept-CH", Value: strings.Join(clientHints(pl.hints), ", ")})
	}
	if pl.target.Kind == params.Hosted {
		entry.Fields = append(entry.Fields, cacheControl(pl.maxAge, pl.proxy.Life.Revalidate, false))
	}
	return entry
}

// clientHints keeps the headers that a browser only sends when asked (RFC 8942).
func clientHints(headers []string) []string {
	var hints []string
	for _, h := range headers {
		if h != "User-Agent" {
			hints = append(hints, h)
		}
	}
	return hints
}

// live sets how long the entry lives here and in browsers (contract 9, R-ttl).
func (pl *plan) live(entry *cache.Entry, src origin.Source) {
	life := pl.proxy.Life
	entry.Stale, entry.Grace = life.Revalidate, life.Grace
	if pl.target.Kind == params.Hosted {
		entry.Fresh = life.Edge
		if pl.elsewhere() && pl.image.Version == 0 { // nobody tells us when it changes
			entry.Fresh = min(life.Edge, life.RemoteMinimum)
		}
		if !pl.elsewhere() && pl.image != nil && src.Validator != string(pl.image.Blob) {
			// The picture changed between look-up and fetch: right for those who
			// wait, but it must not stay under the old version's key.
			entry.Fresh, entry.Stale, entry.Grace = 0, 0, 0
		}
		return
	}
	entry.Fresh = max(src.Fresh, life.RemoteMinimum)
	if src.MustRevalidate {
		entry.Stale, entry.Grace = 0, 0
	}
	if src.Private {
		unkept(entry)
		return
	}
	entry.Fields = append(entry.Fields, cacheControl(entry.Fresh, entry.Stale, src.MustRevalidate))
}

// unkept lets nobody keep an answer: its source was meant for one visitor.
func unkept(entry *cache.Entry) {
	entry.Fresh, entry.Stale, entry.Grace = 0, 0, 0
	field := cache.Field{Name: "Cache-Control", Value: "private, no-store"}
	for i, f := range entry.Fields {
		if f.Name == field.Name {
			entry.Fields[i] = field
			return
		}
	}
	entry.Fields = append(entry.Fields, field)
}

// brief lets browsers keep an answer no longer than it is fresh here.
func brief(entry *cache.Entry, must bool) {
	for i, f := range entry.Fields {
		if f.Name == "Cache-Control" {
			entry.Fields[i] = cacheControl(entry.Fresh, 0, must)
		}
	}
}

func cacheControl(maxAge, revalidate time.Duration, must bool) cache.Field {
	value := "public, max-age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)
	if must {
		value += ", must-revalidate"
	} else {
		value += ", stale-while-revalidate=" + strconv.FormatInt(int64(revalidate/time.Second), 10)
	}
	return cache.Field{Name: "Cache-Control", Value: value}
}

// doneFields tell how the answer was made (R-headers).
func doneFields(pl *plan, fetched time.Duration, result engine.Result) []cache.Field {
	work := result.Decode + result.Resize + result.Encode
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	done := " q=" + strconv.Itoa(pl.options.Quality) + " n=" + millis(fetched) + "+" + millis(work) +
		" l=" + strconv.Itoa(len(result.Body)) + " v=" + pl.proxy.Version
	var timings strings.Builder
	for _, phase := range append([]step{{"fetch", fetched}}, steps(&result)...) {
		if phase.name == "decode" && result.Mezzanine != engine.NoMezzanine {
			timings.WriteString(", mezzanine;desc=" + result.Mezzanine.String())
		}
		if timings.Len() > 0 {
			timings.WriteString(", ")
		}
		timings.WriteString(phase.name + ";dur=" + strconv.FormatFloat(phase.took.Seconds()*1000, 'f', 1, 64))
	}
	return []cache.Field{{Name: fieldDone, Value: done}, {Name: fieldTimings, Value: timings.String()}}
}

// warningText spells warnings as the value of one warning header; "" for none.
func warningText(warnings []params.Warning) string {
	var b strings.Builder
	for _, w := range warnings {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("cf-images 299 " + strconv.QuoteToASCII(w.Text))
	}
	return b.String()
}

// hintOf is what the operator can do about the failure; "" when there is nothing to say.
func hintOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Hint
}

// kindOf names the failure for logs and metrics; "" for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Kind.String()
}
