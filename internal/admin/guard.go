package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

// MinToken is how many characters a token has at least.
const MinToken = 16

// Loopback reports whether host, of a listen address or a Host header, names this
// machine to itself: localhost, or a loopback address. No other name counts, wherever
// it resolves to.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return ip != nil && ip.IsLoopback()
}

// refusal is why a request is not answered.
type refusal struct {
	status int
	text   string
}

// dress sets what goes with every answer. The page loads nothing but what it came
// with, runs no script that is written into it, and is shown in no frame.
func dress(rc *fasthttp.RequestCtx) {
	h := &rc.Response.Header
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// welcome refuses names that are not this machine's own, where no token protects it: a
// web page may make its name resolve to 127.0.0.1 and then is of one origin with us.
func (s *server) welcome(rc *fasthttp.RequestCtx) *refusal {
	if s.Token != "" || Loopback(hostname(string(rc.Request.Header.Host()))) {
		return nil
	}
	return &refusal{fasthttp.StatusForbidden, "Expected localhost or a loopback address in the URL; admin.token opens other names"}
}

// hostname is the host of a Host header, without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// sameSite refuses what another site's page sends, with a visitor's browser as its
// hands.
func (s *server) sameSite(rc *fasthttp.RequestCtx) *refusal {
	refused := &refusal{fasthttp.StatusForbidden, "Expected a request of the dashboard's own, not of another site's page; a proxy in front has to pass the Host on"}
	h := &rc.Request.Header
	switch string(h.Peek("Sec-Fetch-Site")) {
	case "", "same-origin", "none":
	default:
		return refused
	}
	for _, origin := range h.PeekAll("Origin") {
		u, err := url.Parse(string(origin))
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, string(h.Host())) {
			return refused
		}
	}
	return nil
}

// authorise compares the token, in a time that does not depend on where it differs.
func (s *server) authorise(rc *fasthttp.RequestCtx) *refusal {
	if s.Token == "" {
		return nil
	}
	scheme, given, _ := strings.Cut(string(rc.Request.Header.Peek("Authorization")), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(s.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	rc.Response.Header.Set("WWW-Authenticate", `Bearer realm="fovea admin"`)
	return &refusal{fasthttp.StatusUnauthorized, "Expected the header Authorization: Bearer <admin.token>"}
}

// isJSON reports whether the body is said to be JSON, which no page of another site
// can say without asking first.
func isJSON(rc *fasthttp.RequestCtx) bool {
	kind, _, err := mime.ParseMediaType(string(rc.Request.Header.ContentType()))
	return err == nil && kind == "application/json"
}
