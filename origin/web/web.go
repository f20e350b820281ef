// Package web fetches an allowed URL and never a private address.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// Options are what an Origin is made from. Zero fields take the defaults named.
type Options struct {
	Site *url.URL // base of the zone's own paths; nil: they are NotFound
	// Buckets are where the sources s3://bucket/key are, by the bucket's name.
	Buckets map[string]Bucket
	// Zones are the bases of zones that have one of their own, or none: nil.
	Zones        map[string]*url.URL
	AllowPrivate []netip.Prefix // networks that may be fetched although they are not public
	MaxBytes     int64          // largest body; 100 MB
	Timeout      time.Duration  // for a whole fetch, redirects included; 20 s
	Connect      time.Duration  // for a connection, and again for TLS; 5 s
	Header       time.Duration  // from the request to the answer's header; 10 s
	PerHost      int            // connections to one host; 32
	Keep         int64          // bytes of sources kept in memory; 0 = none
	// Unkept are URLs whose source is not kept, whatever its origin says: those of
	// images that can become private. nil = none.
	Unkept func(address string) bool
	// Redirects says which URLs a redirect may lead to, besides those on the host that it
	// came from; nil = all at public addresses.
	Redirects func(address string) bool
	// Traced says which hosts, without ports, are told by what a request of ours is followed;
	// nil = none is.
	Traced   func(host string) bool
	Version  string        // told in User-Agent and Via
	Resolver *net.Resolver // nil: the system's
	Now      func() time.Time
	// Pause waits between two attempts; it ends with ctx. nil = for as long as it is told.
	Pause   func(ctx context.Context, d time.Duration) error
	RootCAs *tls.Config // nil: the system's; tests bring their own
}

// Origin is an origin.Origin of remote sources.
type Origin struct {
	Options
	sources  *http.Transport
	passage  *http.Transport // to the website, for visitors
	upgrades *http.Transport // likewise, for those who leave HTTP
	waiting  chan struct{}   // visitors whom the website has not begun to answer
	hosts    hosts
	kept     *kept
	counts   tallies
}

// viaName is our name in the Via field of what we send.
const viaName = "fovea"

// maxVisitors is how many connections to the website visitors may have at once.
const maxVisitors = 512

// maxWaiting is how many visitors may wait for it: a website that hangs must not take
// every connection that images could be asked for on.
const maxWaiting = 4 * maxVisitors

// New checks o and returns an Origin.
func New(o Options) (*Origin, error) {
	errs := []error{checkSite(o.Site)}
	for _, site := range o.Zones {
		errs = append(errs, checkSite(site))
	}
	buckets := make(map[string]Bucket, len(o.Buckets))
	for name, b := range o.Buckets {
		if err := b.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("buckets: %s: %w", name, err))
		}
		buckets[name] = b
	}
	o.Buckets = buckets
	if o.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("max_bytes: expected 0 or more, received %d", o.MaxBytes))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout: expected a duration of 0 or more, received %v", o.Timeout))
	}
	if o.PerHost < 0 {
		errs = append(errs, fmt.Errorf("per_host: expected 0 or more, received %d", o.PerHost))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.Timeout, 20 * time.Second}, {&o.Connect, 5 * time.Second}, {&o.Header, 10 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 100_000_000
	}
	if o.PerHost == 0 {
		o.PerHost = 32
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	w := &Origin{Options: o, hosts: hosts{slots: o.PerHost, now: o.Now}, kept: newKept(o.Keep), waiting: make(chan struct{}, maxWaiting)}
	dialer := &net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second, Resolver: o.Resolver, Control: w.guard}
	transport := func(most int) *http.Transport {
		return &http.Transport{
			Proxy:                  nil, // one would resolve names where the guard cannot see
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.RootCAs,
			TLSHandshakeTimeout:    o.Connect,
			ResponseHeaderTimeout:  o.Header,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        most,
			MaxIdleConns:           256,
			MaxIdleConnsPerHost:    most,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true, // pictures do not shrink, bombs grow
			ForceAttemptHTTP2:      true,
		}
	}
	w.sources = transport(o.PerHost)
	w.passage = transport(maxVisitors)
	w.passage.ResponseHeaderTimeout = time.Minute // a page may take longer than a picture
	w.upgrades = transport(0)
	w.upgrades.Protocols = new(http.Protocols) // HTTP/2 cannot be left
	w.upgrades.Protocols.SetHTTP1(true)
	w.upgrades.ForceAttemptHTTP2 = false
	return w, nil
}

func checkSite(u *url.URL) error {
	if u != nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return fmt.Errorf("site: expected a URL such as https://www.example.com, received %q", u.Redacted())
	}
	return nil
}

// base is the website of a zone; nil = there is none.
func (o *Origin) base(zone string) *url.URL {
	if own, ok := o.Zones[zone]; ok {
		return own
	}
	return o.Site
}

// URL returns the absolute URL of a remote source.
func (o *Origin) URL(s params.Source) (string, error) {
	if s.Absolute {
		return s.Value, nil
	}
	base := o.base(s.Zone)
	if base == nil {
		return "", &fault.Error{
			Kind: fault.NotFound, Public: "There is no website behind this server that could have the source",
			Hint: "name it: origins.site: https://www.example.com",
		}
	}
	return strings.TrimSuffix(base.String(), "/") + s.Value, nil
}

// Fetch implements origin.Origin. Nothing of the visitor goes out: no cookies, no
// authorisation, no address (contract 1.2).
func (o *Origin) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	address, err := o.URL(t.Source)
	if err != nil {
		return origin.Source{}, err
	}
	return o.Get(ctx, address)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get fetches an absolute URL, or gives back what is kept of it: while its origin
// says that it is fresh without asking, then if the origin says that it is still the
// same. The body is shared: it is only read.
func (o *Origin) Get(ctx context.Context, address string) (source origin.Source, err error) {
	known, age := o.kept.get(address)
	fields := map[string]string{}
	if known != nil {
		if left := known.until.Sub(o.Now()); left > 0 {
			o.counts.kept.Add(1)
			source = known.source
			source.Fresh = left
			return source, nil
		}
		if known.etag != "" {
			fields["If-None-Match"] = known.etag
		} else if known.modified != "" {
			fields["If-Modified-Since"] = known.modified
		}
	}
	err = o.ask(ctx, address, fields, func(response *http.Response) error {
		if response.StatusCode == http.StatusNotModified && len(fields) > 0 {
			source = known.source
			live(&source, response.Header)
			o.keep(address, source, response.Header, known, age)
			return nil
		}
		if source, err = o.read(address, response); err == nil {
			o.keep(address, source, response.Header, nil, age)
		}
		return err
	})
	return source, err
}

// Forget drops what is kept of every URL that goes says so of: it is fetched anew
// when it is wanted next.
func (o *Origin) Forget(goes func(url string) bool) { o.kept.forget(goes) }

// keep keeps a source that may be kept. A 304 need not repeat the validators of old.
func (o *Origin) keep(address string, source origin.Source, header http.Header, old *keptSource, age int) {
	k := &keptSource{url: address, source: source, etag: header.Get("ETag"), modified: header.Get("Last-Modified"), until: o.Now().Add(source.Fresh)}
	if old != nil && k.etag == "" {
		k.etag = old.etag
	}
	if old != nil && k.modified == "" {
		k.modified = old.modified
	}
	if o.Keep == 0 || o.Unkept != nil && o.Unkept(address) || source.Private || source.Fresh == 0 && k.etag == "" && k.modified == "" {
		o.kept.drop(address)
		return
	}
	o.kept.put(k, age)
}

// Ask fetches an absolute URL with these header fields and gives back whatever it
// answers, for those who know what its failures mean. The header is the caller's.
func (o *Origin) Ask(ctx context.Context, address string, fields map[string]string) (status int, header http.Header, body []byte, err error) {
	err = o.ask(ctx, address, fields, func(response *http.Response) error {
		status, header = response.StatusCode, response.Header
		body, err = o.body(response)
		return err
	})
	return status, header, body, err
}

// ask sends a request, again if it failed in passing, and has its answer read; all
// within one deadline.
func (o *Origin) ask(ctx context.Context, address string, fields map[string]string, read func(*http.Response) error) error {
	u, from, err := o.whereabouts(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	leave, err := o.hosts.enter(ctx, u.Host)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		err = o.once(ctx, u, from, fields, read)
		if err == nil || attempt == retries || !passing(err) || o.Pause(ctx, backoff(attempt)) != nil {
			leave(tells(err))
			return err
		}
	}
}

func (o *Origin) once(ctx context.Context, u *url.URL, from *Bucket, fields map[string]string, read func(*http.Response) error) error {
	request, err := o.request(ctx, u, from)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "Fovea/"+o.Version)
	request.Header.Set("Accept", "image/*")
	request.Header.Set("Via", "1.1 "+viaName+" (image-resizing)")
	for name, value := range fields {
		request.Header.Set(name, value)
	}
	begun := o.Now()
	m := trail.Of(ctx).Begin("request", "fetch")
	m.Method, m.Host = request.Method, request.URL.Host
	o.tell(request, &m)
	err = func() error {
		response, err := o.follow(request)
		if err != nil {
			return failure(err, fault.ConnectTimeout)
		}
		defer response.Body.Close()
		m.Status = response.StatusCode
		if err = read(response); err != nil && from != nil {
			return from.said(err, response)
		}
		return err
	}()
	m.End(kindOf(err))
	o.counts.add(err, m.Status, o.Now().Sub(begun))
	return err
}

// kindOf is the kind of a failure; "" for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Kind.String()
}

// withoutURL is err without the URL that it says, which may hold a proof.
func withoutURL(err error) error {
	var spelt *url.Error
	if errors.As(err, &spelt) {
		return spelt.Err
	}
	return err
}

// failure says which kind of fault a client's error is. timeout is the kind of a
// time limit in this phase.
func failure(err error, timeout fault.Kind) error {
	err = withoutURL(err)
	var dns *net.DNSError
	var network net.Error
	var refused *refusedError
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return fault.Wrap(fault.NotAllowed, err, "The source is not at a public address")
	case errors.Is(err, errRedirects):
		return fault.Wrap(fault.ManyRedirects, err, "More than %d redirects", maxRedirects)
	case errors.Is(err, errElsewhere):
		return fault.Wrap(fault.NotAllowed, err, "The source redirects to a host that is not on the list of allowed origins")
	case errors.Is(err, errSigned):
		return fault.New(fault.BadRedirect, "The bucket is elsewhere: look at its endpoint and region")
	case errors.Is(err, errBadRedirect):
		return fault.Wrap(fault.BadRedirect, err, "Expected a redirect to an http or https URL")
	case errors.As(err, &tooLong):
		return fault.Wrap(fault.SourceTooLong, err, "At most %d bytes are read", tooLong.Limit)
	case errors.As(err, &dns) && !dns.IsTimeout:
		return fault.Wrap(fault.DNSFailed, err, "Its name does not resolve")
	case errors.Is(err, context.Canceled):
		return fault.Of(err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fault.Wrap(timeout, err, "The origin took too long")
	}
	return fault.Wrap(fault.FetchFailed, err, "The origin did not answer as it should")
}

func (o *Origin) read(address string, response *http.Response) (origin.Source, error) {
	if err := judge(response); err != nil {
		return origin.Source{}, err
	}
	if response.ContentLength > o.MaxBytes {
		return origin.Source{}, fault.New(fault.SourceTooLong, "The source has %d bytes; at most %d are read", response.ContentLength, o.MaxBytes)
	}
	body, err := o.body(response)
	if err != nil {
		return origin.Source{}, err
	}
	source := origin.Source{Body: body, Validator: origin.Validator(response.Header.Get("ETag"))}
	if source.Validator == "" {
		sum := sha256.Sum256(body)
		source.Validator = hex.EncodeToString(sum[:])
	}
	if at, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		source.Modified = at
	}
	live(&source, response.Header)
	if final := response.Request.URL.String(); o.Unkept != nil && o.Unkept(final) && !o.Unkept(address) {
		source.Private = true // nobody would know to forget it
	}
	return source, nil
}

// trusted is how much of what an answer says of its length is believed before it has
// come.
const trusted = 4 << 20

// body reads an answer whole, into memory that fits it at once if it told its length.
func (o *Origin) body(response *http.Response) ([]byte, error) {
	if n := response.ContentLength; response.StatusCode == http.StatusOK && n > 0 && n <= min(o.MaxBytes, trusted) {
		b := make([]byte, n) // and not a byte more: what is kept is made of it
		read, err := io.ReadFull(response.Body, b)
		if o.counts.bytes.Add(int64(read)); err != nil {
			return nil, failure(err, fault.DownloadTimeout)
		}
		return b, nil
	}
	var b bytes.Buffer
	b.Grow(int(min(max(response.ContentLength, 0), o.MaxBytes, trusted)) + bytes.MinRead) // ReadFrom wants room to see the end
	n, err := b.ReadFrom(http.MaxBytesReader(nil, response.Body, o.MaxBytes))
	if o.counts.bytes.Add(n); err != nil {
		return nil, failure(err, fault.DownloadTimeout)
	}
	return b.Bytes(), nil
}

// judge refuses every answer that is not a whole body (R-origin4xx).
func judge(response *http.Response) error {
	status := response.StatusCode
	switch {
	case status == http.StatusOK:
		// Some S3 services remember how an object was sent to them.
		if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") && !strings.EqualFold(encoding, "aws-chunked") {
			return fault.New(fault.FetchFailed, "The origin sent a Content-Encoding that was not asked for")
		}
		return nil
	case status == http.StatusNotFound:
		return fault.New(fault.NotFound, "The origin does not have it")
	case status == http.StatusBadRequest:
		return fault.New(fault.OriginBadRequest, "It does not accept the source's URL")
	case status == http.StatusRequestTimeout:
		return fault.New(fault.OriginTimeout, "It answered 408")
	case status >= 400 && status < 500:
		return &fault.Error{Kind: fault.OriginRefused, Public: "It answered " + strconv.Itoa(status), Status: status}
	case status >= 500:
		return &fault.Error{Kind: fault.OriginBroken, Public: "It answered " + strconv.Itoa(status), Status: status}
	}
	return fault.New(fault.FetchFailed, "Expected the status 200, received %d", status)
}

// live sets how long a source may be kept.
func live(source *origin.Source, header http.Header) {
	control := header.Values("Cache-Control")
	source.Fresh, source.MustRevalidate = lifetime(control)
	source.Private = private(control)
}

// private reports whether a shared cache may not keep the answer (RFC 9111 section
// 5.2.2.7); fields that the directive may name are taken for all of it.
func private(lines []string) bool {
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(lines, ",")), ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(directive), "="); name == "private" {
			return true
		}
	}
	return false
}

// lifetime reads Cache-Control as a shared cache does (RFC 9111 section 5.2.2).
func lifetime(lines []string) (fresh time.Duration, must bool) {
	age, shared := int64(-1), int64(-1)
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(lines, ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
		switch name {
		case "max-age":
			if err == nil && seconds >= 0 {
				age = seconds
			}
		case "s-maxage":
			if err == nil && seconds >= 0 {
				shared = seconds
			}
		case "no-store", "private", "no-cache":
			return 0, true
		case "must-revalidate", "proxy-revalidate":
			must = true
		}
	}
	if shared >= 0 {
		age = shared
	}
	return time.Duration(max(age, 0)) * time.Second, must
}
