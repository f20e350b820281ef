package s3blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/s3blob/s3test"
	"github.com/fovea-images/fovea/store/storetest"
)

const bucket = "pictures"

func open(t *testing.T, server *s3test.Server, change func(*Options)) *Store {
	t.Helper()
	o := Options{Bucket: bucket, Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, Scratch: t.TempDir()}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(o.Scratch); len(left) > 0 || err != nil {
			t.Errorf("left in the scratch folder: %v, %v", left, err)
		}
	})
	return s
}

func read(t *testing.T, s *Store, ref store.BlobRef) ([]byte, error) {
	t.Helper()
	r, n, err := s.Open(t.Context(), ref)
	if err != nil {
		return nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return body, errors.Join(err, r.Close())
}

func put(t *testing.T, s *Store, body []byte) store.BlobRef {
	t.Helper()
	ref, n, err := s.Put(t.Context(), "", bytes.NewReader(body))
	if err != nil || n != int64(len(body)) {
		t.Fatal(n, err)
	}
	return ref
}

func TestBlobs(t *testing.T) {
	server := s3test.Start(t, bucket)
	count := 0
	storetest.Blobs(t, func(t *testing.T) store.Blobs {
		count++
		return open(t, server, func(o *Options) { o.Prefix = fmt.Sprintf("deep/p%d/", count) })
	})
}

func TestPut(t *testing.T) {
	server := s3test.Start(t, bucket)
	s := open(t, server, nil)
	t.Run("what is larger than one request comes back", func(t *testing.T) {
		body := make([]byte, single+single/2+7)
		rand.Read(body)
		ref := put(t, s, body)
		if got, err := read(t, s, ref); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
		}
	})
	t.Run("what cannot be read twice comes back, and so does nothing at all", func(t *testing.T) {
		for _, body := range []string{"from a pipe", ""} {
			ref, _, err := s.Put(t.Context(), "", io.MultiReader(strings.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(t, s, ref); err != nil || string(got) != body {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
	t.Run("the rest of a reader is put", func(t *testing.T) {
		r := strings.NewReader("not this, this")
		if _, err := r.Seek(10, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		ref, n, err := s.Put(t.Context(), "", r)
		if err != nil || n != 4 {
			t.Fatal(n, err)
		}
		if got, err := read(t, s, ref); err != nil || string(got) != "this" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("bytes that are there are not written again, unless they are broken", func(t *testing.T) {
		ref := put(t, s, []byte("once"))
		path := filepath.Join(server.Folder, bucket, string(ref))
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, []byte("once"))
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("written again: %v", err)
		}
		if err := os.WriteFile(path, []byte("on"), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, s, []byte("once"))
		if got, err := read(t, s, ref); err != nil || string(got) != "once" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("others of the same length are not taken for them", func(t *testing.T) {
		large := make([]byte, single+1)
		for _, body := range [][]byte{[]byte("these"), large} {
			ref, others := put(t, s, body), bytes.Clone(body)
			others[0] ^= 1
			if _, err := s.core.Client.PutObject(t.Context(), bucket, string(ref), bytes.NewReader(others), int64(len(others)), minio.PutObjectOptions{PartSize: part}); err != nil {
				t.Fatal(err)
			}
			put(t, s, body)
			if got, err := read(t, s, ref); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d of %d bytes: %v", len(got), len(body), err)
			}
		}
	})
	t.Run("what came in parts is not sent again", func(t *testing.T) {
		body := bytes.Repeat([]byte("12345678"), single/8+1)
		ref := put(t, s, body)
		before, err := os.Stat(filepath.Join(server.Folder, bucket, string(ref)))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, body)
		after, err := os.Stat(filepath.Join(server.Folder, bucket, string(ref)))
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("sent again: %v", err)
		}
	})
	t.Run("bytes that were put long ago are put anew", func(t *testing.T) {
		ref := put(t, s, []byte("old"))
		long := time.Now().Add(-2 * renewed)
		if err := os.Chtimes(filepath.Join(server.Folder, bucket, string(ref)), long, long); err != nil {
			t.Fatal(err)
		}
		put(t, s, []byte("old"))
		if err := s.List(t.Context(), func(got store.BlobRef, at time.Time) error {
			if got == ref && time.Since(at) > renewed {
				t.Errorf("listed as of %v", at)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestListEndsUploadsThatACrashLeft(t *testing.T) {
	server := s3test.Start(t, bucket)
	s := open(t, server, func(o *Options) { o.Prefix = "p/" })
	key := "p/" + strings.Repeat("0", 64)
	id, err := s.core.NewMultipartUpload(t.Context(), bucket, key, minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	uploads := func() int {
		page, err := s.core.ListMultipartUploads(t.Context(), bucket, "p/", "", "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Uploads)
	}
	list := func() {
		if err := s.List(t.Context(), func(ref store.BlobRef, _ time.Time) error { t.Errorf("listed %v", ref); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if list(); uploads() != 1 {
		t.Error("a young upload has gone")
	}
	long := time.Now().Add(-2 * abandoned)
	if err := filepath.WalkDir(filepath.Dir(server.Folder), func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == id {
			err = os.Chtimes(path, long, long)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if list(); uploads() != 0 {
		t.Error("an old upload has stayed")
	}
}

func TestBrokenObjectIsNeverGiven(t *testing.T) {
	server := s3test.Start(t, bucket)
	s := open(t, server, nil)
	body := bytes.Repeat([]byte("picture "), 100_000)
	for name, spoil := range map[string]func([]byte) []byte{
		"a bit":   func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"shorter": func(b []byte) []byte { return b[:len(b)-1] },
		"empty":   func([]byte) []byte { return nil },
		"longer":  func(b []byte) []byte { return append(b, 'x') },
	} {
		t.Run(name, func(t *testing.T) {
			ref := put(t, s, body)
			if err := os.WriteFile(filepath.Join(server.Folder, bucket, string(ref)), spoil(bytes.Clone(body)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := read(t, s, ref); !errors.Is(err, errTorn) || fault.Is(err, fault.NotFound) {
				t.Errorf("%v", err)
			}
			if err := s.Delete(t.Context(), ref); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	server := s3test.Start(t, bucket)
	for _, tt := range []struct {
		name, want string
		change     func(*Options)
	}{
		{"another secret", "look at access_key, secret_key and region", func(o *Options) { o.SecretKey = "another-secret" }},
		{"an unknown key", "look at access_key, secret_key and region", func(o *Options) { o.AccessKey = "nobody" }},
		{"another region", "look at access_key, secret_key and region", func(o *Options) { o.Region = "mars-north-1" }},
		{"no bucket", `expected the bucket "elsewhere"`, func(o *Options) { o.Bucket = "elsewhere" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, server, tt.change)
			_, _, put := s.Put(t.Context(), "", strings.NewReader("x"))
			_, got := read(t, s, store.BlobRef(strings.Repeat("0", 64)))
			list := s.List(t.Context(), func(store.BlobRef, time.Time) error { return nil })
			for doing, err := range map[string]error{"ready": s.Ready(t.Context()), "put": put, "open": got, "list": list} {
				var refused *RefusedError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) || fault.Is(err, fault.NotFound) {
					t.Errorf("%s: %v", doing, err)
				}
				if err != nil && strings.Contains(err.Error(), s.SecretKey) {
					t.Errorf("%s tells the secret: %v", doing, err)
				}
			}
		})
	}
}

// between is an HTTP server before the S3 service, which answers in its place if
// instead says that it did.
func between(t *testing.T, server *s3test.Server, instead func(w http.ResponseWriter, r *http.Request) bool) func(*Options) {
	t.Helper()
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	behind := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r) {
			behind.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return func(o *Options) { o.Endpoint = front.URL }
}

func answer(w http.ResponseWriter, status int, code string) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>so it is</Message></Error>", code)
	return true
}

func TestAnswersOfOtherServices(t *testing.T) {
	server := s3test.Start(t, bucket)
	for _, tt := range []struct {
		status     int
		code, want string
	}{
		{http.StatusForbidden, "RequestTimeTooSkewed", "the clock of this machine is wrong"},
		{http.StatusForbidden, "AccessDenied", "may not write"},
		{http.StatusMethodNotAllowed, "MethodNotAllowed", "read-only"},
		{http.StatusInsufficientStorage, "XMinioStorageFull", "is full"},
		{http.StatusForbidden, "QuotaExceeded", "is full"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool { return answer(w, tt.status, tt.code) }))
			if _, _, err := s.Put(t.Context(), "", strings.NewReader("x")); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("one without conditional writes is written to all the same", func(t *testing.T) {
		conditions := 0
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("If-None-Match") == "" {
				return false
			}
			conditions++
			return answer(w, http.StatusNotImplemented, "NotImplemented")
		}))
		for _, body := range []string{"a", "b"} {
			if got, err := read(t, s, put(t, s, []byte(body))); err != nil || string(got) != body {
				t.Errorf("%q, %v", got, err)
			}
		}
		if conditions != 1 {
			t.Errorf("%d conditional writes", conditions)
		}
	})
	t.Run("one that does not say how long an object is, is not read", func(t *testing.T) {
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				return false
			}
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_ = http.NewResponseController(w).Flush() // the length is not known by now
			_, _ = io.WriteString(w, "a")
			return true
		}))
		r, n, err := s.Open(t.Context(), put(t, s, []byte("a")))
		if err == nil {
			_, err = r.Read(make([]byte, 8))
		}
		if err == nil || n < 0 || !strings.Contains(err.Error(), "length") {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
	t.Run("one that cannot list unfinished uploads is listed all the same", func(t *testing.T) {
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Query().Has("uploads") && answer(w, http.StatusNotImplemented, "NotImplemented")
		}))
		if err := s.List(t.Context(), func(store.BlobRef, time.Time) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestTrouble(t *testing.T) {
	server := s3test.Start(t, bucket)
	body := bytes.Repeat([]byte("picture "), 1<<16)
	ref := put(t, open(t, server, nil), body)
	whole := func(t *testing.T, s *Store) {
		t.Helper()
		if got, err := read(t, s, ref); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
		}
	}
	t.Run("a service that is busy for a moment is asked again", func(t *testing.T) {
		var asked atomic.Int64
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			return asked.Add(1)%2 == 1 && answer(w, http.StatusServiceUnavailable, "SlowDown")
		}))
		whole(t, s)
		put(t, s, []byte("while it is busy"))
	})
	t.Run("one that stays busy is given up, and that passes", func(t *testing.T) {
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			return answer(w, http.StatusServiceUnavailable, "SlowDown")
		}))
		if _, err := read(t, s, ref); !fault.Is(err, fault.Overloaded) {
			t.Errorf("%v", err)
		}
		if got := s.Stats(); got.Failures == 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a slow one is waited for", func(t *testing.T) {
		whole(t, open(t, server, between(t, server, func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-time.After(200 * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		})))
	})
	t.Run("an answer that breaks off is read on", func(t *testing.T) {
		var asked atomic.Int64
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			if asked.Add(1) > 1 {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_, _ = w.Write(body[:len(body)/3])
			panic(http.ErrAbortHandler)
		}))
		whole(t, s)
		if asked.Load() != 2 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
	t.Run("one that always breaks off is given up", func(t *testing.T) {
		s := open(t, server, between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_, _ = w.Write(body[:len(body)/3])
			panic(http.ErrAbortHandler)
		}))
		if _, err := read(t, s, ref); err == nil || fault.Is(err, fault.NotFound) {
			t.Errorf("%v", err)
		}
	})
	t.Run("one that is stopped costs no more than the timeout", func(t *testing.T) {
		s := open(t, server, func(o *Options) { o.Timeout = 400 * time.Millisecond })
		server.Pause(t)
		defer server.Resume(t)
		if _, err := read(t, s, ref); !fault.Is(err, fault.Overloaded) {
			t.Errorf("%v", err)
		}
		if _, _, err := s.Put(t.Context(), "", bytes.NewReader(body)); !fault.Is(err, fault.Overloaded) {
			t.Errorf("%v", err)
		}
	})
	t.Run("who has gone is told so", func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		end()
		if _, _, err := open(t, server, nil).Open(ctx, ref); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("one that died and is back has kept all it acknowledged", func(t *testing.T) {
		s := open(t, server, nil)
		whole(t, s)
		server.Kill()
		if _, err := read(t, s, ref); !fault.Is(err, fault.Overloaded) {
			t.Errorf("%v", err)
		}
		server.Restart(t)
		whole(t, s)
	})
}

// A service that stops within a list is given up, and that passes.
func TestAListThatStops(t *testing.T) {
	server := s3test.Start(t, bucket)
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	for _, query := range []string{"list-type", "uploads"} {
		front := between(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has(query) {
				return false
			}
			_, _ = io.WriteString(w, "<ListBucketResult>")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-ended:
			case <-r.Context().Done():
			}
			return true
		})
		s := open(t, server, func(o *Options) { front(o); o.Timeout = 200 * time.Millisecond })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := s.List(ctx, func(store.BlobRef, time.Time) error { return nil }); !fault.Is(err, fault.Overloaded) {
			t.Errorf("%s: %v", query, err)
		}
		cancel()
	}
}

func TestOpenJudgesItsOptions(t *testing.T) {
	good := Options{Bucket: "abc", Endpoint: "https://s3.example.com", AccessKey: "a", SecretKey: "hidden-here"}
	for _, tt := range []struct {
		want   string
		change func(*Options)
	}{
		{"bucket: expected 3 to 63", func(o *Options) { o.Bucket = "A" }},
		{"endpoint: expected a URL", func(o *Options) { o.Endpoint = "s3.example.com" }},
		{"endpoint: expected a URL", func(o *Options) { o.Endpoint = "https://me:hidden-here@s3.example.com" }},
		{"endpoint: expected a URL", func(o *Options) { o.Endpoint = "https://s3.example.com/bucket" }},
		{"prefix: expected the beginning", func(o *Options) { o.Prefix = "/x" }},
		{"access_key: expected", func(o *Options) { o.AccessKey = "" }},
		{"secret_key: expected", func(o *Options) { o.SecretKey = "" }},
		{"timeout: expected", func(o *Options) { o.Timeout = -1 }},
		{"timeout: expected a duration above 0, at most 1m, received 1h0m0s", func(o *Options) { o.Timeout = time.Hour }},
	} {
		o := good
		tt.change(&o)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
}
