package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// own lists the knobs, and the sections, that may differ between the nodes of one
// service: where they listen, and what they have room for.
var own = []string{
	"listen", "data", "demo", "api.listen", "admin", "tls", "log", "traces", "drain", "shutdown", "store.connections", "http.connections",
	"cache.memory", "cache.disk", "cache.folder", "engine.sources", "engine.memory", "engine.mezzanines", "engine.workers", "engine.queue",
	"engine.native_encoders", "engine.native_decoders",
}

// Fingerprint tells a digest of each knob that nodes of one service have in common and
// that is not as it is by default: 8 hexadecimal digits, by name. Secrets are in none.
func Fingerprint(c *Config) map[string]string {
	defaults := Default()
	usual := map[string]string{}
	digests := func(c *Config, keep func(name, digest string)) {
		for _, k := range Knobs(c) {
			section, _, _ := strings.Cut(k.Name, ".")
			if k.Secret() || strings.Contains(k.Name, "[]") || slices.Contains(own, k.Name) || slices.Contains(own, section) {
				continue
			}
			keep(k.Name, k.digest())
		}
	}
	digests(&defaults, func(name, digest string) { usual[name] = digest })
	all := map[string]string{}
	digests(c, func(name, digest string) {
		if digest != usual[name] {
			all[name] = digest
		}
	})
	return all
}

func (k Knob) digest() string {
	value := k.value.Interface()
	if empty(value) {
		value = nil
	}
	text, err := json.Marshal(value) // a secret in a list hides itself
	if err != nil {
		text = fmt.Append(nil, value)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}
