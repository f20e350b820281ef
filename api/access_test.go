package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/api"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// calls is every call of the API, with a body that it takes.
var calls = []struct{ method, rest, body string }{
	{"GET", "v1", ""}, {"POST", "v1", ""}, {"GET", "v1/stats", ""}, {"GET", "v1/keys", ""}, {"PUT", "v1/keys/other", ""}, {"DELETE", "v1/keys/other", ""},
	{"GET", "v1/variants", ""}, {"POST", "v1/variants", `{"id":"hero"}`}, {"GET", "v1/variants/public", ""}, {"PATCH", "v1/variants/public", `{"neverRequireSignedURLs":true}`},
	{"DELETE", "v1/variants/hero", ""}, {"GET", "v1/config", ""}, {"PATCH", "v1/config", `{"flexible_variants":false}`}, {"GET", "v1/batch_token", ""},
	{"GET", "v1/a", ""}, {"PATCH", "v1/a", `{"requireSignedURLs":false}`}, {"GET", "v1/a/blob", ""}, {"DELETE", "v1/a", ""},
	{"GET", "v2", ""}, {"POST", "v2/direct_upload", ""},
}

// private adds an image that nobody else may learn of.
func (f *fixture) private() store.Image {
	f.t.Helper()
	img, err := f.library.Add(f.t.Context(), store.Image{Account: f.account.Hash, ID: "a", RequireSigned: true}, []byte(picture(1)), true)
	if err != nil {
		f.t.Fatal(err)
	}
	return img
}

func TestNobodyWithoutAToken(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	past, token := store.NewGrant(f.account.Hash, store.Write, "", f.now())
	past.Expires = f.now()
	revoked, revokedToken := store.NewGrant(f.account.Hash, store.Write, "", f.now())
	for _, g := range []store.Grant{past, revoked} {
		if err := f.library.Names.AddGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.library.Names.RevokeGrant(t.Context(), revoked.ID, f.now()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		header       []string
		status, code int
	}{
		{"no token", []string{"Authorization", ""}, 401, 10000},
		{"an unknown token", []string{"Authorization", "Bearer fovea_x"}, 401, 10000},
		{"an expired token", []string{"Authorization", "Bearer " + string(token)}, 401, 10000},
		{"a revoked token", []string{"Authorization", "Bearer " + string(revokedToken)}, 401, 10000},
		{"the hash of a token", []string{"Authorization", "Bearer " + string(store.HashToken(f.token))}, 401, 10000},
		{"a token in capitals", []string{"Authorization", "Bearer " + strings.ToUpper(string(f.token))}, 401, 10000},
		{"another scheme", []string{"Authorization", "Basic " + string(f.token)}, 400, 6003},
		{"a bare token", []string{"Authorization", string(f.token)}, 400, 6003},
		{"two tokens", []string{"Authorization", "Bearer " + string(f.token) + ", Bearer x"}, 400, 6003},
		{"the older headers", []string{"Authorization", "", "X-Auth-Email", "me@example.com", "X-Auth-Key", "k"}, 400, 6003},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range calls {
				got := f.send(c.method, f.path(c.rest), "application/json", strings.NewReader(c.body), tt.header...)
				if got.status != tt.status || got.code() != tt.code {
					t.Errorf("%s %s: %d %s", c.method, c.rest, got.status, got.body)
				}
			}
		})
	}
}

func TestATokenOpensItsAccountAlone(t *testing.T) {
	f := newFixture(t, nil)
	img := f.private()
	_, stranger := f.open(store.Write)
	for _, c := range calls {
		got := f.send(c.method, f.path(c.rest), "application/json", strings.NewReader(c.body), "Authorization", "Bearer "+string(stranger))
		if got.status != 403 || got.code() != 9109 {
			t.Errorf("%s %s: %d %s", c.method, c.rest, got.status, got.body)
		}
		nobody := f.send(c.method, "/client/v4/accounts/0123456789abcdef0123456789abcdef/images/"+c.rest, "application/json", strings.NewReader(c.body))
		if nobody.status != got.status || string(nobody.body) != string(got.body) {
			t.Errorf("%s %s tells whether an account exists", c.method, c.rest)
		}
		// Without an account in the path a token has its own, and sees nothing of ours.
		own := f.send(c.method, "/batch/images/"+c.rest, "application/json", strings.NewReader(c.body), "Authorization", "Bearer "+string(stranger))
		if strings.Contains(string(own.body), f.account.Hash) || strings.Contains(c.rest, "v1/a") && own.status != 404 {
			t.Errorf("%s %s in another's batch: %d %s", c.method, c.rest, own.status, own.body)
		}
	}
	if now, err := f.library.Names.Image(t.Context(), f.account.Hash, "a"); err != nil || now.Version != img.Version || !now.RequireSigned {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestATokenToReadChangesNothing(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	f.token = f.grant(f.account, store.Read)
	for _, c := range calls {
		got := f.call(c.method, c.rest, c.body)
		if c.method == "GET" && got.status != 200 || c.method != "GET" && (got.status != 403 || got.code() != 9109) {
			t.Errorf("%s %s: %d %s", c.method, c.rest, got.status, got.body)
		}
	}
}

func TestBatchTokens(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	parent := f.token
	var batch struct{ Token, ExpiresAt string }
	f.call("GET", "v1/batch_token", "").into(t, &batch)
	if batch.ExpiresAt != "2026-11-23T09:00:00.949Z" {
		t.Errorf("it expires at %s", batch.ExpiresAt)
	}
	f.token = token.Secret(batch.Token)
	contentType, body := form(part{"id", "", "b"}, part{"file", "f.png", picture(2)})
	if got := f.send("POST", "/batch/images/v1", contentType, body); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, c := range []struct{ method, rest, body string }{
		{"GET", "v1/b", ""}, {"PATCH", "v1/b", `{"creator":"me"}`}, {"GET", "v2", ""}, {"POST", "v2/direct_upload", ""}, {"DELETE", "v1/b", ""},
	} {
		if got := f.send(c.method, "/batch/images/"+c.rest, "application/json", strings.NewReader(c.body)); got.status != 200 {
			t.Errorf("%s %s: %d %s", c.method, c.rest, got.status, got.body)
		}
	}
	if got := f.send("GET", "/batch/images/v1/batch_token", "", nil); got.status != 403 {
		t.Errorf("a token of a batch token: %d", got.status)
	}
	hash := store.HashToken(parent)
	grant, err := f.library.Names.Grant(t.Context(), hash)
	if err == nil {
		_, err = f.library.Names.RevokeGrant(t.Context(), grant.ID, f.now())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := f.send("GET", "/batch/images/v2", "", nil); got.status != 401 {
		t.Errorf("after its parent was revoked: %d", got.status)
	}
}

func TestRoutes(t *testing.T) {
	f := newFixture(t, nil)
	for _, tt := range []struct {
		method, path string
		status, code int
	}{
		{"GET", "/client/v4/user/tokens/verify", 200, 0},
		{"GET", "/client/v4/zones", 404, 7003},
		{"GET", "/client/v4/accounts/" + f.account.ID, 404, 7003},
		{"GET", f.path("v3"), 404, 7003},
		{"GET", f.path(""), 404, 7003},
		{"GET", f.path("v2/x"), 404, 7003},
		{"DELETE", f.path("v1"), 405, 7001},
		{"POST", f.path("v1/a"), 405, 7001},
		{"HEAD", f.path("v1/a"), 405, 0},
		{"GET", f.path("v1/keys/default"), 405, 7001},
		{"GET", f.path("v1/a%ff"), 400, 5400},
		{"GET", f.path("v1/a//b"), 400, 5400},
		{"GET", f.path("v1/../keys"), 400, 5400},
		{"GET", f.path("v1/%2e%2e/keys"), 400, 5400},
		{"PUT", f.path("v1/keys/a%20b"), 400, 5400},
		{"GET", f.path("v1/variants/a.b"), 400, 5400},
		{"GET", f.path("v1/?per_page=1"), 200, 0},
		{"GET", "/elsewhere", 404, 7003},
	} {
		if got := f.send(tt.method, tt.path, "", nil); got.status != tt.status || got.code() != tt.code {
			t.Errorf("%s %s: %d %s; want %d, %d", tt.method, tt.path, got.status, got.body, tt.status, tt.code)
		}
	}
}

func TestImageCalls(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	var got shown
	f.call("PATCH", "v1/a", `{"metadata":{"k":"<&>"},"creator":"me"}`).into(t, &got)
	if got.Meta["k"] != "<&>" || got.Creator != "me" || !got.RequireSignedURLs {
		t.Errorf("%+v", got)
	}
	f.call("PATCH", "v1/a", `{"requireSignedURLs":false,"metadata":null,"creator":""}`).into(t, &got)
	var again shown
	f.call("GET", "v1/a", "").into(t, &again)
	if again.Meta["k"] != "<&>" || again.Creator != "" || again.RequireSignedURLs {
		t.Errorf("%+v", again)
	}
	for _, body := range []string{`{"metadata":[]}`, `{"metadata":"{}"}`, `{"requireSignedURLs":"true"}`, `{"creator":1}`, `[]`, `{}{}`, ``, `{"metadata":{"k":"` + strings.Repeat("x", 1100) + `"}}`} {
		if got := f.call("PATCH", "v1/a", body); got.status != 400 || got.code() != 5400 {
			t.Errorf("%.40s: %d %s", body, got.status, got.body)
		}
	}
	if got := f.call("PATCH", "v1/a", strings.Repeat(" ", 100_000)); got.status != 413 {
		t.Errorf("a long body: %d", got.status)
	}
	if got := f.call("PATCH", "v1/a", `{"requireSignedUrl":true}`); got.status != 200 || len(got.Messages) != 1 {
		t.Errorf("a misspelt field: %s", got.body)
	}
	if got := f.call("DELETE", "v1/a", ""); got.status != 200 || string(got.Result) != "{}" {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		if got := f.call(method, "v1/a", "{}"); got.status != 404 || got.code() != 5404 {
			t.Errorf("%s of a removed image: %d %s", method, got.status, got.body)
		}
	}
	if got := f.upload(part{"id", "", "a"}, part{"file", "f", picture(4)}); got.status != 200 {
		t.Errorf("its id is not free: %s", got.body)
	}
}

func TestVariantCalls(t *testing.T) {
	f := newFixture(t, nil)
	type shownVariant struct {
		Variant struct {
			ID                     string
			Options                map[string]any
			NeverRequireSignedURLs bool
		}
	}
	var got shownVariant
	f.call("POST", "v1/variants", `{"id":"hero","options":{"width":100,"height":50,"fit":"cover","blur":3,"quality":60,"format":"webp","border":{"color":"red","width":2},"draw":[{"url":"https://example.com/a.png"}],"browser_ttl":7200},"neverRequireSignedURLs":true}`).into(t, &got)
	o := got.Variant.Options
	if o["fit"] != "cover" || o["metadata"] != "none" || o["browser_ttl"] != 7200.0 || o["width"] != 100.0 || o["border"] == nil || o["draw"] == nil || !got.Variant.NeverRequireSignedURLs {
		t.Errorf("%+v", got)
	}
	f.call("PATCH", "v1/variants/hero", `{"neverRequireSignedURLs":false}`).into(t, &got)
	f.call("GET", "v1/variants/hero", "").into(t, &got)
	if got.Variant.NeverRequireSignedURLs || got.Variant.Options["browser_ttl"] != 7200.0 {
		t.Errorf("%+v", got)
	}
	got = shownVariant{}
	f.call("PATCH", "v1/variants/hero", `{"options":{"width":9,"metadata":"copyright"}}`).into(t, &got)
	if o := got.Variant.Options; o["width"] != 9.0 || o["metadata"] != "copyright" || o["fit"] != "scale-down" || len(o) != 3 {
		t.Errorf("%+v", got)
	}
	var all struct {
		Variants map[string]struct{ ID string }
	}
	f.call("GET", "v1/variants", "").into(t, &all)
	if len(all.Variants) != 2 || all.Variants["hero"].ID != "hero" || all.Variants["public"].ID != "public" {
		t.Errorf("%+v", all)
	}
	for _, tt := range []struct {
		method, rest, body, want string
		status, code             int
	}{
		{"POST", "v1/variants", `{"id":"hero"}`, "already exists", 409, 5409},
		{"POST", "v1/variants", `{"id":"a b"}`, "variant name", 400, 5400},
		{"POST", "v1/variants", `{}`, "variant name", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","options":{"wdth":1}}`, "wdth", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","options":{"fit":"stretch"}}`, "stretch", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","options":{"browser_ttl":60}}`, "browser_ttl", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","options":{"browser_ttl":"7200"}}`, "browser_ttl", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","options":[]}`, "an object", 400, 5400},
		{"POST", "v1/variants", `{"id":"x","neverRequireSignedURLs":1}`, "true or false", 400, 5400},
		{"PATCH", "v1/variants/hero", `{"id":"other"}`, "keeps its id", 400, 5400},
		{"PATCH", "v1/variants/nothing", `{}`, "not found", 404, 5404},
		{"GET", "v1/variants/nothing", ``, "not found", 404, 5404},
		{"DELETE", "v1/variants/nothing", ``, "", 404, 5404},
		{"DELETE", "v1/variants/public", ``, "public", 400, 5400},
	} {
		if got := f.call(tt.method, tt.rest, tt.body); got.status != tt.status || got.code() != tt.code || !strings.Contains(string(got.body), tt.want) {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.rest, tt.body, got.status, got.body)
		}
	}
	if got := f.call("DELETE", "v1/variants/hero", ""); got.status != 200 || string(got.Result) != "{}" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestKeysConfigAndStats(t *testing.T) {
	f := newFixture(t, nil)
	var keys struct {
		Keys []struct{ Name, Value string }
	}
	f.call("GET", "v1/keys", "").into(t, &keys)
	first := keys.Keys[0].Value
	if len(keys.Keys) != 1 || keys.Keys[0].Name != "default" || len(first) != 43 {
		t.Errorf("%d keys", len(keys.Keys))
	}
	f.call("PUT", "v1/keys/next", "").into(t, &keys)
	if len(keys.Keys) != 2 || keys.Keys[0].Value != first {
		t.Errorf("%d keys", len(keys.Keys))
	}
	f.call("DELETE", "v1/keys/default", "").into(t, &keys)
	f.call("DELETE", "v1/keys/next", "").into(t, &keys)
	if len(keys.Keys) != 1 || keys.Keys[0].Name != "default" || keys.Keys[0].Value == first {
		t.Errorf("%d keys after the last was deleted", len(keys.Keys))
	}
	if got := f.call("DELETE", "v1/keys/next", ""); got.status != 404 {
		t.Errorf("%d", got.status)
	}
	var config struct {
		Flexible bool `json:"flexible_variants"`
		TTL      int  `json:"browser_ttl"`
	}
	f.call("PATCH", "v1/config", `{"browser_ttl":31536000}`).into(t, &config)
	f.call("PATCH", "v1/config", `{"flexible_variants":false,"preserve_content_credentials":false}`).into(t, &config)
	f.call("GET", "v1/config", "").into(t, &config)
	if account, err := f.catalog.Account(t.Context(), f.account.Hash); err != nil || config.Flexible || config.TTL != 31536000 || account.Flexible || account.BrowserTTL != 365*24*time.Hour {
		t.Errorf("%+v, %v", config, err)
	}
	for _, body := range []string{`{"browser_ttl":3599}`, `{"browser_ttl":1.5}`, `{"preserve_content_credentials":true}`, `{"flexible_variants":"on"}`} {
		if got := f.call("PATCH", "v1/config", body); got.status != 400 {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	var stats struct {
		Count struct{ Current, Allowed int }
	}
	f.private()
	f.call("GET", "v1/stats", "").into(t, &stats)
	if stats.Count.Current != 1 || stats.Count.Allowed < 1_000_000 {
		t.Errorf("%+v", stats)
	}
}

func TestStrictRefusesWhatOnlyCloudflareHasTo(t *testing.T) {
	f := newFixture(t, func(o *api.Options) { o.Strict = true })
	named := []part{{"id", "", "a"}, {"file", "f", picture(4)}}
	if got := f.upload(append(named, part{"requireSignedURLs", "", "true"})...); got.status != 400 || got.code() != 5400 {
		t.Errorf("private, with an id of its own: %d %s", got.status, got.body)
	}
	if got := f.upload(named...); got.status != 200 {
		t.Errorf("an id of its own: %d %s", got.status, got.body)
	}
	if got := f.call("PATCH", "v1/a", `{"requireSignedURLs":true}`); got.status != 400 || got.code() != 5400 {
		t.Errorf("private afterwards: %d %s", got.status, got.body)
	}
	if got := f.upload(part{"file", "f", picture(5)}, part{"requireSignedURLs", "", "true"}); got.status != 200 {
		t.Errorf("private, with an id of the service: %d %s", got.status, got.body)
	}
}
