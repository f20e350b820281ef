package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/cache/redis/redistest"
)

// fleetOf asks the node for all of them.
func fleetOf(t *testing.T, n *node) (list fleetStatus) {
	t.Helper()
	status, out, complaints := said(t, nil, "status", "--fleet", "--json", "--admin", n.admin)
	if status != 0 {
		t.Fatalf("%s", complaints)
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestNodesShowWhatDiffers(t *testing.T) {
	server := redistest.Start(t)
	text := "redis: {url: '" + server.URL + "'}\nlog: {access: false}\n"
	var all []*node
	for _, more := range []string{"", "cache: {memory: 64MiB}\n", "engine: {avif: 'off'}\norigins: {allowed: [a.example.com]}\n"} {
		all = append(all, newNode(t, text+more, t.TempDir()))
	}
	redistest.Until(t, "each knows of the others", func() bool {
		list := fleetOf(t, all[0])
		return len(list.Nodes) == 3 && !slices.ContainsFunc(list.Nodes, func(n fleetNode) bool { return !n.Ready || n.PurgeLag < 0 })
	})
	list := fleetOf(t, all[0])
	if list.Consistent || !list.Nodes[0].Self || list.Nodes[0].Listen != all[0].address {
		t.Errorf("%+v", list)
	}
	for _, n := range list.Nodes {
		want := ""
		if n.Listen == all[2].address {
			want = "engine.avif origins.allowed"
		}
		if got := strings.Join(n.Differs, " "); got != want || (n.Config != list.Nodes[0].Config) != (want != "") || n.Silent || n.Version != version {
			t.Errorf("%s differs by %q: %+v", n.Listen, got, n)
		}
	}
	status, out, complaints := said(t, nil, "status", "--fleet", "--admin", all[2].admin)
	if status != 0 || strings.Count(out, "! engine.avif origins.allowed") != 2 || strings.Count(out, "(asked)") != 1 {
		t.Errorf("%s%s", out, complaints)
	}
	if _, out, _ := said(t, nil, "status", "--admin", all[0].admin); strings.Count(out, "\n") != 2 {
		t.Errorf("of one node: %s", out)
	}
	all[1].terminate(t)
	redistest.Until(t, "who has left is off the list", func() bool { return len(fleetOf(t, all[0]).Nodes) == 2 })
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Log("without FOVEA_SLOW=1 no node is waited for that is silent")
		return
	}
	all[2].kill()
	redistest.Until(t, "who was killed is silent, and no more to be compared with", func() bool {
		list := fleetOf(t, all[0])
		return len(list.Nodes) == 2 && list.Nodes[1].Silent && list.Consistent
	})
}

func TestANodeThatIsAloneSaysSo(t *testing.T) {
	s := nodes(t, 1, "")[0]
	status, _, complaints := said(t, nil, "status", "--fleet", "--admin", s.admin)
	if status != 1 || !strings.Contains(complaints, "redis.url: expected a Redis that the nodes share") {
		t.Errorf("%d %s", status, complaints)
	}
	if status, out, complaints := said(t, nil, "status", "--admin", s.admin); status != 0 || !strings.Contains(out, "alone") {
		t.Errorf("%s%s", out, complaints)
	}
}
