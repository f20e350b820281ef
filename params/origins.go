package params

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Origins lists the remote sources that may be transformed (R-origins). The zero
// value allows none. It is read only once made and safe for concurrent use.
type Origins struct {
	any     bool
	list    []originRule
	buckets []originRule
}

type originRule struct {
	host   string // canonical; without "*."; of a bucket its name
	within bool   // sub-domains too
	path   string // prefix, with its slash; "" = all
}

// Buckets are the names of the buckets on the list.
func (o Origins) Buckets() []string {
	var names []string
	for _, r := range o.buckets {
		names = append(names, r.host)
	}
	return names
}

// ParseOrigins reads a list whose items are "any", a host, "*.host" (the host and
// all its sub-domains) or either of them followed by a path prefix. A host
// without a port stands for the default ports only. s3://bucket is a bucket, and may
// be followed by how keys begin; any does not have it: it opens what is not public.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	var errs []error
	for _, item := range list {
		text := strings.TrimSpace(item)
		if text == "any" {
			o.any = true
			continue
		}
		if rest, ok := strings.CutPrefix(text, bucketScheme+"://"); ok {
			u, err := readBucket(rest)
			if err != nil {
				errs = append(errs, fmt.Errorf("expected s3://bucket or s3://bucket/prefix, received %q", item))
				continue
			}
			o.buckets = append(o.buckets, originRule{host: u.host, path: u.path})
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

// allowKey reports whether a path in a bucket, both in their one spelling, is on the list.
func (o Origins) allowKey(bucket, path string) bool {
	return slices.ContainsFunc(o.buckets, func(r originRule) bool { return r.host == bucket && strings.HasPrefix(path, r.path) })
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
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return false
	}
	allow := o.allow
	if scheme == bucketScheme {
		allow = o.allowKey
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return allow(rest, "/")
	}
	return allow(rest[:end], rest[end:])
}
