package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Purges of other nodes come in any order: what died by one may not be alive for
// another that came first.
func TestPurgesInAnyOrderKillTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all []Purge
		for i := range 40 {
			p := Purge{Stamp: int64(100 + i*10)}
			switch tag := fmt.Sprint("image:", random.IntN(3), "/", random.IntN(4)); random.IntN(8) {
			case 0:
				p.Prefixes = []string{tag[:len("image:")+random.IntN(4)]}
			case 1:
				if random.IntN(6) == 0 {
					p.All = true
					break
				}
				fallthrough
			default:
				p.Tags = []string{tag}
			}
			all = append(all, p)
		}
		killed := func(stamp int64, tag string) bool {
			return slices.ContainsFunc(all, func(p Purge) bool {
				return stamp <= p.Stamp && (p.All || slices.Contains(p.Tags, tag) ||
					slices.ContainsFunc(p.Prefixes, func(prefix string) bool { return strings.HasPrefix(tag, prefix) }))
			})
		}
		c := &Cache{Options: Options{MaxLife: time.Hour}}
		shuffled := slices.Clone(all)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		c.Heard(shuffled[:20])
		c.Heard(shuffled)
		for stamp := int64(95); stamp < 520; stamp += 5 {
			for i := range 12 {
				tag := fmt.Sprint("image:", i%3, "/", i/3)
				if got, want := c.purges.dead(stamp, []string{tag}), killed(stamp, tag); got != want {
					t.Fatalf("%s of %d: dead = %v, want %v, after %v", tag, stamp, got, want, shuffled)
				}
			}
		}
	}
}
