package web

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/origin"
)

// hopByHop are the fields of one connection (RFC 9110 section 7.6.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func dropHops(h http.Header) {
	for _, line := range h.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// Forward passes a request on to the website and returns its answer as it comes:
// redirects, failures and all. The caller closes its body. Unlike a fetch it takes
// the visitor's fields with it: they are the website's own.
func (o *Origin) Forward(ctx context.Context, f *origin.Forwarded) (*http.Response, error) {
	base := o.base(f.Zone)
	if base == nil {
		return nil, fault.New(fault.NotFound, "There is no website behind this server")
	}
	if strings.Contains(strings.Join(f.Header.Values("Via"), ","), viaName) {
		return nil, fault.New(fault.Loop, "The website behind this server is this server")
	}
	// What does not begin with a slash would become part of the host.
	if !strings.HasPrefix(f.Target, "/") {
		return nil, fault.New(fault.BadSource, "Expected a path that begins with a slash")
	}
	if f.Method == http.MethodConnect || f.Method == http.MethodTrace {
		return nil, fault.New(fault.BadOptions, "The method %s is not passed on", f.Method)
	}
	request, err := http.NewRequestWithContext(ctx, f.Method, strings.TrimSuffix(base.String(), "/")+f.Target, f.Body)
	if err != nil {
		return nil, fault.Wrap(fault.BadSource, withoutURL(err), "The path is none that can be passed on")
	}
	request.Header = f.Header
	request.ContentLength = f.Length
	dropHops(request.Header)
	request.Header.Add("Via", "1.1 "+viaName)
	request.Header.Set("X-Forwarded-Host", f.Host)
	request.Header.Set("X-Forwarded-For", strings.TrimPrefix(request.Header.Get("X-Forwarded-For")+", "+f.Client, ", "))
	request.Header.Set("X-Forwarded-Proto", map[bool]string{true: "https", false: "http"}[f.Secure])
	if _, named := request.Header["User-Agent"]; !named {
		request.Header["User-Agent"] = nil // or the client would name itself
	}
	passage := o.passage
	if f.Upgrade != "" {
		passage = o.upgrades
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", f.Upgrade)
	}
	select {
	case o.waiting <- struct{}{}:
	default:
		return nil, fault.New(fault.Overloaded, "Too many requests wait for the website behind this server; try again shortly")
	}
	m := trail.Of(ctx).Begin("request", "forward")
	m.Method, m.Host = f.Method, base.Host
	o.tell(request, &m)
	response, err := passage.RoundTrip(request)
	<-o.waiting
	if err != nil {
		err = failure(err, fault.ConnectTimeout)
		m.End(kindOf(err))
		return nil, err
	}
	m.Status = response.StatusCode
	m.End("")
	if response.StatusCode == http.StatusSwitchingProtocols {
		return o.switched(response, f.Upgrade)
	}
	dropHops(response.Header)
	return response, nil
}

// switched judges an answer that leaves HTTP: only for the protocol that was asked for.
func (o *Origin) switched(response *http.Response, wanted string) (*http.Response, error) {
	to := response.Header.Get("Upgrade")
	_, open := response.Body.(io.ReadWriteCloser)
	if wanted == "" || !strings.EqualFold(to, wanted) || !open {
		_ = response.Body.Close()
		return nil, fault.New(fault.FetchFailed, "The website switched to a protocol that was not asked for")
	}
	dropHops(response.Header)
	response.Header.Set("Connection", "Upgrade")
	response.Header.Set("Upgrade", to)
	return response, nil
}
