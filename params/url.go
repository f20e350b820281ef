package params

import (
	"strings"
	"unicode/utf8"

	"github.com/fovea-images/fovea/internal/fault"
)

const (
	transformPrefix = "/cdn-cgi/image/"
	deliveryPrefix  = "/cdn-cgi/imagedelivery/"
	maxIDChars      = 1024 // contract 1.1
)

// Site is what parsing needs to know of the zone that a request came to. It is
// read only once in use and safe for concurrent use.
type Site struct {
	Zone          string   // host name whose paths are same-zone sources; "" = the request's host
	DeliveryHosts []string // hosts that also answer the short delivery form; lower case, no port
	// Delivery is what hosts with settings of their own say of that; they are believed first.
	Delivery ByHost[bool]
	Account  string  // the only account whose images are delivered; "" = any
	Origins  Origins // allowed sources besides the zone's own
	Strict   bool    // refuse what would be ignored with a warning
	Ladder   *Ladder // limits options in URLs; nil = not
	Rewrites []Rewrite
}

// Rewrite returns target by the first rule that is for it, or as it is. It is done
// once: what a rule has made is not rewritten again.
func (s *Site) Rewrite(target string) string {
	for i := range s.Rewrites {
		if rewritten, ok := s.Rewrites[i].Apply(target); ok {
			return rewritten
		}
	}
	return target
}

// Parse reads target, the raw request target as on the wire (origin form or
// absolute form), that came with the Host header host. A Target of Kind None and
// no error is a path that is not ours. Kind is right even beside an error.
// Errors are *fault.Error of kind BadOptions, BadSource, BadPath, Loop or NotAllowed.
func (s *Site) Parse(host, target string) (Target, []Warning, error) {
	host, target, ok := originForm(host, target)
	if !ok {
		return Target{}, nil, nil
	}
	path, query, hasQuery := strings.Cut(target, "?")
	switch {
	case strings.HasPrefix(path, transformPrefix):
		return s.parseTransform(host, path[len(transformPrefix):], query, hasQuery)
	case strings.HasPrefix(path, deliveryPrefix):
		return s.parseDelivery(path[len(deliveryPrefix):])
	case s.delivers(host) && !strings.HasPrefix(path, "/cdn-cgi/"):
		return s.parseDelivery(strings.TrimPrefix(path, "/"))
	}
	return Target{}, nil, nil
}

// originForm splits the absolute form, whose own host counts (RFC 9112 section
// 3.2.2); any other target stays as it is.
func originForm(host, target string) (string, string, bool) {
	if target == "" || target[0] == '/' {
		return host, target, true
	}
	_, rest, ok := strings.Cut(target, "://")
	end := strings.IndexAny(rest, "/?")
	if !ok || end < 0 || rest[end] == '?' {
		return "", "", false
	}
	return rest[:end], rest[end:], true
}

// RequestHost returns the host that a request is for: that of its target if it is in
// absolute form, else its Host header.
func RequestHost(host, target string) string {
	if own, _, ok := originForm(host, target); ok {
		return own
	}
	return host
}

// SplitTarget returns the path and the query of a raw request target, as on the
// wire, whatever its form.
func SplitTarget(target string) (path, query string) {
	_, target, _ = originForm("", target)
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// DeliveryOf returns the account and the image that an absolute URL delivers, and the
// variant or the options that it ends with, if its path is that of a hosted image, on
// whatever host that is.
func (s *Site) DeliveryOf(url string) (account, image, tail string, ok bool) {
	host, target, ok := originForm("", url)
	path, _, _ := strings.Cut(target, "?")
	switch {
	case !ok:
		return "", "", "", false
	case strings.HasPrefix(path, deliveryPrefix):
		path = path[len(deliveryPrefix):]
	case s.delivers(host):
		path = strings.TrimPrefix(path, "/")
	default:
		return "", "", "", false
	}
	first, last := strings.IndexByte(path, '/'), strings.LastIndexByte(path, '/')
	if first < 0 || first == last {
		return "", "", "", false
	}
	image, err := ParseImageID(path[first+1 : last])
	return path[:first], image, path[last+1:], err == nil
}

func (s *Site) delivers(host string) bool {
	if delivers, ok := s.Delivery.Of(host); ok {
		return delivers
	}
	if len(s.DeliveryHosts) == 0 {
		return false
	}
	host = hostname(host)
	for _, h := range s.DeliveryHosts {
		if h == host {
			return true
		}
	}
	return false
}

// hostname is the name in a Host header: lower case, without port and final dot.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (s *Site) parseTransform(host, rest, query string, hasQuery bool) (Target, []Warning, error) {
	list, source, _ := strings.Cut(rest, "/")
	t := Target{Kind: Remote}
	var warnings []Warning
	var err error
	if t.Options, warnings, err = parseOptions(list, s.Strict, s.Ladder); err != nil {
		return t, nil, err
	}
	if hasQuery {
		source += "?" + query
	}
	zone := s.Zone
	if zone == "" {
		zone = hostname(host)
	}
	if t.Source, err = s.parseSource(source, zone); err != nil {
		return t, nil, err
	}
	return t, warnings, nil
}

func (s *Site) parseDelivery(rest string) (Target, []Warning, error) {
	t := Target{Kind: Hosted}
	first, last := strings.IndexByte(rest, '/'), strings.LastIndexByte(rest, '/')
	if first < 0 || first == last {
		return t, nil, fault.New(fault.BadPath, "Expected <account hash>/<image id>/<variant or options>")
	}
	hash, id, tail := rest[:first], rest[first+1:last], rest[last+1:]
	if !isName(hash, 64) {
		return t, nil, fault.New(fault.BadPath, "Expected an account hash of letters, digits, '-' and '_'")
	}
	if s.Account != "" && hash != s.Account {
		return t, nil, fault.New(fault.WrongAccount, "Images of this account are not delivered on this host")
	}
	var err error
	if t.Image, err = ParseImageID(id); err != nil {
		return t, nil, err
	}
	t.Account = hash
	if !strings.Contains(tail, "=") {
		if !ValidVariantName(tail) {
			return t, nil, fault.New(fault.BadPath, "Expected a variant name of 1 to 99 letters, digits, '-' and '_', or options such as width=400")
		}
		t.Variant = tail
		return t, nil, nil
	}
	var warnings []Warning
	t.Options, warnings, err = parseOptions(tail, s.Strict, s.Ladder)
	return t, warnings, err
}

// ParseImageID reads the id of an image as a path spells it, each segment decoded
// once: "a%2Fb" and "a/b" are one id (R-idpath). Anything else is a *fault.Error of
// kind BadPath.
func ParseImageID(raw string) (string, error) {
	id, ok := unescape(raw)
	if !ok {
		return "", fault.New(fault.BadPath, "Expected an image id whose every %% is followed by two hexadecimal digits")
	}
	if !ValidImageID(id) {
		return "", fault.New(fault.BadPath, "Expected an image id of 1 to 1024 characters of UTF-8 without empty, '.' or '..' segments")
	}
	return id, nil
}

// ValidImageID reports whether id may name an image (contract 1.1, R-idpath).
func ValidImageID(id string) bool {
	if !utf8.ValidString(id) || len(id) > maxIDChars && utf8.RuneCountInString(id) > maxIDChars {
		return false
	}
	for rest, more := id, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return !hasControl(id)
}

// reservedIDs would hide a call of the management API, alone or before a slash.
var reservedIDs = [...]string{"keys", "stats", "variants", "config", "batch_token"}

// ReservedID returns the call of the management API that an image of this id would
// hide, or "" (R-apipath).
func ReservedID(id string) string {
	first, _, _ := strings.Cut(id, "/")
	for _, word := range reservedIDs {
		if first == word {
			return word
		}
	}
	if strings.HasSuffix(id, "/blob") {
		return "blob"
	}
	return ""
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// IsUUID reports whether s is a UUID: an id that only the service gives out
// (contract 1.1).
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if s[i] != '-' {
				return false
			}
		case !isHex(s[i]):
			return false
		}
	}
	return true
}

// ValidKeyName reports whether name may name a signing key (R-keys).
func ValidKeyName(name string) bool { return isName(name, 64) }

// ValidVariantName reports whether name may name a variant (R-variantname).
func ValidVariantName(name string) bool { return isName(name, 99) }

func isName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unescape percent-decodes s once; ok is false for a broken escape. Without an
// escape it returns s itself.
func unescape(s string) (text string, ok bool) {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s, true
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for i := at; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", false
		}
		b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
		i += 2
	}
	return string(b), true
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// appendEscaped appends s with every byte escaped that is neither unreserved nor
// in keep (RFC 3986 section 2).
func appendEscaped(b []byte, s, keep string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if isAlnum(c) || strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// String returns the canonical path: two requests that mean the same have the
// same one, and parsing it gives t again.
func (t Target) String() string {
	if t.Kind == None {
		return ""
	}
	return string(t.AppendString(nil))
}

// AppendString appends String to b; it allocates only when b has no room.
func (t *Target) AppendString(b []byte) []byte {
	if t.Kind == Hosted && t.Variant != "" {
		return append(t.appendImage(b), t.Variant...)
	}
	return t.AppendWith(b, &t.Options)
}

// AppendWith is AppendString with o in place of t's own variant or options.
func (t *Target) AppendWith(b []byte, o *Options) []byte {
	switch t.Kind {
	case Remote:
		b = o.AppendString(append(b, transformPrefix...))
		if t.Source.Absolute {
			b = append(b, '/')
		}
		return append(b, t.Source.Value...)
	case Hosted:
		return o.AppendString(t.appendImage(b))
	}
	return b
}

func (t *Target) appendImage(b []byte) []byte {
	b = append(append(b, deliveryPrefix...), t.Account...)
	b = appendEscaped(append(b, '/'), t.Image, "/!$&'()*+,;=:@")
	return append(b, '/')
}
