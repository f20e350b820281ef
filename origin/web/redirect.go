package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

const maxRedirects = 5 // R-origins

var (
	errRedirects   = errors.New("too many redirects")
	errBadRedirect = errors.New("redirect to no http or https URL")
	errSigned      = errors.New("redirect of a request that was signed for where it went")
	errElsewhere   = errors.New("redirect to a host that is not allowed")
)

// follow sends a GET, and again to where it is redirected. The standard library's client
// would, too; but it copies every header before it knows whether there is a redirect.
func (o *Origin) follow(request *http.Request) (*http.Response, error) {
	for hops := 0; ; hops++ {
		response, err := o.sources.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		location := response.Header.Get("Location")
		if !redirected(response.StatusCode) || location == "" { // which is for who reads it to judge
			return response, nil
		}
		_, _ = io.CopyN(io.Discard, response.Body, maxRedirectBody) // a short body leaves the connection good
		_ = response.Body.Close()
		if hops == maxRedirects {
			return nil, errRedirects
		}
		if request, err = o.redirect(request, location); err != nil {
			return nil, err
		}
	}
}

const maxRedirectBody = 2 << 10

func redirected(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect is the request that a redirect of another leads to, if it may. What one host
// is trusted with, no other gets to see.
func (o *Origin) redirect(from *http.Request, location string) (*http.Request, error) {
	if from.Header.Get(signedBody) != "" {
		return nil, errSigned
	}
	u, err := from.URL.Parse(location)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errBadRedirect
	}
	elsewhere := !strings.EqualFold(from.URL.Host, u.Host) || from.URL.Scheme != u.Scheme
	if o.Redirects != nil && !strings.EqualFold(from.URL.Host, u.Host) && !o.Redirects(u.String()) {
		return nil, errElsewhere
	}
	next, err := http.NewRequestWithContext(from.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errBadRedirect
	}
	if next.Header = from.Header.Clone(); elsewhere {
		next.Header.Del("Authorization")
	}
	o.untell(next)
	return next, nil
}
