package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/origin"
)

// Who is not on the list hears nothing of a trace, however it comes to be asked.
func TestATraceIsToldToWhomTheOperatorSays(t *testing.T) {
	heard := map[string]string{}
	hear := func(name string, next http.HandlerFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			heard[name+r.URL.Path] = r.Header.Get("Traceparent") + " " + r.Header.Get("Tracestate")
			next(rw, r)
		}
	}
	stranger := httptest.NewServer(hear("stranger", func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(stranger.Close)
	friend := ""
	w, friend := web(t, Options{Traced: func(address string) bool { return strings.HasPrefix(address, friend) }}, hear("friend", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(rw, r, stranger.URL+"/redirected", http.StatusFound)
		}
	}))
	var err error
	if w.Site, err = url.Parse(friend); err != nil {
		t.Fatal(err)
	}
	tr := trail.New([16]byte{0xab}, [8]byte{}, "a=1", time.Now)
	ctx := trail.With(t.Context(), tr)
	for _, address := range []string{friend + "/", friend + "/away", stranger.URL + "/"} {
		if _, err := w.Get(ctx, address); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Get(t.Context(), friend+"/unfollowed"); err != nil {
		t.Fatal(err)
	}
	forward := func(path string) {
		visitors := http.Header{"Traceparent": {"the visitor's"}, "Tracestate": {"its own"}}
		response, err := w.Forward(ctx, &origin.Forwarded{Method: "POST", Target: path, Header: visitors})
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	forward("/told")
	w.Traced = nil
	forward("/untold")
	const ours = "00-ab000000000000000000000000000000-"
	for place, want := range map[string]string{
		"friend/": ours, "friend/away": ours, "stranger/redirected": " ", "stranger/": " ", "friend/unfollowed": " ",
		"friend/told": ours, "friend/untold": "the visitor's its own",
	} {
		if got := heard[place]; !strings.HasPrefix(got, want) || want == " " && got != want || want == ours && !strings.HasSuffix(got, "-01 a=1") {
			t.Errorf("%s heard %q", place, got)
		}
	}
	var asked []string
	for _, p := range tr.Finish() {
		asked = append(asked, p.In+" "+p.Method+" "+p.Host)
		if p.Status != 200 || p.Name != "request" {
			t.Errorf("%+v", p)
		}
	}
	if len(asked) != 5 || asked[3] != "forward POST "+strings.TrimPrefix(friend, "http://") {
		t.Errorf("%q", asked)
	}
}
