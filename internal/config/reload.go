package config

import (
	"reflect"
	"slices"
	"strings"
)

// live lists the knobs, and the sections, that can change while the server runs.
var live = []string{
	"delivery_hosts", "hosts", "paths", "strict_options", "cors", "origins.allowed",
	"cache.edge_ttl", "cache.browser_ttl", "cache.stale_while_revalidate", "cache.stale_if_error", "cache.remote_min_ttl",
	"engine.avif", "engine.avif_patience", "engine.reencode", "formats", "tokens", "flexible", "hotlink",
	"tls", "log", "traces.sample", "traces.parents", "drain", "shutdown",
}

// Live reports whether the knob can change while the server runs.
func (k Knob) Live() bool {
	section, _, _ := strings.Cut(strings.ReplaceAll(k.Name, "[]", ""), ".")
	return slices.Contains(live, k.Name) || slices.Contains(live, section)
}

// Fixed names the knobs that differ between a and b and cannot change while the
// server runs.
func Fixed(a, b *Config) []string {
	var names []string
	before := map[string]any{}
	for _, k := range Knobs(a) {
		before[k.Name] = k.value.Interface()
	}
	for _, k := range Knobs(b) {
		if k.Live() || reflect.DeepEqual(before[k.Name], k.value.Interface()) || empty(before[k.Name]) && empty(k.value.Interface()) {
			continue
		}
		names = append(names, k.Name)
	}
	// A listener that speaks TLS goes on to.
	if (a.TLS == TLS{}) != (b.TLS == TLS{}) {
		names = append(names, "tls.cert")
	}
	return names
}

// empty reports whether v is a list without members: absent or not, it says the same.
func empty(v any) bool {
	list := reflect.ValueOf(v)
	return list.Kind() == reflect.Slice && list.Len() == 0
}
