package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

const delivery = "/cdn-cgi/imagedelivery/Vi7wi5KSItxGFsWRG2Us6Q/"

// zeros are dice.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var _ io.Reader = zeros{}

// scripted takes a request through a guest that does these steps.
func scripted(t *testing.T, uri string, change func(*plugins.Link), all ...string) (*plugins.Exchange, *plugins.Failure, string) {
	t.Helper()
	var log bytes.Buffer
	journal := plugins.NewJournal("test", slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	chain, _ := chainOf(t, Options{File: "testdata/script.wasm", Config: steps(all...), Instances: 1, Patience: time.Minute, Journal: journal}, func(l *plugins.Link) {
		if change != nil {
			change(l)
		}
	})
	x := chain.Begin()
	x.Site = &params.Site{Zone: "example.com"}
	x.Accepts = func(accept []byte) string { return "of " + string(accept) }
	x.Client = netip.MustParseAddrPort("[::ffff:192.0.2.7]:4711")
	x.Now, x.Random = func() time.Time { return time.UnixMilli(0x0102030405) }, zeros{}
	x.Load([]byte("GET"), []byte(uri))
	for _, h := range []string{"Host: example.com", "Accept: image/webp", "Accept: */*", "X-Two: a", "x-two: b", "Cookie: s=1", "Authorization: Bearer t", "X-Request-Id: r-1"} {
		name, value, _ := strings.Cut(h, ": ")
		x.LoadHeader([]byte(name), []byte(value))
	}
	err := chain.Request(t.Context(), x)
	if err == nil && x.Wanted() {
		x.LoadAnswer(404)
		x.LoadAnswerHeader([]byte("Cache-Control"), []byte("public, max-age=100"))
		x.LoadAnswerHeader([]byte("X-Old"), []byte("1"))
		x.LoadAnswerHeader([]byte("ETag"), []byte(`"1"`))
		chain.Response(t.Context(), x, true)
	}
	if err != nil {
		var f *plugins.Failure
		if !errors.As(err, &f) {
			t.Fatal(err)
		}
		return x, f, log.String()
	}
	return x, nil, log.String()
}

// effect is what came of a request, in words.
func effect(x *plugins.Exchange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", x.Method(), x.URI())
	if x.Stopped() {
		status, body := x.Own()
		fmt.Fprintf(&b, " answered %d %q", status, body)
	}
	x.Waiting("", func(name, value []byte, replace bool) {
		sign := "+"
		if replace {
			sign = "="
		}
		fmt.Fprintf(&b, " %s%s:%s", sign, name, value)
	})
	x.Varies(func(name []byte) { fmt.Fprintf(&b, " vary:%s", name) })
	for _, tag := range x.Tags() {
		fmt.Fprintf(&b, " tag:%s", tag)
	}
	x.Touched(func(name []byte, values [][]byte) {
		fmt.Fprintf(&b, " late:%s:%s", name, bytes.Join(values, []byte("|")))
	})
	return b.String()
}

// Each row is a guest's steps, and what comes of them.
func TestWhatAGuestMayDo(t *testing.T) {
	clock := binary.LittleEndian.AppendUint64(nil, 0x0102030405)
	for _, tt := range []struct {
		name  string
		uri   string
		steps []string
		want  string
	}{
		{"nothing", "/p", nil, "GET /p"},
		{"the URI is rewritten", "/p?x=1", []string{"u/q?y=2"}, "GET /q?y=2"},
		{"an empty URI is /", "/p", []string{"u"}, "GET /"},
		{"the URI is not cleaned", "/p", []string{"u/a//../b%2f"}, "GET /a//../b%2f"},
		{"the last URI counts", "/p", []string{"u/1", "u/2"}, "GET /2"},
		{"the method is changed", "/p", []string{"mHEAD"}, "HEAD /p"},
		{"a proof is carried over to another path", "/p?exp=1&sig=aa&x=2", []string{"u/q"}, "GET /q?exp=1&sig=aa"},
		{"a token is carried over", "/p?token=t.t.t", []string{"u/q"}, "GET /q?token=t.t.t"},
		{"a query of the rule's own stands", "/p?exp=1&sig=aa", []string{"u/q?"}, "GET /q?"},
		{"a proof taken off the same path stays off", "/p?exp=1&sig=aa", []string{"u/p"}, "GET /p"},
		{"a read URI", "/p?x=%20", []string{"i", "."}, `GET /p?x=%20 answered 200 "/p?x=%20"`},
		{"the method", "/p", []string{"M", "."}, `GET /p answered 200 "GET"`},
		{"the client's address", "/p", []string{"p", "."}, `GET /p answered 200 "192.0.2.7:4711"`},
		{"names of headers, without the hidden", "/p", []string{"n", "."}, `GET /p answered 200 "host\x00accept\x00x-two\x00x-request-id\x00"`},
		{"values of a header, names in any case", "/p", []string{"hX-TWO", "."}, `GET /p answered 200 "a\x00b\x00"`},
		{"no values of a hidden header", "/p", []string{"hcookie", "hAuthorization", "."}, `GET /p answered 200 ""`},
		{"a header is set, added, removed", "/p", []string{"sx-two\x00c", "ax-two\x00d", "raccept", "hx-two", "haccept", "."}, `GET /p answered 200 "c\x00d\x00"`},
		{"an answer of its own", "/p", []string{"c" + strings.Repeat(" ", 302), "Slocation\x00/q", "bgo there", "."}, `GET /p answered 302 "go there" =location:/q`},
		{"what its own body is", "/p", []string{"Scontent-type\x00text/html", "b<p>", "."}, `GET /p answered 200 "<p>" =content-type:text/html`},
		{"framing is not its own", "/p", []string{"Scontent-length\x009", "Sconnection\x00close", "Stransfer-encoding\x00x", "."}, `GET /p answered 200 ""`},
		{"status and body with next=1 are dropped", "/p", []string{"c" + strings.Repeat(" ", 404), "bno"}, "GET /p"},
		{"waiting headers", "/p", []string{"Sx-a\x001", "Ax-a\x002", "Sx-b\x001", "Rx-b"}, "GET /p =x-a:1 +x-a:2"},
		{"the proxy's own headers are not set", "/p", []string{
			"Scontent-type\x00a", "SContent-Length\x001", "Scontent-encoding\x00a", "Stransfer-encoding\x00a", "Sconnection\x00a", "SETag\x00a",
			"Scache-status\x00a", "Scontent-security-policy\x00a", "Sx-content-type-options\x00a", "Sx-mine\x001"}, "GET /p =x-mine:1"},
		{"Vary is added to", "/p", []string{"Svary\x00X-A, *, x-b", "vX-A", "vcookie"}, "GET /p vary:x-a vary:cookie vary:x-b"},
		{"tags", "/p", []string{"gsummer/1", "gsummer/1", "gno good", "g"}, "GET /p =x-code:0 +x-code:0 +x-code:2 +x-code:2 tag:summer/1"},
		{"at most eight tags", "/p", []string{"g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"}, "GET /p =x-code:0 +x-code:0 +x-code:0 +x-code:0 +x-code:0 +x-code:0 +x-code:0 +x-code:0 +x-code:1 tag:1 tag:2 tag:3 tag:4 tag:5 tag:6 tag:7 tag:8"},
		{"the time is the host's", "/p", []string{"w", "."}, fmt.Sprintf("GET /p answered 200 %q", clock)},
		{"the dice are the host's", "/p", []string{"d", "."}, `GET /p answered 200 "\x00\x00\x00\x00\x00\x00\x00\x00"`},
		{"what is known of the request", "/p", []string{"qscheme", "qclient_ip", "qrequest_id", "qaccepts", "qnothing", "."}, `GET /p answered 200 "http192.0.2.7r-1of image/webp, */*"`},

		{"fields of a delivery URL", delivery + "a/b/w=9,x=1", []string{"Tkind", "Taccount", "Timage", "Tvariant", "Toptions", "Toption.width", "Tsource", "."},
			"GET " + delivery + `a/b/w=9,x=1 answered 200 "deliveryVi7wi5KSItxGFsWRG2Us6Qa/bwidth=99"`},
		{"fields of a transform", "/cdn-cgi/image/w=9/a.jpg?x=1", []string{"Tkind", "Timage", "Tsource", "."}, `GET /cdn-cgi/image/w=9/a.jpg?x=1 answered 200 "transform/a.jpg?x=1"`},
		{"no fields of another path", "/p", []string{"Tkind", "."}, `GET /p answered 200 ""`},
		{"account", delivery + "a/public", []string{"taccount\x00other"}, "GET /cdn-cgi/imagedelivery/other/a/public =x-code:0"},
		{"image", delivery + "a/public?x=1", []string{"timage\x00b c/d"}, "GET " + delivery + "b%20c/d/public?x=1 =x-code:0"},
		{"variant in place of options", delivery + "a/w=9", []string{"tvariant\x00thumb"}, "GET " + delivery + "a/thumb =x-code:0"},
		{"options in place of a variant", delivery + "a/thumb", []string{"toptions\x00h=4,w=3"}, "GET " + delivery + "a/height=4,width=3 =x-code:0"},
		{"one option in place of a variant", delivery + "a/thumb", []string{"toption.quality\x0040"}, "GET " + delivery + "a/quality=40 =x-code:0"},
		{"one option among others", delivery + "a/w=9,q=high", []string{"toption.quality\x0040"}, "GET " + delivery + "a/quality=40,width=9 =x-code:0"},
		{"an option is removed", delivery + "a/w=9,q=40", []string{"toption.quality"}, "GET " + delivery + "a/width=9 =x-code:0"},
		{"unknown options stay", delivery + "a/w=9,zoo=1", []string{"toption.height\x003"}, "GET " + delivery + "a/height=3,width=9,zoo=1 =x-code:0"},
		{"a colour needs its escape", delivery + "a/w=9", []string{"toption.background\x00#ff0000"}, "GET " + delivery + "a/background=%23ff0000,width=9 =x-code:0"},
		{"the source of a transform", "/cdn-cgi/image/w=9,zoo=1/a.jpg?x=1", []string{"tsource\x00/b.jpg"}, "GET /cdn-cgi/image/width=9,zoo=1/b.jpg =x-code:0"},
		{"an option of a transform", "/cdn-cgi/image/w=9/a.jpg?x=1", []string{"toption.fit\x00cover"}, "GET /cdn-cgi/image/fit=cover,width=9/a.jpg?x=1 =x-code:0"},
		{"bad values change nothing", delivery + "a/w=9", []string{"tkind\x00transform", "taccount\x00a b", "timage\x00../x", "tvariant\x00a=b", "toptions\x00nonsense", "toption.width\x00-1", "toption.fit\x00crooked"},
			"GET " + delivery + "a/w=9 =x-code:2 +x-code:2 +x-code:2 +x-code:2 +x-code:2 +x-code:2 +x-code:2"},
		{"unknown fields change nothing", delivery + "a/w=9", []string{"tsource\x00/x", "tcolour\x001", "toption.w\x009", "toption.zoo\x001"}, "GET " + delivery + "a/w=9 =x-code:1 +x-code:1 +x-code:1 +x-code:1"},
		{"a source elsewhere that is not allowed", "/cdn-cgi/image/w=9/a.jpg", []string{"tsource\x00https://evil.example/x"}, "GET /cdn-cgi/image/w=9/a.jpg =x-code:2"},

		{"the way back", "/p", []string{"|", "x", "Hx-old", "Rx-old", "Sx-new\x001", "Ax-new\x002", "SETag\x00no", "RETag", "Scache-control\x00max-age=9", "Svary\x00x-a"},
			"GET /p vary:x-a late:x-status:4 late:x-saw:1 late:x-old: late:x-new:1|2 late:cache-control:public, max-age=9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, failure, _ := scripted(t, tt.uri, nil, tt.steps...)
			if failure != nil {
				t.Fatal(failure)
			}
			if diff := cmp.Diff(tt.want, effect(x)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A guest that asks for what it may not fails, and what it has done is undone.
func TestWhatAGuestMayNotDo(t *testing.T) {
	for _, tt := range []struct {
		name string
		step string
		says string
	}{
		{"a URI with a space", "u/a b", "set_uri: expected a URI without spaces"},
		{"a URI with a line break", "u/a\r\nx: y", "set_uri: expected a URI without spaces"},
		{"a URI that is too long", "u/" + strings.Repeat("a", 17<<10), "set_uri: expected a URI of at most 16384 bytes"},
		{"a method that is none", "mG T", "set_method: expected a method"},
		{"a header name that is none", "Sx y\x00z", "set_header_value: expected a header name"},
		{"a value with a line break", "Sx\x00a\r\nb: c", "set_header_value: expected a header value without control characters"},
		{"a request header with a NUL", "ax\x01\x00z", "add_header_value: expected a header name"},
		{"headers that are too many", "Sx\x00" + strings.Repeat("a", 17<<10), "expected a rule to add at most 16384 bytes"},
		{"a status below 200", "c" + strings.Repeat(" ", 199), "set_status_code: expected a status from 200 to 599, received 199"},
		{"a status above 599", "c" + strings.Repeat(" ", 600), "received 600"},
		{"a name for Vary that is none", "va b", "vary: expected a header name"},
		{"the status before there is an answer", "x", "get_status_code: there is no answer yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, failure, _ := scripted(t, "/p", nil, "u/elsewhere", "Sx-a\x001", "sx-two\x009", "vx-a", "gtag", "mHEAD", tt.step)
			if failure == nil || !strings.Contains(failure.Error(), tt.says) {
				t.Fatalf("%v; want %q", failure, tt.says)
			}
			if got := effect(x); got != "GET /p" {
				t.Errorf("left behind: %s", got)
			}
			if got := x.Value(plugins.RequestHeader, "x-two"); string(got) != "a" {
				t.Errorf("a header is %q", got)
			}
		})
	}
	for _, step := range []string{"u/q", "mGET", "sa\x00b", "aa\x00b", "ra", "toption.width\x001", "c" + strings.Repeat(" ", 200), "bx", "gtag", "!", "L"} {
		t.Run("on the way back: "+step[:1], func(t *testing.T) {
			x, failure, _ := scripted(t, delivery+"a/w=9", nil, "|", "Sx-a\x001", "Scache-control\x00no-store", "vx-b", step)
			if failure != nil {
				t.Fatal(failure)
			}
			if got := effect(x); got != "GET "+delivery+"a/w=9" {
				t.Errorf("left behind: %s", got)
			}
			if got := x.Value(plugins.AnswerHeader, "cache-control"); string(got) != "public, max-age=100" {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestHiddenHeadersAreShownToWhomTheyAreExposed(t *testing.T) {
	x, failure, _ := scripted(t, "/p", func(l *plugins.Link) { l.Expose = []string{"Cookie"} }, "hcookie", "hauthorization", "n", ".")
	if failure != nil {
		t.Fatal(failure)
	}
	if want := `GET /p answered 200 "s=1\x00host\x00accept\x00x-two\x00cookie\x00x-request-id\x00"`; effect(x) != want {
		t.Error(effect(x))
	}
}

// What a rule logs has its name, no proof, and an end.
func TestLinesOfARule(t *testing.T) {
	all := []string{"lhello sig=abcdef&x=1", "ltoken=secret-token is it", "lthe value deadbeefdeadbeef alone", "l" + strings.Repeat("long", 1000), "lbad \xff utf-8"}
	for range 30 {
		all = append(all, "lagain")
	}
	_, failure, log := scripted(t, "/p?exp=1&sig=deadbeefdeadbeef", nil, all...)
	if failure != nil {
		t.Fatal(failure)
	}
	for _, want := range []string{"rule=test", "hello sig=***&x=1", "token=*** is it", "the value *** alone"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s\nlacks %q", log, want)
		}
	}
	if strings.Contains(log, "deadbeef") || strings.Contains(log, "secret-token") || strings.Contains(log, "abcdef") || strings.Contains(log, strings.Repeat("long", 300)) {
		t.Error(log)
	}
	if n := strings.Count(log, "\n"); n > 20 {
		t.Errorf("%d lines", n)
	}
}

// Names of the proxy's own headers, and answers written with next=1, are told once.
func TestWhatIsIgnoredIsTold(t *testing.T) {
	_, _, log := scripted(t, "/p", nil, "Setag\x00a", "bno")
	for _, want := range []string{"the header etag", "written together with next=1"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%s\n%q is not there once", log, want)
		}
	}
}
