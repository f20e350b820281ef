package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/plugins"
)

// accepted spells the output formats that an Accept header takes, the best first.
func accepted(accept []byte) string {
	takes := negotiate.ParseAccept(string(accept))
	var words []string
	for _, f := range []struct {
		bit  negotiate.Accepts
		word string
	}{{negotiate.AcceptsAVIF, "avif"}, {negotiate.AcceptsWebP, "webp"}} {
		if takes&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ",")
}

// newRequest is the request that a client would send with these headers.
func newRequest(host, target string, header http.Header) *Request {
	all := func(name string) string { return strings.Join(header.Values(name), ", ") }
	return &Request{
		Method: http.MethodGet, Host: host, Target: target, Via: all("Via"),
		Authorization: header.Get("Authorization"), Cookie: strings.Join(header.Values("Cookie"), "; "), Referer: header.Get("Referer"),
		Client: negotiate.Client{
			Accept: all("Accept"), UserAgent: header.Get("User-Agent"), ViewportWidth: header.Get("Sec-CH-Viewport-Width"),
			SaveData: header.Get("Save-Data"), RTT: header.Get("RTT"), ECT: header.Get("ECT"), Downlink: header.Get("Downlink"),
		},
	}
}

// rehearsed is when every explanation takes place, and what its dice begin with.
var rehearsed = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rehearse takes r through the rules for people to see: the same each time.
func (p *Proxy) rehearse(ctx context.Context, x *plugins.Exchange, r *Request, header http.Header) error {
	x.Site, x.Accepts = &p.At(r.Host, r.Target).Site, accepted
	x.Now, x.Random = func() time.Time { return rehearsed }, rand.NewChaCha8([32]byte{})
	x.Load([]byte(r.Method), []byte(r.Target))
	x.LoadHeader([]byte("host"), []byte(r.Host))
	var names []string
	for name := range header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range header[name] {
			x.LoadHeader([]byte(name), []byte(value))
		}
	}
	x.Rehearse()
	return p.Rules.Request(ctx, x)
}

// ruledRequest is what the rules have made of a request.
func ruledRequest(x *plugins.Exchange) *Request {
	header := http.Header{}
	for _, f := range x.Fields(plugins.RequestHeader) {
		header.Add(string(f.Name), string(f.Value))
	}
	r := newRequest(header.Get("Host"), string(x.URI()), header)
	r.Method, r.Rules = string(x.Method()), x
	return r
}

// addRules adds to e what the rules want on the answer.
func (e *Explanation) addRules(x *plugins.Exchange) {
	current := ""
	for _, h := range e.Headers {
		if value, ok := strings.CutPrefix(h, "Cache-Control: "); ok {
			current = value
		}
	}
	x.Waiting(current, func(name, value []byte, replace bool) {
		if replace {
			kept := e.Headers[:0]
			for _, h := range e.Headers {
				if have, _, _ := strings.Cut(h, ":"); !strings.EqualFold(have, string(name)) {
					kept = append(kept, h)
				}
			}
			e.Headers = kept
		}
		e.Headers = append(e.Headers, http.CanonicalHeaderKey(string(name))+": "+string(value))
	})
	x.Varies(func(name []byte) { e.Vary = append(e.Vary, string(name)) })
}

// tellStep spells what a rule did, a fact a line.
func tellStep(line func(name, format string, args ...any), s plugins.Step) {
	text := s.Rule + ": " + s.Outcome
	if s.Status != 0 {
		text += fmt.Sprintf(" %d, %d bytes", s.Status, len(s.Body))
	}
	line("rule", "%s, %d instructions, %v", text, s.Units, s.Took.Round(time.Microsecond))
	line("", "%s", s.Reason)
	if s.After != "" {
		line("", "%s → %s", s.Before, s.After)
	}
	for _, list := range []struct {
		what  string
		lines []string
	}{{"request", s.Request}, {"answer", s.Answer}, {"vary", s.Vary}, {"tag", s.Tags}, {"log", s.Log}} {
		for _, text := range list.lines {
			line("", "%s %s", list.what, text)
		}
	}
}

// withoutQuery cuts the query off a target, and that of a source in it, which may
// be escaped: either may hold a proof.
func withoutQuery(target string) string {
	target, _, _ = strings.Cut(target, "?")
	for i := 0; ; i++ {
		escape := strings.IndexByte(target[i:], '%')
		if escape < 0 {
			return target
		}
		if i += escape; i+2 < len(target) && target[i+1] == '3' && target[i+2]|0x20 == 'f' {
			return target[:i]
		}
	}
}
