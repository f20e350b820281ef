package cache

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// An entry that is older than every purge is judged by each of them.
func BenchmarkHit(b *testing.B) {
	tags := []string{"image:Vi7wi5KSItxGFsWRG2Us6Q/users/42/portrait", "account:Vi7wi5KSItxGFsWRG2Us6Q", "variant:Vi7wi5KSItxGFsWRG2Us6Q/public"}
	for _, tt := range []struct {
		name  string
		purge func(c *Cache)
	}{
		{"nothing purged", func(*Cache) {}},
		{"a thousand tags purged since", func(c *Cache) {
			for i := range 1000 {
				c.Purge(fmt.Sprintf("image:Vi7wi5KSItxGFsWRG2Us6Q/other/%d", i))
			}
		}},
		{"as many prefixes as there may be purged since", func(c *Cache) {
			for i := range maxPrefixes {
				c.PurgePrefix(fmt.Sprintf("image:Vi7wi5KSItxGFsWRG2Us6Q/users/%d/", 1000+i))
			}
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			c, err := New(Options{Tier: &exact{entries: map[string]*Entry{}}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = c.Close() })
			var j Job = job{tags, func(context.Context) (Entry, error) {
				return Entry{Body: []byte("x"), Tags: tags, Fresh: time.Hour}, nil
			}}
			get := func(want Outcome) {
				if _, o, err := c.Get(b.Context(), "k", j); err != nil || o != want {
					b.Fatal(o, err)
				}
			}
			get(Miss)
			tt.purge(c)
			b.ReportAllocs()
			for b.Loop() {
				get(Hit)
			}
		})
	}
}
