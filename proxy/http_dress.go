package proxy

import (
	"strings"
	"sync/atomic"
	"weak"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/cache"
)

// dress is the header of the answers to one text by one entry, but for what passes. It
// keeps no entry in memory that the cache has let go of.
type dress struct {
	entry  weak.Pointer[cache.Entry]
	header fasthttp.ResponseHeader
}

// write writes answer. One from the cache that has been given before to the same text,
// known, is dressed already, but for what Cache-Control says to who had to show a proof.
func (p *Proxy) write(at *Host, rc *fasthttp.RequestCtx, request *Request, answer *Answer) {
	h, now := &rc.Response.Header, request.At
	if worn := request.recalled.wears(answer); worn == nil {
		now = p.Now() // it may have taken long
		p.dress(at, rc, answer)
	} else if d := worn.Load(); d != nil && d.entry.Value() == answer.Entry {
		d.header.CopyTo(h)
	} else {
		p.dress(at, rc, answer)
		d = &dress{entry: weak.Make(answer.Entry)}
		h.CopyTo(&d.header)
		worn.Store(d)
	}
	var room [64]byte
	if answer.CacheControl != "" {
		h.SetCanonical([]byte("Cache-Control"), append(room[:0], answer.CacheControl...))
	}
	h.SetCanonical([]byte("Cache-Status"), answer.Outcome.AppendStatus(append(room[:0], "fovea; "...), answer.Entry.TTL(now)))
	if !answer.NotModified {
		rc.Response.SetBodyRaw(answer.Entry.Body)
	}
}

// wears is where the dress of answer is kept; nil: nowhere.
func (known *recollection) wears(answer *Answer) *atomic.Pointer[dress] {
	switch {
	case known == nil || answer.Outcome != cache.Hit && answer.Outcome != cache.Revalidated:
		return nil
	case answer.Private && answer.NotModified:
		return &known.privateHead
	case answer.Private:
		return &known.private
	case answer.NotModified:
		return &known.head
	}
	return &known.whole
}

// dress sets the header of answer, but for Cache-Status, whose time passes, and for a
// Cache-Control that takes the place of the entry's.
func (p *Proxy) dress(at *Host, rc *fasthttp.RequestCtx, answer *Answer) {
	h := &rc.Response.Header
	e := answer.Entry
	h.SetContentType(e.Type)
	h.Set("ETag", e.ETag)
	if !e.Modified.IsZero() {
		rc.Response.Header.SetLastModified(e.Modified)
	}
	letter := "m"
	switch answer.Outcome {
	case cache.Hit, cache.Stale:
		letter = "h"
	case cache.Revalidated:
		letter = "r"
	}
	done := "internal=ok/" + letter
	timings := "cache;desc=" + answer.Outcome.String()
	for _, f := range e.Fields {
		switch f.Name {
		case fieldDone:
			done += f.Value
		case fieldSmall, fieldClosed:
		case fieldTimings:
			if letter == "m" {
				timings += ", " + f.Value
			}
		default:
			h.Set(f.Name, f.Value)
		}
	}
	if also := p.variesBy(at, answer); also != "" {
		h.Set("Vary", strings.TrimPrefix(string(h.Peek("Vary"))+also, ", "))
	}
	h.Set(doneHeader(answer.Kind), done)
	h.Set("Server-Timing", timings)
	if text := warningText(answer.Warnings); text != "" {
		h.Add("warning", text)
	}
	at.guard(rc, answer.Private)
	if answer.NotModified {
		rc.SetStatusCode(fasthttp.StatusNotModified)
	}
}

// variesBy is what of a request its answer depends on besides the entry: whether it
// was let in.
func (p *Proxy) variesBy(at *Host, answer *Answer) string {
	also := ""
	if answer.Private && p.Tokens.Bearer {
		also += ", Authorization"
	}
	if answer.Private && p.Tokens.Cookie != "" {
		also += ", Cookie"
	}
	if len(at.Referers.Hosts) > 0 {
		also += ", Referer"
	}
	return also
}
