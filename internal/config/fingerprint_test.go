package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestAFingerprintHasWhatNodesHaveInCommon(t *testing.T) {
	usual := Default()
	if got := Fingerprint(&usual); len(got) != 0 {
		t.Errorf("of the defaults: %v", got)
	}
	c := Default()
	c.Listen, c.Data, c.Cache.Memory, c.Engine.Workers, c.Log.Level, c.Admin.Token = ":1", "elsewhere", 1, 9, "debug", "a secret of some length"
	c.Redis.URL, c.Store.Database, c.Cloudflare.Token = "redis://secret", "postgres://secret", "secret"
	c.Origins.Allowed = []string{}
	if got := Fingerprint(&c); len(got) != 0 {
		t.Errorf("of what is a node's own, and of secrets: %v", got)
	}
	c.Origins.Allowed, c.Engine.AVIF = []string{"a.example.com"}, "off"
	site := "https://b.example.com"
	c.Hosts = []Host{{Names: []string{"x"}, Origins: HostOrigins{Site: &site}}}
	c.Cloudflare.Accounts = []CloudflareAccount{{Account: "a", Token: "secret"}}
	first := Fingerprint(&c)
	if got, want := strings.Join(slices.Sorted(maps.Keys(first)), " "), "cloudflare.accounts engine.avif hosts origins.allowed"; got != want {
		t.Errorf("%s", got)
	}
	other := "https://c.example.com"
	c.Hosts = []Host{{Names: []string{"x"}, Origins: HostOrigins{Site: &other}}}
	c.Cloudflare.Accounts = []CloudflareAccount{{Account: "a", Token: "another"}}
	second := Fingerprint(&c)
	for name := range first {
		if (first[name] != second[name]) != (name == "hosts") {
			t.Errorf("%s: %s and %s", name, first[name], second[name])
		}
	}
}
