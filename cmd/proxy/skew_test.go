package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// Three nodes of which one is seven minutes behind and one ahead. The clock is the one
// that a node is handed, which judges proofs and, where there is no Redis, the age of
// answers; purges and ages are Redis' time. What the runtime asks itself is not shifted.
func TestNodesWhoseClocksDiffer(t *testing.T) {
	const wrong = 7 * time.Minute
	text := "log: {access: false}\nstore: {database: '" + postgrestest.Start(t).Database(t, "names") + "'}\nredis: {url: '" + redistest.Start(t).URL + "', timeout: 2s}\n"
	clock := func(shift time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(shift) } }
	all := nodesAt(t, text, clock(-wrong), time.Now, clock(wrong))
	for _, s := range all {
		redistest.Until(t, "the node is ready", func() bool { status, _ := s.ready(t); return status == http.StatusOK })
	}
	behind, right, ahead := all[0], all[1], all[2]

	t.Run("what one has made is as old for all", func(t *testing.T) {
		for i, maker := range all {
			path := "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=" + strconv.Itoa(50+i)
			for _, s := range append([]*running{maker}, all...) {
				response, _ := get(t, s.url+path)
				age, err := strconv.Atoi("0" + response.Header.Get("Age"))
				if cached := response.Header.Get("Cache-Status"); err != nil || age > 60 || response.StatusCode != http.StatusOK || strings.Contains(cached, "stale") {
					t.Errorf("node %d: %d, age %q, %s, %v", i, response.StatusCode, response.Header.Get("Age"), cached, err)
				}
			}
		}
	})
	t.Run("one makes it for all", func(t *testing.T) {
		decodes := func() (sum float64) {
			for _, s := range all {
				sum += s.gauge(t, "fovea_engine_decodes_total")
			}
			return sum
		}
		before := decodes()
		var asking sync.WaitGroup
		for _, s := range all {
			asking.Go(func() {
				if status := s.answer(t, "ornament/w=60"); status != http.StatusOK {
					t.Errorf("%d", status)
				}
			})
		}
		asking.Wait()
		if n := decodes() - before; n != 1 {
			t.Errorf("it was made %v times", n)
		}
	})
	t.Run("purges are in force, and what is made after them is kept", func(t *testing.T) {
		for i, purger := range all {
			hit := func(k int) bool { // of a width of its own
				response, _ := get(t, all[k].url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/still-life/w="+strconv.Itoa(70+10*i+k))
				return strings.HasPrefix(response.Header.Get("Cache-Status"), "fovea; hit")
			}
			for k := range all {
				redistest.Until(t, "a node keeps what it has made", func() bool { return hit(k) })
			}
			if status, _, complaints := said(t, nil, "purge", "--image", "still-life", "--admin", purger.admin); status != 0 {
				t.Fatal(complaints)
			}
			for k := range all {
				redistest.Until(t, "a node has forgotten what was purged", func() bool { return !hit(k) })
				redistest.Until(t, "a node keeps what it has made since", func() bool { return hit(k) })
			}
		}
	})
	t.Run("a proof is good until the clock of who judges it says otherwise", func(t *testing.T) {
		manage(t, behind).call(t, http.MethodPatch, "v1/landscape", `{"requireSignedURLs":true}`)
		for _, s := range all {
			redistest.Until(t, "it is private", func() bool { return s.answer(t, "landscape/public") == http.StatusForbidden })
		}
		url := "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/public"
		for seconds, want := range map[int][3]int{60: {200, 200, 403}, 3600: {200, 200, 200}} {
			var proof signed
			right.operate(t, "sign", object{"url": url, "seconds": seconds}, &proof)
			for i, s := range []*running{behind, right, ahead} {
				if response, _ := get(t, s.url+proof.URL); response.StatusCode != want[i] {
					t.Errorf("%d s, node %d: %d", seconds, i, response.StatusCode)
				}
			}
		}
	})
}
