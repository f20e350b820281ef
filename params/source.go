package params

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/fovea-images/fovea/internal/fault"
)

// parseSource reads what follows the options, query string included (R-source).
func (s *Site) parseSource(text, zone string) (Source, error) {
	text = strings.TrimLeft(text, "/")
	if hasFoldPrefix(text, "http%3a") || hasFoldPrefix(text, "https%3a") || hasFoldPrefix(text, "s3%3a") {
		decoded, ok := unescape(text)
		if !ok {
			return Source{}, fault.New(fault.BadSource, "The encoded source has a %% that is not followed by two hexadecimal digits")
		}
		text = decoded
	}
	text, _, _ = strings.Cut(text, "#")
	if hasControl(text) {
		return Source{}, fault.New(fault.BadSource, "The source has a control character")
	}
	scheme, rest, ok := cutScheme(text)
	if !ok {
		source, err := pathSource(text)
		source.Zone = s.Zone
		return source, err
	}
	if scheme != "http" && scheme != "https" && scheme != bucketScheme {
		return Source{}, fault.New(fault.BadSource, "Expected a source with http:// or https://, received %s:", clip(scheme))
	}
	u, err := readURL(scheme, rest)
	if err != nil {
		return Source{}, err
	}
	if err := s.allow(u, zone); err != nil {
		return Source{}, err
	}
	return u.source(), nil
}

func hasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// cutScheme splits off a scheme (RFC 3986 section 3.1), lower case. A colon
// later than the first segment is no scheme's.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ':' && i > 0:
			return strings.ToLower(s[:i]), s[i+1:], true
		case isAlnum(c) && (i > 0 || c > '9'), i > 0 && (c == '+' || c == '-' || c == '.'):
		default:
			return "", "", false
		}
	}
	return "", "", false
}

func pathSource(text string) (Source, error) {
	path, query, _ := strings.Cut(text, "?")
	if path == "" {
		return Source{}, fault.New(fault.BadSource, "The source is missing; expected options/path or options/https://host/path")
	}
	if err := checkPath("/"+path, true); err != nil {
		return Source{}, err
	}
	return Source{Value: wire("/"+path, query)}, nil
}

// ParseURL reads an absolute http, https or s3 URL as strictly as a source in a URL.
// Whether it may be fetched is for [Site.Allow] to say. Errors are *fault.Error of
// kind BadSource.
func ParseURL(text string) (Source, error) {
	text, _, _ = strings.Cut(text, "#")
	if hasControl(text) {
		return Source{}, fault.New(fault.BadSource, "The source has a control character")
	}
	scheme, rest, ok := cutScheme(text)
	if !ok || scheme != "http" && scheme != "https" && scheme != bucketScheme {
		return Source{}, fault.New(fault.BadSource, "Expected a source with http:// or https://, received %s", strconv.QuoteToASCII(clip(text)))
	}
	u, err := readURL(scheme, rest)
	return u.source(), err
}

// Allow refuses an absolute source that is neither zone's own nor of an allowed
// origin, and those that would fetch a transform of ours: *fault.Error of kind
// NotAllowed, BadSource or Loop.
func (s *Site) Allow(source Source) error {
	scheme, rest, _ := cutScheme(source.Value)
	u, err := readURL(scheme, rest)
	if err != nil {
		return err
	}
	return s.allow(u, s.Zone)
}

// absolute is a source URL in its parts. The host of a bucket is its name.
type absolute struct{ scheme, host, path, query string }

func (u absolute) source() Source {
	return Source{Absolute: true, Value: u.scheme + "://" + u.host + wire(u.path, u.query)}
}

// readURL takes apart what follows the scheme and its colon.
func readURL(scheme, rest string) (absolute, error) {
	rest = strings.TrimLeft(rest, "/")
	if scheme == bucketScheme {
		return readBucket(rest)
	}
	end := strings.IndexAny(rest, "/?\\")
	if end < 0 {
		end = len(rest)
	}
	host, err := canonicalHost(rest[:end], scheme)
	if err != nil {
		return absolute{}, err
	}
	path, query, _ := strings.Cut(rest[end:], "?")
	if !strings.HasPrefix(path, "/") {
		// A host may end at a backslash (WHATWG URL), which must not come to stand in
		// the host once it is escaped.
		path = "/" + strings.TrimPrefix(path, `\`)
	}
	return absolute{scheme, host, path, query}, checkPath(path, false)
}

// bucketScheme begins sources in the buckets of an S3-compatible service:
// s3://bucket/key.
const bucketScheme = "s3"

// readBucket takes apart a bucket and a key. A key has one spelling: what need not be
// escaped in a path is not, and all else is.
func readBucket(rest string) (absolute, error) {
	name, key, _ := strings.Cut(rest, "/")
	name = strings.ToLower(name)
	if !validBucket(name) {
		return absolute{}, fault.New(fault.BadSource, "Expected s3://bucket/key with a bucket of 3 to 63 letters, digits, '.' and '-', received %s", strconv.QuoteToASCII(clip(name)))
	}
	if strings.Contains(key, "?") {
		return absolute{}, fault.New(fault.BadSource, "A source in a bucket must not have a query; a question mark in a key is spelt %%3F")
	}
	decoded, ok := unescape(key)
	if !ok {
		return absolute{}, fault.New(fault.BadSource, "The key has a %% that is not followed by two hexadecimal digits")
	}
	if len(decoded) > 1024 || !utf8.ValidString(decoded) {
		return absolute{}, fault.New(fault.BadSource, "Expected a key of at most 1024 bytes of UTF-8")
	}
	path := string(appendEscaped([]byte("/"), decoded, "/!$&'()*+,;=:@"))
	return absolute{scheme: bucketScheme, host: name, path: path}, checkPath(path, false)
}

func validBucket(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '-' && c != '.' {
			return false
		}
	}
	return len(name) >= 3 && len(name) <= 63 && isAlnum(name[0]) && isAlnum(name[len(name)-1]) && !strings.Contains(name, "..")
}

func (s *Site) allow(u absolute, zone string) error {
	if u.scheme == bucketScheme { // whatever its name is: a bucket is no host
		switch {
		case u.path == "/":
			return fault.New(fault.BadSource, "Expected s3://bucket/key, received no key")
		case !s.Origins.allowKey(u.host, u.path):
			return fault.New(fault.NotAllowed, "The bucket %s is not on the list of allowed origins", clip(u.host))
		}
		return nil
	}
	if own := strings.EqualFold(u.host, zone); own {
		return checkPath(u.path, true)
	}
	if !s.Origins.allow(u.host, u.path) {
		return fault.New(fault.NotAllowed, "The host %s is not on the list of allowed origins", clip(u.host))
	}
	return nil
}

// canonicalHost is authority in the one spelling that is compared and fetched:
// lower case, A-labels, without a default port.
func canonicalHost(authority, scheme string) (string, error) {
	bad := func(why string) (string, error) {
		return "", fault.New(fault.BadSource, "Expected a source host, received %s: %s", strconv.QuoteToASCII(clip(authority)), why)
	}
	if strings.ContainsRune(authority, '@') {
		return "", fault.New(fault.BadSource, "A source must not carry a user name or password")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("the port is not a number from 1 to 65535")
		}
		port = ":" + strconv.FormatUint(n, 10)
	}
	if port == ":80" && scheme == "http" || port == ":443" && scheme == "https" {
		port = ""
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return bad("it is empty")
	}
	if literal, ok := strings.CutPrefix(host, "["); ok {
		if strings.Trim(literal, "0123456789abcdefABCDEF:.") != "]" {
			return bad("it is no IPv6 address")
		}
		return strings.ToLower(host) + port, nil
	}
	name, ok := unescape(host)
	if !ok {
		return bad("an escape is broken")
	}
	if name = strings.ToLower(name); plainHost(name) {
		return name + port, nil
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil || !plainHost(ascii) {
		return bad("it is no host name")
	}
	return ascii + port, nil
}

func plainHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != "" && len(host) <= 253 && !strings.Contains("."+host+".", "..")
}

// checkPath refuses dot segments however they are spelt and, on the zone itself,
// a transform of a transform.
func checkPath(path string, own bool) error {
	decoded, ok := unescape(path)
	if !ok {
		decoded = path // a lone % is the origin's business
	}
	decoded = strings.ReplaceAll(decoded, `\`, "/")
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return fault.New(fault.BadSource, "A source must not have '.' or '..' segments")
		}
	}
	if hasControl(decoded) {
		return fault.New(fault.BadSource, "The source has a control character")
	}
	if own && strings.HasPrefix("/"+strings.TrimLeft(decoded, "/"), transformPrefix) {
		return fault.New(fault.Loop, "The source is itself the result of a transform")
	}
	return nil
}

// wire spells path and query as they go out: what may not stand in a URL is
// escaped, and nothing else changes.
func wire(path, query string) string {
	const keep = "/!$&'()*+,;=:@%[]"
	b := appendEscaped(make([]byte, 0, len(path)+len(query)+1), path, keep)
	if query != "" {
		b = appendEscaped(append(b, '?'), query, keep+"?")
	}
	return string(b)
}

// clip shortens what came from outside before it is quoted in a sentence.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
