package store_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/s3blob"
	"github.com/fovea-images/fovea/store/s3blob/s3test"
	"github.com/fovea-images/fovea/store/sqldb"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// slow is a way to an S3 service on which what removes bytes arrives when it is let
// through, whether or not anybody waits for it any more.
type slow struct {
	url    string
	to     *url.URL
	mu     sync.Mutex
	held   []*http.Request
	events chan struct{} // one for each that is held
	end    func()        // breaks off what waits for an answer
}

func detour(t *testing.T, endpoint string) *slow {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	s := &slow{to: to, events: make(chan struct{}, 100), end: end}
	behind := &httputil.ReverseProxy{Rewrite: s.rewrite}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete {
			behind.ServeHTTP(w, r)
			return
		}
		s.mu.Lock()
		s.held = append(s.held, r.Clone(context.Background()))
		s.mu.Unlock()
		s.events <- struct{}{}
		select {
		case <-r.Context().Done(): // who asked has given up
		case <-ended.Done():
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(func() { end(); server.Close() })
	s.url = server.URL
	return s
}

func (s *slow) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = s.to.Scheme, s.to.Host, r.In.Host
}

// through carries out what was held.
func (s *slow) through(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.held {
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", s.to.Scheme, s.to.Host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusNoContent {
			t.Fatalf("a removal that was held is answered %s", answer.Status)
		}
	}
	s.held = nil
}

// member is a library of a fleet: names in PostgreSQL, bytes in a bucket.
func member(t *testing.T, database string, server *s3test.Server, endpoint string, patience time.Duration) *store.Library {
	t.Helper()
	names, err := sqldb.OpenPostgres(t.Context(), sqldb.Postgres{URL: database, Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	blobs, err := s3blob.Open(s3blob.Options{Bucket: "pictures", Endpoint: endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return &store.Library{Names: names, Blobs: blobs}
}

// A service may carry out a removal long after nobody waits for it. Nothing that was
// uploaded meanwhile is lost by it, by whatever node.
func TestARemovalThatComesLateTakesNothingUploadedMeanwhile(t *testing.T) {
	server, database := s3test.Start(t, "pictures"), postgrestest.Start(t)
	names, way := database.Database(t, "names"), detour(t, server.Endpoint)
	one := member(t, names, server, way.url, 2*time.Second)
	other := member(t, names, server, server.Endpoint, 10*time.Second)
	account, err := one.EnsureAccount(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("the same bytes")
	add := func(l *store.Library, id string) store.Image {
		t.Helper()
		img, err := l.Add(t.Context(), store.Image{Account: account.Hash, ID: id}, body, false)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	add(one, "first")
	if err := one.Remove(t.Context(), account.Hash, "first"); err != nil {
		t.Fatal(err)
	}
	draft := store.Image{Account: account.Hash, ID: "draft", Uploaded: time.Now(), Expires: time.Now().Add(time.Hour)}
	if _, err := other.Promise(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	filled, err := other.Fulfil(t.Context(), store.Image{Account: account.Hash, ID: "draft"}, body)
	if err != nil {
		t.Fatal(err)
	}
	kept := []store.Image{add(one, "second"), add(other, "third"), filled}
	way.through(t)
	for _, img := range kept {
		if got, err := everything(t, other, img.Blob); err != nil || got != string(body) {
			t.Errorf("%s, which was acknowledged: %q, %v", img.ID, got, err)
		}
	}
	found, err := other.Check(t.Context(), time.Now().Add(time.Hour), 0, true)
	if err != nil || found.Images != 3 || len(found.Missing) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func everything(t *testing.T, l *store.Library, ref store.BlobRef) (string, error) {
	t.Helper()
	r, _, err := l.Blobs.Open(t.Context(), ref)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return string(body), err
}

// However many removals a service keeps waiting, they hold no connection to the database.
func TestWhileS3IsSlowOtherChangesGoOn(t *testing.T) {
	server, database := s3test.Start(t, "pictures"), postgrestest.Start(t)
	way := detour(t, server.Endpoint)
	library := member(t, database.Database(t, "names"), server, way.url, 30*time.Second)
	account, err := library.EnsureAccount(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	const many = 8
	for n := range many + 1 {
		if _, err := library.Add(t.Context(), store.Image{Account: account.Hash, ID: fmt.Sprint(n)}, fmt.Append(nil, "bytes ", n), false); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for n := range many {
		all.Go(func() { _ = library.Remove(t.Context(), account.Hash, fmt.Sprint(n)) })
	}
	defer all.Wait()
	defer way.end()
	patience := time.After(30 * time.Second)
	for range many {
		select {
		case <-way.events:
		case <-patience:
			t.Fatal("removals hold what others need")
		}
	}
	private := true
	if _, err := library.Change(t.Context(), account.Hash, fmt.Sprint(many), store.Change{RequireSigned: &private}); err != nil {
		t.Errorf("a change of another image: %v", err)
	}
	if _, err := library.Add(t.Context(), store.Image{Account: account.Hash, ID: "more"}, []byte("more"), false); err != nil {
		t.Errorf("an upload: %v", err)
	}
}

func TestBytesAreNotLostBetweenTwoNodes(t *testing.T) {
	server, database := s3test.Start(t, "pictures"), postgrestest.Start(t)
	names := database.Database(t, "names")
	var open [2]*store.Library
	for i := range open {
		open[i] = member(t, names, server, server.Endpoint, 30*time.Second)
	}
	contested(t, open, 20)
}
