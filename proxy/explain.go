package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/store"
)

// Explanation says how a request would be answered and why. Empty fields were
// not reached or do not apply.
type Explanation struct {
	URL       string           `json:"url"`
	Kind      string           `json:"kind"`
	Host      string           `json:"host,omitempty"` // whose settings are in force; "" = those of all
	Account   string           `json:"account,omitempty"`
	Image     string           `json:"image,omitempty"`
	Variant   string           `json:"variant,omitempty"`
	Source    string           `json:"source,omitempty"`
	Origins   []string         `json:"origins,omitempty"` // of a hosted image: who has its bytes, in the order in which they are asked
	Canonical string           `json:"canonical,omitempty"`
	Options   string           `json:"options,omitempty"` // in force, after variant and client hints
	Status    int              `json:"status"`
	Code      int              `json:"code,omitempty"`
	Failure   string           `json:"failure,omitempty"`
	Verdict   string           `json:"verdict,omitempty"` // of the proof: ok, public, or what is wrong with it
	Message   string           `json:"message,omitempty"` // what the visitor reads
	Hint      string           `json:"hint,omitempty"`    // what the operator can do
	Format    string           `json:"format,omitempty"`  // media type; "" until the source is seen
	Geometry  *params.Geometry `json:"geometry,omitempty"`
	Vary      []string         `json:"vary,omitempty"`
	Headers   []string         `json:"headers,omitempty"`
	Key       string           `json:"key,omitempty"`
	Tags      []string         `json:"tags,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
	Rules     []plugins.Step   `json:"rules,omitempty"` // that the request met, in order
}

// Explain says how a GET of target, a raw request target, at host and with these headers
// would be answered, without fetching or decoding anything. A non-nil assume stands for
// the header of the source: of a hosted image it replaces the stored record, of a remote
// one it tells what only a fetch could. Rules are run, with the same time and dice for
// each call.
func (p *Proxy) Explain(ctx context.Context, host, target string, header http.Header, assume *engine.Info) Explanation {
	r := newRequest(host, target, header)
	if p.Rules != nil && p.Rules.Wants([]byte(host), []byte(target)) {
		x := p.Rules.Begin()
		defer p.Rules.Release(x)
		failure := p.rehearse(ctx, x, r, header)
		e := Explanation{URL: address(r), Kind: params.None.String(), Status: http.StatusOK}
		switch {
		case failure != nil:
			e.Code, e.Status, e.Message = Failure(failure)
			e.Failure, e.Hint = kindOf(failure), hintOf(failure)
		case x.Stopped():
			e.Status, _ = x.Own()
			e.Message = "answered by a rule"
		default:
			e = p.explain(ctx, ruledRequest(x), assume)
			e.URL = address(r)
			e.addRules(x)
		}
		e.Rules = x.Steps()
		return e
	}
	return p.explain(ctx, r, assume)
}

func address(r *Request) string {
	if strings.Contains(r.Target, "://") {
		return r.Target
	}
	return "http://" + r.Host + r.Target
}

func (p *Proxy) explain(ctx context.Context, r *Request, assume *engine.Info) Explanation {
	pl := &plan{proxy: p}
	err := pl.resolve(ctx, r, record(assume))
	e := Explanation{URL: address(r), Kind: pl.target.Kind.String(), Host: pl.at.Name, Status: http.StatusOK, Key: pl.key, Verdict: pl.verdict.String()}
	if pl.target.Kind != params.None {
		e.Account, e.Image, e.Variant = pl.target.Account, pl.target.Image, pl.target.Variant
		e.Source = pl.target.Source.Value
		e.Canonical = pl.target.String()
		e.Options = pl.options.String()
	}
	for _, w := range append(pl.warnings, pl.notes...) {
		e.Warnings = append(e.Warnings, w.Text)
	}
	switch {
	case errors.Is(err, errNotOurs):
		e.Status, e.Message, e.Options = http.StatusNotFound, "Not an image path", ""
		return e
	case err != nil:
		e.Code, e.Status, e.Message = Failure(err)
		e.Failure, e.Hint = kindOf(err), hintOf(err)
		return e
	}
	e.Tags, e.Origins = pl.Tags(), pl.origins(assume != nil)
	if pl.known {
		e.Format, e.Geometry = pl.choice.Media.String(), &pl.geometry
	}
	head := pl.head(pl.choice.VaryAccept)
	for _, f := range head.Fields {
		if f.Name == "Vary" {
			e.Vary = strings.Split(f.Value, ", ")
		}
		if f.Name == "Cache-Control" && pl.private {
			f.Value = pl.privately(pl.admission, &head)
		}
		e.Headers = append(e.Headers, f.Name+": "+f.Value)
	}
	return e
}

// origins names who has the bytes of a hosted image, in the order in which they are asked.
func (pl *plan) origins(assumed bool) []string {
	switch {
	case pl.target.Kind != params.Hosted || assumed: // the record is not looked at
		return nil
	case !pl.elsewhere():
		return []string{"stored"}
	case pl.proxy.Spare == nil:
		return []string{"cloudflare"}
	}
	return []string{"cloudflare", "stored"}
}

// record is the stored record that a picture with this header would have.
func record(assume *engine.Info) *store.Image {
	if assume == nil {
		return nil
	}
	return &store.Image{
		Media: assume.Media, Size: assume.Size, Orientation: assume.Orientation,
		Frames: assume.Frames, Alpha: assume.Alpha, Bytes: int64(assume.Bytes),
	}
}

// String spells e for people, a fact a line.
func (e Explanation) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", name, text)
		}
	}
	fmt.Fprintf(&b, "%s\n", e.URL)
	answer := fmt.Sprint(e.Status)
	switch {
	case e.Code != 0:
		answer += fmt.Sprintf(" ERROR %d: %s", e.Code, e.Message)
	case e.Message != "":
		answer += " " + e.Message
	case e.Format != "":
		answer += " " + e.Format
		if e.Geometry != nil && e.Geometry.Output.W > 0 {
			answer += fmt.Sprintf(" %d×%d", e.Geometry.Output.W, e.Geometry.Output.H)
		}
	default:
		answer += " size and format depend on the source; --source WxH:type tells them"
	}
	line("answer", "%s", answer)
	for _, step := range e.Rules {
		tellStep(line, step)
	}
	line("failure", "%s", e.Failure)
	line("settings", "%s", e.Host)
	line("proof", "%s", e.Verdict)
	line("hint", "%s", e.Hint)
	if e.Kind == params.Hosted.String() {
		line("image", "%s of account %s", e.Image, e.Account)
	}
	line("origins", "%s", strings.Join(e.Origins, ", then "))
	line("variant", "%s", e.Variant)
	line("source", "%s", e.Source)
	line("options", "%s", e.Options)
	if e.Geometry != nil && e.Geometry.Output.W > 0 {
		line("geometry", "%s", describe(e.Geometry))
	}
	line("canonical", "%s", e.Canonical)
	line("key", "%s", e.Key)
	line("tags", "%s", strings.Join(e.Tags, "  "))
	for _, h := range e.Headers {
		line("header", "%s", h)
	}
	for _, w := range e.Warnings {
		line("warning", "%s", w)
	}
	return b.String()
}

// describe spells the steps of g that do something.
func describe(g *params.Geometry) string {
	size := func(s params.Size) string { return fmt.Sprintf("%d×%d", s.W, s.H) }
	steps := []string{size(g.Upright)}
	add := func(done bool, format string, args ...any) {
		if done {
			steps = append(steps, fmt.Sprintf(format, args...))
		}
	}
	trimmed := params.Size{W: g.Trim.W, H: g.Trim.H}
	add(trimmed != g.Upright, "trim to %s at %d,%d", size(trimmed), g.Trim.X, g.Trim.Y)
	add(g.Oriented != trimmed, "turn to %s", size(g.Oriented))
	add(g.Resized != g.Oriented, "scale to %s", size(g.Resized))
	add(g.Crop.W != g.Resized.W || g.Crop.H != g.Resized.H, "crop %d×%d at %d,%d", g.Crop.W, g.Crop.H, g.Crop.X, g.Crop.Y)
	add(g.Pad != params.Edges{}, "pad %d %d %d %d", g.Pad.Top, g.Pad.Right, g.Pad.Bottom, g.Pad.Left)
	add(g.Border != params.Edges{}, "border %d %d %d %d", g.Border.Top, g.Border.Right, g.Border.Bottom, g.Border.Left)
	add(true, "out %s", size(g.Output))
	return strings.Join(steps, " → ")
}
