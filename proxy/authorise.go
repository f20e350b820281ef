package proxy

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

// admission is what became of the right to see an image.
type admission struct {
	private bool // the image needed a proof
	verdict token.Verdict
	expires time.Time // of the proof; zero = never
}

// authorise is step 5 of the way of a request: a private image is seen by those
// who prove that they may, in this request (R-sign, R-private). Whatever was wrong
// with a proof, the visitor reads the same sentence; the word for it is the
// operator's.
func (pl *plan) authorise(ctx context.Context, r *Request) (admission, error) {
	if !pl.image.RequireSigned || pl.variant != nil && pl.variant.NeverRequireSigned {
		return admission{verdict: token.Public}, nil
	}
	grant := token.Grant{Verdict: token.Missing}
	// What we fetch for a transform of our own would be kept under a name that
	// needs no proof.
	if !strings.Contains(r.Via, viaFovea) {
		keys, err := pl.proxy.Catalog.Keys(ctx, pl.target.Account)
		if err != nil {
			return admission{private: true}, err
		}
		grant = pl.verify(r, pl.path, keys)
		if grant.Verdict == token.BadSignature && pl.path != r.Target { // it may be over the path that visitors see
			grant = pl.verify(r, r.Target, keys)
		}
	}
	a := admission{true, grant.Verdict, grant.Expires}
	if grant.Verdict == token.OK {
		return a, nil
	}
	return a, fault.Wrap(fault.Denied, errors.New(grant.Verdict.String()), "This image needs a valid signature")
}

// verify looks for the proof in target, a raw request target.
func (pl *plan) verify(r *Request, target string, keys []token.Key) token.Grant {
	path, query := params.SplitTarget(target)
	return pl.proxy.Tokens.Verify(&token.Request{Path: path, Query: query, Authorization: r.Authorization, Cookie: r.Cookie}, keys, pl.subject(r))
}

// stillMay asks again, by what is true now, whether the visitor may see the hosted images
// that it has waited for. Bytes that were fetched meanwhile may be of an image that was
// not there, or not private, when the wait began; or come from where it is private.
func (pl *plan) stillMay(ctx context.Context, r *Request, was admission, entry *cache.Entry) (admission, error) {
	err := pl.byWay(ctx)
	if err != nil || pl.target.Kind != params.Hosted {
		return was, err
	}
	now := *pl
	if now.image, err = pl.proxy.Catalog.Image(ctx, pl.target.Account, pl.target.Image); err != nil {
		return was, err
	}
	if closed(entry) {
		image := *now.image
		image.RequireSigned, now.image = true, &image
	}
	if pl.variant != nil {
		if now.variant, err = pl.proxy.Catalog.Variant(ctx, pl.target.Account, pl.target.Variant); err != nil {
			return was, err
		}
	}
	return now.authorise(ctx, r)
}

// subject is what r asks to see. A width that depends on the client's hints is the
// one that it will get; one that bounds nothing is none: scale-up leaves what is
// larger as it is.
func (pl *plan) subject(r *Request) *token.Subject {
	t := &pl.target
	s := &token.Subject{Account: t.Account, Image: t.Image, Variant: t.Variant}
	if t.Variant == "" {
		o, _ := negotiate.Resolve(t.Options, r.Client)
		if s.Width, s.Height = o.Box(); o.Fit == params.ScaleUp {
			s.Width, s.Height = 0, 0
		}
	}
	return s
}

// privately is the Cache-Control of a private answer: nobody but the visitor may
// keep it, and no longer than the proof is good, or than the answer is meant to live
// (R-ttl).
func (pl *plan) privately(a admission, entry *cache.Entry) string {
	life := pl.maxAge
	for _, f := range entry.Fields {
		if f.Name != "Cache-Control" {
			continue
		}
		if strings.Contains(f.Value, "no-store") {
			return "private, no-store"
		}
		_, rest, _ := strings.Cut(f.Value, "max-age=")
		seconds, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.Atoi(seconds); err == nil { // it is our own spelling
			life = min(life, time.Duration(n)*time.Second)
		}
	}
	if !a.expires.IsZero() {
		life = min(life, a.expires.Sub(pl.proxy.Now()))
	}
	var room [48]byte
	return string(strconv.AppendInt(append(room[:0], "private, max-age="...), int64(max(life, 0)/time.Second), 10))
}

// Referers says which pages may show our images.
type Referers struct {
	Hosts []string // host or *.host, which is the host, too; lower case. None = every page
	Empty bool     // requests that do not say which page they are for are answered
}

// welcome refuses pages that may not show our images. The zone and the host that
// was asked may always.
func (at *Host) welcome(r *Request) error {
	if len(at.Referers.Hosts) == 0 {
		return nil
	}
	refused := fault.New(fault.Denied, "This page may not show images of this server")
	if r.Referer == "" {
		if at.Referers.Empty {
			return nil
		}
		return refused
	}
	u, err := url.Parse(r.Referer)
	if err != nil || u.Hostname() == "" {
		return refused
	}
	host := strings.ToLower(u.Hostname())
	if host == at.Site.Zone || strings.EqualFold(u.Host, r.Host) {
		return nil
	}
	for _, allowed := range at.Referers.Hosts {
		parent, wild := strings.CutPrefix(allowed, "*.")
		if host == parent || wild && strings.HasSuffix(host, "."+parent) {
			return nil
		}
	}
	return refused
}
