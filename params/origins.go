package params

import (
	"errors"
	"fmt"
	"strings"
)

// Origins lists the remote sources that may be transformed (R-origins). The zero
// value allows none. It is read only once made and safe for concurrent use.
type Origins struct {
	any  bool
	list []originRule
}

type originRule struct {
	host   string // canonical; without "*."
	within bool   // sub-domains too
	path   string // prefix, with its slash; "" = all
}

// ParseOrigins reads a list whose items are "any", a host, "*.host" (the host and
// all its sub-domains) or either of them followed by a path prefix. A host
// without a port stands for the default ports only.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	var errs []error
	for _, item := range list {
		text := strings.TrimSpace(item)
		if text == "any" {
			o.any = true
			continue
		}
		var rule originRule
		text, rule.within = strings.CutPrefix(text, "*.")
		authority, path, hasPath := strings.Cut(text, "/")
		if hasPath && path != "" {
			rule.path = "/" + path
		}
		host, err := canonicalHost(authority, "https")
		if err != nil || strings.ContainsAny(authority, "*?#%") {
			errs = append(errs, fmt.Errorf("expected any, host, *.host or host/path, received %q", item))
			continue
		}
		rule.host = host
		o.list = append(o.list, rule)
	}
	if len(errs) > 0 {
		return Origins{}, errors.Join(errs...)
	}
	return o, nil
}

// allow reports whether the canonical host and the path on it are on the list.
func (o Origins) allow(host, path string) bool {
	if o.any {
		return true
	}
	for _, rule := range o.list {
		if !strings.HasPrefix(path, rule.path) {
			continue
		}
		if host == rule.host || rule.within && strings.HasSuffix(host, "."+rule.host) {
			return true
		}
	}
	return false
}

// Allow reports whether an absolute URL in canonical spelling is on the list.
func (o Origins) Allow(url string) bool {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return o.allow(rest, "/")
	}
	return o.allow(rest[:end], rest[end:])
}
