package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/cache/redis/redistest"
)

func TestNodesShareAnswersAndPurges(t *testing.T) {
	for _, consistency := range []string{"eventual", "strict"} {
		t.Run(consistency, func(t *testing.T) {
			server := redistest.Start(t)
			folder := t.TempDir() // and its names: two nodes of one machine
			file := filepath.Join(folder, "fovea.yaml")
			text := "redis: {url: '" + server.URL + "', timeout: 2s, consistency: " + consistency + "}\n"
			node := func() *running {
				admin := freeAddress(t)
				if err := os.WriteFile(file, []byte(text+"admin: {listen: '"+admin+"'}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				s := start(t, "--config", file, "--data", folder)
				s.admin = "http://" + admin
				return s
			}
			a, b := node(), node()
			ask := func(s *running, path string) (int, string) {
				response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"+path)
				status, _, _ := strings.Cut(response.Header.Get("Cache-Status"), "; ttl")
				return response.StatusCode, status
			}
			for _, s := range []*running{a, b} { // both have heard of what was purged before them
				redistest.Until(t, "the node serves what it keeps", func() bool {
					_, status := ask(s, "ornament/public")
					return status == "fovea; hit"
				})
			}
			if status, outcome := ask(a, "landscape/w=64"); status != 200 || outcome != "fovea; fwd=uri-miss; stored" && consistency == "eventual" {
				t.Errorf("the first node: %d %s", status, outcome)
			}
			redistest.Until(t, "the second node serves what the first has made", func() bool { // strict, on a busy machine, may fill
				status, outcome := ask(b, "landscape/w=64")
				if consistency == "eventual" && outcome != "fovea; hit" {
					t.Errorf("the second node: %d %s", status, outcome)
				}
				return outcome == "fovea; hit"
			})
			manage(t, a).call(t, http.MethodPatch, "v1/landscape", `{"requireSignedURLs":true}`)
			if status, _ := ask(a, "landscape/w=64"); status != http.StatusForbidden {
				t.Errorf("the node that made it private answers %d", status)
			}
			redistest.Until(t, "the other node has heard of it", func() bool {
				status, _ := ask(b, "landscape/w=64")
				return status == http.StatusForbidden
			})
		})
	}
}

// Who purges at a node that is cut off from the others is told that they go on serving.
func TestAPurgeThatOthersWereNotToldOfSaysSo(t *testing.T) {
	server := redistest.Start(t)
	s := configured(t, "redis: {url: '"+server.URL+"', timeout: 1s}\n")
	purge := func() (int, string) { return s.command(t, "purge", "--image", "landscape") }
	redistest.Until(t, "the others are told", func() bool {
		status, out := purge()
		return status == 0 && !strings.Contains(out, "told")
	})
	server.Pause(t)
	if status, out := purge(); status != 1 || !strings.Contains(out, "Purged image:") || !strings.Contains(out, "1 purge waits until Redis answers: the other nodes have not been told") {
		t.Errorf("%d %s", status, out)
	}
	var gone purged
	if response := s.operate(t, "purge", object{"image": "landscape"}, &gone); response.StatusCode != http.StatusOK || gone.Pending != 2 {
		t.Errorf("%d %+v", response.StatusCode, gone)
	}
	server.Resume(t)
	redistest.Until(t, "the others have been told", func() bool { status, _ := purge(); return status == 0 })
}
