package cloudflare

import (
	"net/http"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// What Cloudflare says of a failure is passed on: its number, its status, its sentence.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		status  int
		header  string
		body    string
		kind    fault.Kind
		relayed int
		public  string
	}{
		"not found":                        {404, "err=9404", "ERROR 9404: Image not found\n", fault.NotFound, 9404, "Image not found"},
		"not found, without a word":        {404, "", "", fault.NotFound, 0, "Image not found"},
		"denied":                           {403, "err=9425", "ERROR 9425: Image access denied", fault.Denied, 9425, "Image access denied"},
		"a number that only it uses":       {429, "err=9422", "ERROR 9422: Transformations used up", fault.Overloaded, 9422, "Transformations used up"},
		"another":                          {403, "err=9430", "ERROR 9430: Binding access denied", fault.OriginRefused, 9430, "Binding access denied"},
		"one of its own failures":          {500, "err=9523", "ERROR 9523: Internal", fault.OriginBroken, 9523, "Internal"},
		"too many, without a number":       {429, "", "error code: 1015", fault.Overloaded, 0, "Cloudflare asks for patience"},
		"a page":                           {403, "", "<html>ERROR 1: x", fault.OriginRefused, 0, "Cloudflare answered 403"},
		"a number that is not one":         {502, "err=x", "bad gateway", fault.OriginBroken, 0, "Cloudflare answered 502"},
		"a sentence that is not plain":     {404, "err=9404", "ERROR 9404: a\x00b", fault.NotFound, 0, "Cloudflare answered 404"},
		"a sentence that says no number":   {502, "", "ERROR 9509: x", fault.OriginBroken, 0, "x"},
		"a status that is no failure, 204": {204, "", "", fault.OriginBroken, 0, "Cloudflare answered 204"},
	} {
		t.Run(name, func(t *testing.T) {
			got := fault.Of(refusal(tt.status, http.Header{"Cf-Images": {tt.header}}, []byte(tt.body)))
			if got.Kind != tt.kind || got.Relayed != tt.relayed || got.Public != tt.public {
				t.Errorf("%v %d %q, want %v %d %q", got.Kind, got.Relayed, got.Public, tt.kind, tt.relayed, tt.public)
			}
		})
	}
}

// A 429 is kept for as long as it says, in seconds or as a time, and never for hours.
func TestRests(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for said, rest := range map[string]time.Duration{
		"": restDefault, "7": 7 * time.Second, "86400": restMost, "0": restDefault, "-5": restDefault, "soon": restDefault,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): time.Second, now.Add(100 * time.Hour).Format(http.TimeFormat): restMost,
	} {
		at := now
		o := &Origin{Options: Options{Now: func() time.Time { return at }}}
		o.heed(http.StatusTooManyRequests, http.Header{"Retry-After": {said}})
		for _, step := range []struct {
			after   time.Duration
			resting bool
		}{{0, true}, {rest - time.Second, true}, {rest, false}} {
			if at = now.Add(step.after); (o.resting() != nil) != step.resting {
				t.Errorf("%q, %v later: %v", said, step.after, o.resting())
			}
		}
	}
}
