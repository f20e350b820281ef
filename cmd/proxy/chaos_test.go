package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/store/s3blob/s3test"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// believed is how long after a change was acknowledged a node may not know of it:
// store.trust, and what a busy machine adds.
const believed = 2*time.Second + 500*time.Millisecond

// swatch is a picture of one colour, by which a wrong answer is known.
type swatch struct {
	id       string
	colour   color.RGBA
	changing atomic.Bool  // it is being made private or deleted, or has been
	hidden   atomic.Int64 // when that was acknowledged, Unix nanoseconds; 0 = it was not
}

func paint(id string, n int) *swatch {
	return &swatch{id: id, colour: color.RGBA{uint8(40 * (n % 6)), uint8(40 * (n / 6 % 6)), uint8(40 * (n / 36 % 6)), 255}} //nolint:gosec // below 256
}

// form is the picture as an upload.
func (p *swatch) form(t *testing.T) (contentType string, body []byte) {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 64, 64))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(p.colour), image.Point{}, draw.Src)
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	err := form.WriteField("id", p.id)
	if err == nil {
		part, failed := form.CreateFormFile("file", p.id+".png")
		if err = failed; err == nil {
			err = png.Encode(part, picture)
		}
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), b.Bytes()
}

// is reports whether an answer shows the picture.
func (p *swatch) is(body []byte) bool {
	picture, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		return false
	}
	middle := picture.Bounds().Dx() / 2
	r, g, b, _ := picture.At(middle, middle).RGBA()
	for _, pair := range [][2]int{{int(r >> 8), int(p.colour.R)}, {int(g >> 8), int(p.colour.G)}, {int(b >> 8), int(p.colour.B)}} {
		if d := pair[0] - pair[1]; d < -16 || d > 16 {
			return false
		}
	}
	return true
}

func (p *swatch) path(width int) string {
	return fmt.Sprintf("/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/%s/w=%d,format=jpeg", p.id, width)
}

// fleet is three nodes on one PostgreSQL, one bucket and one Redis, under load.
type fleet struct {
	database *postgrestest.Server
	bucket   *s3test.Server
	shared   *redistest.Server
	nodes    []*node
	doors    *balancer
	manager  *manager

	mu            sync.Mutex
	pictures      []*swatch // acknowledged
	uploads       int
	asked, failed atomic.Int64
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{database: postgrestest.Start(t), bucket: s3test.Start(t, "pictures"), shared: redistest.Start(t)}
	text := fmt.Sprintf(`log: {access: false}
redis: {url: '%s', timeout: 1s, consistency: strict}
store:
  database: '%s'
  connections: 6
  trust: 2s
  timeout: 3s
  bytes: s3
  s3: {bucket: pictures, endpoint: '%s', access_key: '%s', secret_key: '%s', timeout: 3s}
`, f.shared.URL, f.database.Database(t, "names"), f.bucket.Endpoint, f.bucket.AccessKey, f.bucket.SecretKey)
	for range 3 {
		f.nodes = append(f.nodes, newNode(t, text, t.TempDir()))
	}
	f.settle(t)
	f.doors = newBalancer(t, f.nodes)
	f.manager = manage(t, &f.nodes[0].running)
	return f
}

// settle waits until every node answers.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	for _, n := range f.nodes {
		n.awaited(t)
	}
}

// call makes a management call at some node that is ready.
func (f *fleet) call(method, rest, contentType string, body []byte) int {
	n := f.doors.pick()
	if n == nil {
		return 0
	}
	m := *f.manager
	m.url = n.url
	ctx, end := context.WithTimeout(context.Background(), 20*time.Second)
	defer end()
	status, _, err := m.send(ctx, method, rest, contentType, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	return status
}

// upload adds one more picture. One that is not acknowledged may be there or not.
func (f *fleet) upload(t *testing.T) bool {
	t.Helper()
	f.mu.Lock()
	p := paint(fmt.Sprint("u", f.uploads), f.uploads)
	f.uploads++
	f.mu.Unlock()
	contentType, body := p.form(t)
	if f.call(http.MethodPost, "v1", contentType, body) != http.StatusOK {
		return false
	}
	f.mu.Lock()
	f.pictures = append(f.pictures, p)
	f.mu.Unlock()
	return true
}

func (f *fleet) picture(i int) *swatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pictures[i%len(f.pictures)]
}

// judge looks at one answer.
func (f *fleet) judge(t *testing.T, p *swatch, asked time.Time, status int, body []byte, err error) {
	f.asked.Add(1)
	hidden := p.hidden.Load()
	switch {
	case err != nil || status >= 500 || status == 0:
		f.failed.Add(1)
	case status == http.StatusOK && hidden != 0 && asked.After(time.Unix(0, hidden).Add(believed)):
		t.Errorf("%s is shown %v after it was hidden", p.id, asked.Sub(time.Unix(0, hidden)))
	case status == http.StatusOK && !p.is(body):
		t.Errorf("%s: another picture", p.id)
	case status != http.StatusOK && !p.changing.Load():
		t.Errorf("%s, which was acknowledged, is answered %d: %s", p.id, status, body)
	}
}

// load has visitors and an uploader at work until the returned function is called.
func (f *fleet) load(t *testing.T) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	often := func(pause time.Duration, do func(i int)) {
		all.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				do(i)
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	for v := range 3 {
		often(30*time.Millisecond, func(i int) {
			p := f.picture(7*i + v)
			asked := time.Now()
			status, body, err := f.doors.get(context.Background(), p.path(16+8*(i%3)))
			f.judge(t, p, asked, status, body, err)
		})
	}
	often(250*time.Millisecond, func(int) { f.upload(t) })
	return func() { cancel(); all.Wait() }
}

// hide makes a picture private, or deletes it, and tries until that is acknowledged.
func (f *fleet) hide(t *testing.T, p *swatch, deleted bool) {
	t.Helper()
	p.changing.Store(true)
	redistest.Until(t, "a change is acknowledged", func() bool {
		if deleted {
			status := f.call(http.MethodDelete, "v1/"+p.id, "", nil)
			return status == http.StatusOK || status == http.StatusNotFound // the first try may have happened
		}
		return f.call(http.MethodPatch, "v1/"+p.id, "application/json", []byte(`{"requireSignedURLs":true}`)) == http.StatusOK
	})
	p.hidden.Store(time.Now().UnixNano())
}

// total adds a metric up over the nodes.
func (f *fleet) total(t *testing.T, metric string) (sum float64) {
	t.Helper()
	for _, n := range f.nodes {
		sum += n.gauge(t, metric)
	}
	return sum
}

// everywhere asks every node for p at once.
func (f *fleet) everywhere(t *testing.T, p *swatch, width int) {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range f.nodes {
		all.Go(func() {
			response, body := get(t, n.url+p.path(width))
			if response.StatusCode != http.StatusOK || !p.is(body) {
				t.Errorf("%s of %s: %d", p.id, n.url, response.StatusCode)
			}
		})
	}
	all.Wait()
}

func TestAFleetSurvives(t *testing.T) {
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("takes a minute: FOVEA_SLOW=1 go test ./cmd/proxy -run TestAFleetSurvives, as .ci/run does")
	}
	f := newFleet(t)
	for len(f.pictures) < 24 {
		if !f.upload(t) {
			t.Fatal("an upload to a fleet that nothing has befallen")
		}
	}
	cold := f.picture(0)
	before := f.total(t, "fovea_engine_decodes_total")
	f.everywhere(t, cold, 48)
	if n := f.total(t, "fovea_engine_decodes_total") - before; n != 1 {
		t.Errorf("a cold picture that three nodes were asked for at once was made %v times", n)
	}
	f.purged(t, cold)
	end := f.load(t)
	next := 1
	for _, blow := range []struct {
		name string
		most float64 // share of requests that may fail; a quiet machine stays far below
		deal func()
	}{
		{"a node is killed", 0.25, func() { f.nodes[1].kill(); f.nodes[1].run(t) }},
		{"Redis restarts and has lost everything", 0.25, func() { f.shared.Restart(t) }},
		{"PostgreSQL is killed, stays away, and restarts", 0.8, func() {
			f.database.Kill()
			for _, n := range f.nodes { // beyond store.trust nothing stored is shown
				redistest.Until(t, "a node trusts its records no longer", func() bool { return !n.isReady() })
				if response, _ := get(t, n.url+f.picture(0).path(48)); response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
					t.Errorf("without the database: %d", response.StatusCode)
				}
			}
			f.database.Restart(t)
		}},
		{"S3 is away", 0.25, func() {
			f.bucket.Kill()
			for n := range 8 { // what was made is served, what was not is not
				asked := time.Now()
				p := f.picture(n)
				status, body, err := f.doors.get(t.Context(), p.path(100+n))
				f.judge(t, p, asked, status, body, err)
			}
			f.bucket.Restart(t)
		}},
	} {
		asked, failed, began := f.asked.Load(), f.failed.Load(), time.Now()
		f.hide(t, f.picture(next), false)
		blow.deal()
		f.hide(t, f.picture(next+1), true)
		next += 2
		f.settle(t)
		redistest.Until(t, "an upload is taken again", func() bool { return f.upload(t) })
		hidden := time.Now()
		redistest.Until(t, "what is hidden was asked for when all had to know", func() bool { return time.Since(hidden) > believed+time.Second })
		asked, failed = f.asked.Load()-asked, f.failed.Load()-failed
		share := float64(failed) / float64(max(1, asked))
		t.Logf("%s: %d of %d requests failed (%.1f %%) within %v", blow.name, failed, asked, 100*share, time.Since(began).Round(100*time.Millisecond))
		if asked == 0 || share > blow.most {
			t.Errorf("%s: expected at most %.0f %% of requests to fail, and some to be made", blow.name, 100*blow.most)
		}
	}
	end()
	f.settle(t)
	f.whole(t)
	if len(f.pictures) < f.uploads/2 {
		t.Errorf("%d of %d uploads were acknowledged, expected half or more", len(f.pictures), f.uploads)
	}
	t.Logf("%d of %d requests failed; %d of %d uploads were acknowledged, and all of them are there", f.failed.Load(), f.asked.Load(), len(f.pictures), f.uploads)
}

// purged has one node purge p: no node serves what it has of it.
func (f *fleet) purged(t *testing.T, p *swatch) {
	t.Helper()
	heard := make([]float64, len(f.nodes))
	for i, n := range f.nodes {
		heard[i] = n.gauge(t, "fovea_cache_purges_total")
	}
	if status, _, complaints := said(t, nil, "purge", "--image", p.id, "--admin", f.nodes[2].admin); status != 0 {
		t.Fatal(complaints)
	}
	for i, n := range f.nodes {
		redistest.Until(t, "a node has heard of a purge", func() bool { return n.gauge(t, "fovea_cache_purges_total") > heard[i] })
	}
	before := f.total(t, "fovea_engine_decodes_total")
	f.everywhere(t, p, 48)
	if n := f.total(t, "fovea_engine_decodes_total") - before; n != 1 {
		t.Errorf("after a purge the picture was made %v times", n)
	}
}

// whole looks at every picture on every node: what was acknowledged is there, and what
// was hidden is not shown.
func (f *fleet) whole(t *testing.T) {
	t.Helper()
	for i := range f.pictures {
		p, n := f.picture(i), f.nodes[i%len(f.nodes)]
		response, body := get(t, n.url+p.path(20))
		switch hidden := p.hidden.Load() != 0; {
		case hidden && response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusNotFound:
			t.Errorf("%s, which is hidden: %d", p.id, response.StatusCode)
		case !hidden && (response.StatusCode != http.StatusOK || !p.is(body)):
			t.Errorf("%s, which was acknowledged: %d", p.id, response.StatusCode)
		}
	}
}
