package web

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin/origintest"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store/s3blob/s3test"
)

// inBucket returns an Origin over a bucket of server, with what change makes of it.
func inBucket(t *testing.T, server *s3test.Server, o Options, change func(*Bucket)) *Origin {
	t.Helper()
	b := Bucket{Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey}
	if change != nil {
		change(&b)
	}
	o.Buckets = map[string]Bucket{"pictures": b}
	if o.AllowPrivate == nil {
		o.AllowPrivate = loopback
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sources.CloseIdleConnections)
	return w
}

func putObject(t *testing.T, server *s3test.Server, key, body string) {
	t.Helper()
	client, err := minio.New(strings.TrimPrefix(server.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(t.Context(), "pictures", key, strings.NewReader(body), int64(len(body)), minio.PutObjectOptions{CacheControl: "max-age=0"}); err != nil {
		t.Fatal(err)
	}
}

// source is what a URL makes of a source in the bucket.
func source(t *testing.T, key string) params.Source {
	t.Helper()
	origins, err := params.ParseOrigins([]string{"s3://pictures"})
	if err != nil {
		t.Fatal(err)
	}
	target, _, err := (&params.Site{Origins: origins}).Parse("example.com", "/cdn-cgi/image/w=1/s3://pictures/"+key)
	if err != nil {
		t.Fatal(err)
	}
	return target.Source
}

func TestOriginInABucket(t *testing.T) {
	server := s3test.Start(t, "pictures")
	putObject(t, server, "a", "picture")
	origintest.Origin(t, func(t *testing.T) origintest.Case {
		return origintest.Case{
			Origin: inBucket(t, server, Options{Keep: 1 << 20}, nil), Body: []byte("picture"),
			Has:     params.Target{Kind: params.Remote, Source: source(t, "a")},
			Missing: params.Target{Kind: params.Remote, Source: source(t, "b")},
		}
	})
}

func TestBuckets(t *testing.T) {
	server := s3test.Start(t, "pictures")
	get := func(t *testing.T, w *Origin, key string) (string, error) {
		t.Helper()
		got, err := w.Fetch(t.Context(), params.Target{Kind: params.Remote, Source: source(t, key)})
		return string(got.Body), err
	}
	t.Run("every key is found as it is spelt", func(t *testing.T) {
		w := inBucket(t, server, Options{}, nil)
		for key, spelt := range map[string]string{
			"plain/a.jpg": "plain/a.jpg", "röd 1%+2.jpg": "r%C3%B6d%201%25+2.jpg", "q?x=1&y#z": "q%3Fx=1&y%23z", "a;b,c=d@e:f!$'()*~": "a;b,c=d@e:f!$'()*~", "日本": "日本",
		} {
			putObject(t, server, key, "it is "+key)
			if got, err := get(t, w, spelt); err != nil || got != "it is "+key {
				t.Errorf("%s: %q, %v", spelt, got, err)
			}
		}
	})
	t.Run("what is kept is asked for by its ETag, and what changed is seen", func(t *testing.T) {
		w := inBucket(t, server, Options{Keep: 1 << 20}, nil)
		putObject(t, server, "kept", "first")
		for _, want := range []string{"first", "first", "second"} {
			if want == "second" {
				putObject(t, server, "kept", want)
			}
			if got, err := get(t, w, "kept"); err != nil || got != want {
				t.Errorf("%q, %v", got, err)
			}
		}
		if known, _ := w.kept.get("s3://pictures/kept"); known == nil || known.etag == "" {
			t.Errorf("kept %+v", known)
		}
	})
	t.Run("a private address must be allowed", func(t *testing.T) {
		w := inBucket(t, server, Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, nil)
		if _, err := get(t, w, "kept"); !fault.Is(err, fault.NotAllowed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("another bucket is not there", func(t *testing.T) {
		if _, err := inBucket(t, server, Options{}, nil).Get(t.Context(), "s3://others/kept"); !fault.Is(err, fault.NotAllowed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("credentials that are refused are no image, and the log says why", func(t *testing.T) {
		for _, change := range []func(*Bucket){
			func(b *Bucket) { b.SecretKey = "another-secret" },
			func(b *Bucket) { b.Region = "mars-north-1" },
		} {
			_, err := get(t, inBucket(t, server, Options{}, change), "kept")
			if e := fault.Of(err); err == nil || e.Cause == nil || !strings.Contains(e.Cause.Error(), "look at access_key") || strings.Contains(err.Error(), "another-secret") {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("what is not public is not given without a key", func(t *testing.T) {
		if got, err := get(t, inBucket(t, server, Options{}, func(b *Bucket) { b.AccessKey, b.SecretKey = "", "" }), "kept"); err == nil {
			t.Errorf("%q", got)
		}
	})
	t.Run("a source that is too large is refused", func(t *testing.T) {
		if _, err := get(t, inBucket(t, server, Options{MaxBytes: 3}, nil), "kept"); !fault.Is(err, fault.SourceTooLong) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a service that died fails, and is asked again once it is back", func(t *testing.T) {
		w := inBucket(t, server, Options{}, nil)
		server.Kill()
		if _, err := get(t, w, "kept"); !fault.Is(err, fault.FetchFailed) {
			t.Errorf("%v", err)
		}
		server.Restart(t)
		if got, err := get(t, w, "kept"); err != nil || got != "second" {
			t.Errorf("%q, %v", got, err)
		}
	})
	if left, err := os.ReadDir(filepath.Join(server.Folder, "pictures")); err != nil || len(left) == 0 {
		t.Error(left, err)
	}
}

func TestASignedRequestGoesNowhereElse(t *testing.T) {
	reached := ""
	_, elsewhere := web(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { reached = r.Header.Get("Authorization") + "!" })
	signed := ""
	_, address := web(t, Options{}, func(rw http.ResponseWriter, r *http.Request) {
		signed = r.Header.Get("Authorization")
		http.Redirect(rw, r, elsewhere, http.StatusTemporaryRedirect)
	})
	w, err := New(Options{AllowPrivate: loopback, Buckets: map[string]Bucket{"pictures": {Endpoint: address, AccessKey: "id", SecretKey: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Get(t.Context(), "s3://pictures/a"); !fault.Is(err, fault.BadRedirect) || reached != "" || !strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential=id/") {
		t.Errorf("%v, reached %q, signed %q", err, reached, signed)
	}
	if _, err := w.Get(t.Context(), address); err != nil || signed != "" {
		t.Errorf("what is in no bucket was signed: %q, %v", signed, err)
	}
}

func TestWhereABucketIs(t *testing.T) {
	w, err := New(Options{Buckets: map[string]Bucket{
		"amazon": {Region: "eu-west-1", HostStyle: true},
		"r2":     {Endpoint: "https://0123.r2.cloudflarestorage.com", Region: "auto"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"s3://amazon/a%20b": "https://amazon.s3.eu-west-1.amazonaws.com/a%20b",
		"s3://r2/a//b+c":    "https://0123.r2.cloudflarestorage.com/r2/a//b%2Bc",
	} {
		if u, _, err := w.whereabouts(address); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v, want %s", address, u, err, want)
		}
	}
}
