package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// line is a way from a node to a server that can be cut.
type line interface {
	cut()
	heal()
	where() string // the server is at its other end
}

// wire is a network between a node and a server that can be cut. It forwards TCP, and
// while it is cut nothing gets through: connections stay open, new ones are taken and
// hear nothing, and what was sent arrives when it is healed, as TCP sends again. It is
// not a network whose packets are lost, where connecting hangs as well: a link is, where
// it is allowed.
type wire struct {
	address string
	gate    sync.RWMutex // written to while it is cut
	mu      sync.Mutex
	ends    []net.Conn
	closed  bool
	all     sync.WaitGroup
}

func newWire(t *testing.T, host, to string) *wire {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: listener.Addr().String()}
	w.all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			w.all.Go(func() { w.join(near, to) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.mu.Lock()
		w.closed = true
		for _, end := range w.ends {
			_ = end.Close()
		}
		w.mu.Unlock()
		w.all.Wait()
	})
	return w
}

func (w *wire) cut()          { w.gate.Lock() }
func (w *wire) heal()         { w.gate.Unlock() }
func (w *wire) where() string { return w.address }

// keep reports whether an end of a connection belongs to the wire: it does not if the
// wire is closed.
func (w *wire) keep(end net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = end.Close()
		return false
	}
	w.ends = append(w.ends, end)
	return true
}

func (w *wire) join(near net.Conn, to string) {
	if !w.keep(near) {
		return
	}
	w.gate.RLock()
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
	w.gate.RUnlock()
	if err != nil {
		_ = near.Close()
		return
	}
	if !w.keep(far) {
		_ = near.Close()
		return
	}
	w.all.Go(func() { w.carry(far, near) })
	w.carry(near, far)
}

// carry takes what comes from one end to the other, and its end as well.
func (w *wire) carry(to, from net.Conn) {
	part := make([]byte, 64<<10)
	for {
		n, err := from.Read(part)
		w.gate.RLock()
		if err == nil {
			_, err = to.Write(part[:n])
		}
		if err != nil {
			_ = to.Close()
		}
		w.gate.RUnlock()
		if err != nil {
			_ = from.Close()
			return
		}
	}
}

// through is an URL of a server with the end of a line to it, which is made.
func (ns *namespace) through(t *testing.T, address string) (string, line) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l := ns.line(t, u.Host)
	u.Host = l.where()
	return u.String(), l
}

// parted is two nodes, of which one is cut off from a part of what they share.
type parted struct {
	near, far       *node
	redis, database line // of the far one
	manager         *manager
	cut             []line

	private, replaced, purged, moved *swatch
	replacement                      *swatch
}

// doubt is how long after a change was acknowledged a node may not know of it: as long
// as redis.consistency: strict and store.trust below say, both 1 s. It is no time that a
// busy machine makes longer: the node counts from when it last asked. The rest is slack.
const doubt = time.Second + 500*time.Millisecond

func newParted(t *testing.T, ns *namespace, database, shared, prefix, consistency string) *parted {
	t.Helper()
	p := &parted{private: paint("private", 1), replaced: paint("replaced", 5), purged: paint("purged", 30), moved: paint("moved", 35), replacement: paint("replaced", 180)}
	text := func(database, shared string) string {
		return fmt.Sprintf("log: {access: false}\nredis: {url: '%s', prefix: '%s:', timeout: 250ms, consistency: %s}\nstore: {database: '%s', connections: 4, trust: 1s, timeout: 1s}\norigins: {allowed: [any], allow_private: [127.0.0.0/8]}\n", shared, prefix, consistency, database)
	}
	blobs := t.TempDir()
	p.near = newNode(t, text(database, shared), blobs)
	database, p.database = ns.through(t, database)
	shared, p.redis = ns.through(t, shared)
	p.far = ns.node(t, text(database, shared), blobs)
	p.near.awaited(t)
	p.far.awaited(t)
	p.manager = manage(t, &p.near.running)
	for _, picture := range []*swatch{p.private, p.replaced, p.purged, p.moved} {
		p.upload(t, picture)
	}
	for _, n := range []*node{p.near, p.far} {
		for _, picture := range []*swatch{p.private, p.replaced, p.purged, p.moved} {
			redistest.Until(t, "a node serves what it keeps", func() bool { return n.keeps(t, picture, p.width(n)) })
		}
	}
	return p
}

func (p *parted) upload(t *testing.T, picture *swatch) {
	t.Helper()
	contentType, body := picture.form(t)
	if status, said, err := p.manager.send(t.Context(), http.MethodPost, "v1", contentType, bytes.NewReader(body)); status != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %s %v", picture.id, status, said, err)
	}
}

// width is one that no other node is asked for.
func (p *parted) width(n *node) int {
	if n == p.far {
		return 32
	}
	return 40
}

// keeps reports whether a picture is answered from a cache.
func (n *node) keeps(t *testing.T, p *swatch, width int) bool {
	t.Helper()
	response, _ := get(t, n.url+p.path(width))
	return response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Cache-Status"), "fovea; hit")
}

// at is the management API of a node.
func (p *parted) at(n *node) *manager {
	m := *p.manager
	m.url = n.url
	return &m
}

// change hides, replaces and purges pictures on the near side.
func (p *parted) change(t *testing.T) {
	t.Helper()
	p.manager.call(t, http.MethodPatch, "v1/"+p.private.id, `{"requireSignedURLs":true}`)
	p.private.hidden.Store(time.Now().UnixNano())
	p.manager.call(t, http.MethodDelete, "v1/"+p.replaced.id, "")
	p.replaced.hidden.Store(time.Now().UnixNano())
	p.upload(t, p.replacement)
	if status, _, complaints := said(t, nil, "purge", "--image", p.purged.id, "--admin", p.near.admin); status != 0 {
		t.Fatal(complaints)
	}
}

// watch asks the far node again and again. What it still shows that was changed must
// have been asked for within doubt.
func (p *parted) watch(t *testing.T) {
	t.Helper()
	last := map[string]time.Duration{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < doubt+time.Second; {
		for _, picture := range []*swatch{p.private, p.replaced} {
			since := time.Since(time.Unix(0, picture.hidden.Load()))
			response, body := get(t, p.far.url+picture.path(32))
			if response.StatusCode != http.StatusOK || picture != p.private && !picture.is(body) {
				continue
			}
			if last[picture.id] = since; since > doubt {
				t.Errorf("%s is shown %v after it was changed", picture.id, since)
			}
		}
		<-tick.C
	}
	t.Logf("shown for the last time: the private one after %v, the replaced one after %v", last["private"], last["replaced"])
}

// states looks at the far node when doubt is over, while it is cut off.
func (p *parted) states(t *testing.T, strict bool) {
	t.Helper()
	want := func(picture *swatch, statuses ...int) {
		t.Helper()
		response, body := get(t, p.far.url+picture.path(32))
		for _, status := range statuses {
			if response.StatusCode == status && (status != http.StatusOK || picture.is(body)) {
				return
			}
		}
		t.Errorf("%s: %d %.100q, expected %v", picture.id, response.StatusCode, body, statuses)
	}
	if len(p.cut) == 1 && p.cut[0] == p.redis {
		want(p.private, http.StatusForbidden) // PostgreSQL has told it
		want(p.replacement, http.StatusOK)
		want(p.purged, http.StatusOK)
		if kept := p.far.keeps(t, p.purged, 32); kept && strict {
			t.Error("strict, and what was purged is served")
		} else if !kept && !strict {
			t.Error("eventual, and what it keeps is not served")
		}
		return
	}
	for _, picture := range []*swatch{p.private, p.replacement, p.purged} {
		want(picture, http.StatusServiceUnavailable)
	}
	if p.far.isReady() {
		t.Error("it is ready, and knows of no change")
	}
}

// agree waits until both nodes show what was changed, and nothing else.
func (p *parted) agree(t *testing.T, moved bool) {
	t.Helper()
	for _, n := range []*node{p.near, p.far} {
		redistest.Until(t, "a node is ready", n.isReady)
		redistest.Until(t, "a node has heard of all changes", func() bool {
			hidden, _ := get(t, n.url+p.private.path(32))
			replaced, body := get(t, n.url+p.replacement.path(32))
			return hidden.StatusCode == http.StatusForbidden && replaced.StatusCode == http.StatusOK && p.replacement.is(body)
		})
		if response, _ := get(t, n.url+p.moved.path(32)); (response.StatusCode == http.StatusForbidden) != moved {
			t.Errorf("%s: %d", p.moved.id, response.StatusCode)
		}
	}
}

// A node is cut off while pictures are made private, replaced and purged on the other
// side: it shows none of them for longer than is said, and agrees when it is back.
func TestANodeThatIsCutOffShowsNothingOld(t *testing.T) {
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("takes a minute: FOVEA_SLOW=1 go test ./cmd/proxy -run TestANodeThatIsCutOff, as .ci/run does")
	}
	database, shared := postgrestest.Start(t), redistest.Start(t)
	number := 0
	try := func(t *testing.T, ns *namespace, consistency, from string) {
		number++
		name := fmt.Sprint("fleet", number)
		p := newParted(t, ns, database.Database(t, name), shared.URL, name, consistency)
		if from != "PostgreSQL" {
			p.cut = append(p.cut, p.redis)
		}
		if from != "Redis" {
			p.cut = append(p.cut, p.database)
		}
		p.live(t, consistency == "strict")
	}
	for _, consistency := range []string{"strict", "eventual"} {
		for _, from := range []string{"Redis", "PostgreSQL", "both"} {
			t.Run(consistency+", from "+from, func(t *testing.T) { try(t, nil, consistency, from) })
		}
		t.Run(consistency+", from both, in a namespace", func(t *testing.T) { try(t, newNamespace(t), consistency, "both") })
	}
	t.Run("strict, from Redis, in a namespace", func(t *testing.T) { try(t, newNamespace(t), "strict", "Redis") })
}

// live cuts the far node off, changes pictures, looks at what it shows, and heals.
func (p *parted) live(t *testing.T, strict bool) {
	t.Helper()
	for _, l := range p.cut {
		l.cut()
	}
	heal := sync.OnceFunc(func() {
		for _, l := range p.cut {
			l.heal()
		}
	})
	t.Cleanup(heal)
	p.change(t)
	p.watch(t)
	p.states(t, strict)
	offRedis := p.cut[0] == p.redis
	kept := offRedis && p.far.keeps(t, p.purged, 32)
	moves := offRedis && len(p.cut) == 1 // it takes changes, too
	if moves {
		p.moves(t)
	}
	heal()
	p.agree(t, moves)
	if kept {
		redistest.Until(t, "the far node has heard of the purge", func() bool { return !p.far.keeps(t, p.purged, 32) })
	}
}

// moves has the far node make a picture private, and purge another: the near one does
// the first by way of PostgreSQL, and is told of the second when Redis can be reached.
func (p *parted) moves(t *testing.T) {
	t.Helper()
	p.at(p.far).call(t, http.MethodPatch, "v1/"+p.moved.id, `{"requireSignedURLs":true}`)
	changed := time.Now()
	for shown := true; shown; {
		since := time.Since(changed)
		response, err := http.Get(p.near.url + p.moved.path(40))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if shown = response.StatusCode == http.StatusOK; shown && since > doubt {
			t.Fatalf("it is shown %v after the other node made it private", since)
		}
	}
	redistest.Until(t, "the far node has a purge to tell", func() bool { return p.far.gauge(t, "fovea_redis_purges_pending") > 0 })
}

// What PostgreSQL tells a node that is cut off from Redis must not wait for Redis: the
// node would be believed to have heard nothing, and with it all others that are cut off.
func TestANodeThatIsCutOffFromRedisHearsOfChangesAsTheyCome(t *testing.T) {
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("takes a quarter of a minute: FOVEA_SLOW=1 go test ./cmd/proxy -run TestANodeThatIsCutOff, as .ci/run does")
	}
	database, shared := postgrestest.Start(t), redistest.Start(t)
	p := newParted(t, nil, database.Database(t, "fleet"), shared.URL, "fleet", "eventual")
	p.redis.cut()
	defer p.redis.heal()
	const many = 30
	for n := range many {
		p.manager.call(t, http.MethodPost, "v1/variants", fmt.Sprintf(`{"id":"v%d","options":{"width":16}}`, n))
	}
	last := fmt.Sprintf("/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/%s/v%d", p.private.id, many-1)
	began := time.Now()
	redistest.Until(t, "the last change is heard", func() bool {
		response, _ := get(t, p.far.url+last)
		if !p.far.isReady() {
			t.Error("it is not ready, though PostgreSQL tells it of all changes")
			return true
		}
		return response.StatusCode == http.StatusOK && time.Since(began) > 2*doubt
	})
}

// An image is deleted at a node that is cut off from Redis: what the others have made of
// it by way of its URL goes as well, which PostgreSQL alone can tell them.
func TestANodeThatIsCutOffDeletesWhatOthersMadeOfAnURL(t *testing.T) {
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("takes a quarter of a minute: FOVEA_SLOW=1 go test ./cmd/proxy -run TestANodeThatIsCutOff, as .ci/run does")
	}
	database, shared := postgrestest.Start(t), redistest.Start(t)
	p := newParted(t, nil, database.Database(t, "fleet"), shared.URL, "fleet", "eventual")
	made := p.near.url + "/cdn-cgi/image/w=24,format=jpeg/" + p.near.url + p.moved.path(40)
	if response, body := get(t, made); response.StatusCode != http.StatusOK || !p.moved.is(body) {
		t.Fatalf("%d %.200q", response.StatusCode, body)
	}
	p.redis.cut()
	defer p.redis.heal()
	p.at(p.far).call(t, http.MethodDelete, "v1/"+p.moved.id, "")
	changed := time.Now()
	for {
		since := time.Since(changed)
		response, _ := get(t, made)
		if response.StatusCode != http.StatusOK {
			return
		}
		if since > doubt {
			t.Fatalf("it is shown %v after it was deleted: %s", since, response.Header.Get("Cache-Status"))
		}
	}
}
