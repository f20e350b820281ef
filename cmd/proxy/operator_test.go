package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cmd/proxy/demo"
)

// dash is the address of the server's admin listener, as its greeting says.
func (s *running) dash(t *testing.T) string { return s.said(t, `admin +(http://[^\s;,]+)`) }

// operate asks the admin listener for a call and reads the answer.
func (s *running) operate(t *testing.T, call string, question, answer any) *http.Response {
	t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	response, text := send(t, http.MethodPost, s.dash(t)+"/admin/v1/"+call, body, "Content-Type: application/json")
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %d %s", call, response.StatusCode, text)
		}
	}
	return response
}

func send(t *testing.T, method, address string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

// command runs another command against the server's store.
func (s *running) command(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	status := run(t.Context(), append([]string{"--data", s.data}, args...), world{strings.NewReader(""), &out, &out, nil, nil, nil})
	return status, out.String()
}

type object = map[string]any

func TestEveryServerHasItsDashboard(t *testing.T) {
	first, second := start(t), start(t)
	if first.dash(t) == second.dash(t) {
		t.Fatalf("both are at %s", first.dash(t))
	}
	for _, s := range []*running{first, second} {
		if response, body := get(t, s.dash(t)); response.StatusCode != 200 || !strings.Contains(string(body), "Fovea") {
			t.Errorf("%d %s", response.StatusCode, body)
		}
		var status status
		_, text := get(t, s.dash(t)+"/admin/v1/status")
		if err := json.Unmarshal(text, &status); err != nil || status.Delivery != s.url || status.Accounts[0].Images != 3 || !status.API {
			t.Errorf("%s", text)
		}
		if file, err := os.ReadFile(filepath.Join(s.data, addressFile)); err != nil || !strings.HasSuffix(s.dash(t), string(file[bytes.LastIndexByte(file, ':'):len(file)-1])) {
			t.Errorf("%q, %v", file, err)
		}
	}
	first.stop()
	if status := <-first.status; status != 0 {
		t.Errorf("exit status %d: %s", status, first.log)
	}
	close(first.status)
	if _, err := os.Stat(filepath.Join(first.data, addressFile)); !os.IsNotExist(err) {
		t.Errorf("the address is still there: %v", err)
	}
}

// The same order reaches a server by the command and by the call; what it means is
// tested by what is fetched and made again.
func TestPurge(t *testing.T) {
	fetched := map[string]int{}
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fetched[r.URL.Path]++
		rw.Header().Set("Cache-Control", "max-age=3600")
		_, _ = rw.Write(demo.Pictures()[0].Data)
	}))
	t.Cleanup(site.Close)
	s := configured(t, "zone: example.com\norigins:\n  site: "+site.URL+"\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	landscape, ornament := demoPath+"landscape/w=64", demoPath+"ornament/public"
	shop, blog, far := "/cdn-cgi/image/w=64/shop/a.jpg", "/cdn-cgi/image/w=64/blog/b.jpg", "/cdn-cgi/image/w=64/"+site.URL+"/far/c.jpg"
	all := []string{landscape, ornament, shop, blog, far}
	warm := func() (missed string) {
		for _, path := range all {
			response, _ := get(t, s.url+path)
			if response.StatusCode != 200 {
				t.Fatalf("%s: %d", path, response.StatusCode)
			}
			if !strings.HasPrefix(response.Header.Get("Cache-Status"), "fovea; hit") {
				missed += " " + path
			}
		}
		return strings.TrimSpace(missed)
	}
	warm()
	if missed := warm(); missed != "" {
		t.Fatalf("not kept: %s", missed)
	}
	for _, tt := range []struct {
		name   string
		flags  []string
		order  object
		gone   []string
		source string // fetched anew
	}{
		{"an image", []string{"--image", "landscape"}, object{"image": "landscape"}, []string{landscape}, ""},
		{"a variant", []string{"--variant", "public"}, object{"variant": "public"}, []string{ornament}, ""},
		{"a path of the zone", []string{"--source", "/shop/a.jpg"}, object{"source": "/shop/a.jpg"}, []string{shop}, "/shop/a.jpg"},
		{"a URL", []string{"--source", site.URL + "/far/c.jpg"}, object{"source": site.URL + "/far/c.jpg"}, []string{far}, "/far/c.jpg"},
		{"images by prefix", []string{"--prefix", "land"}, object{"prefix": "land"}, []string{landscape}, ""},
		{"paths by prefix", []string{"--prefix", "/blog/"}, object{"prefix": "/blog/"}, []string{blog}, "/blog/b.jpg"},
		{"URLs by prefix", []string{"--prefix", site.URL + "/"}, object{"prefix": site.URL + "/"}, []string{far}, "/far/c.jpg"},
		{"a tag", []string{"--tag", "image:FoveaDemoAccountHash00/ornament"}, object{"tag": "image:FoveaDemoAccountHash00/ornament"}, []string{ornament}, ""},
		{"another account's image", []string{"--account", "Other", "--image", "landscape"}, object{"account": "Other", "image": "landscape"}, nil, ""},
		{"everything", []string{"--everything"}, object{"everything": true}, all, "/shop/a.jpg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := fetched[tt.source]
			if status, out := s.command(t, append([]string{"purge"}, tt.flags...)...); status != 0 || !strings.HasPrefix(out, "Purged ") {
				t.Fatalf("%d %s", status, out)
			}
			if missed := warm(); missed != strings.Join(tt.gone, " ") {
				t.Errorf("the command purged %q, want %q", missed, tt.gone)
			}
			s.operate(t, "purge", tt.order, &purged{})
			if missed := warm(); missed != strings.Join(tt.gone, " ") {
				t.Errorf("the call purged %q, want %q", missed, tt.gone)
			}
			if tt.source != "" && fetched[tt.source] != before+2 {
				t.Errorf("%s was fetched %d times in two purges", tt.source, fetched[tt.source]-before)
			}
		})
	}
	for _, tt := range []struct {
		name  string
		flags []string
		order object
		want  string
	}{
		{"nothing", nil, object{}, "received 0"},
		{"two things", []string{"--image", "a", "--everything"}, object{"image": "a", "everything": true}, "received 2"},
		{"a tag of no kind", []string{"--tag", "colour:red"}, object{"tag": "colour:red"}, "Expected a tag such as"},
		{"a URL that is none", []string{"--source", "ftp://a/b"}, object{"source": "ftp://a/b"}, "Expected a source"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			if status, out := s.command(t, append([]string{"purge"}, tt.flags...)...); status != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("%d %s", status, out)
			}
			if response := s.operate(t, "purge", tt.order, nil); response.StatusCode != 400 {
				t.Errorf("%d", response.StatusCode)
			}
		})
	}
	if missed := warm(); missed != "" {
		t.Errorf("a refused order purged %s", missed)
	}
}

func TestPurgeSaysThatNobodyListens(t *testing.T) {
	var out bytes.Buffer
	w := world{strings.NewReader(""), &out, &out, []string{"FOVEA_ADMIN_LISTEN=" + freeAddress(t)}, nil, nil}
	if status := run(t.Context(), []string{"--data", t.TempDir(), "purge", "--everything"}, w); status != 1 || !strings.Contains(out.String(), "is it running?") {
		t.Errorf("%d %s", status, &out)
	}
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	out.Reset()
	if status := run(t.Context(), []string{"--data", t.TempDir(), "purge", "--everything", "--admin", elsewhere.URL}, w); status != 1 || !strings.Contains(out.String(), "no Fovea answers there") {
		t.Errorf("%d %s", status, &out)
	}
}

func TestAnAdminListenerThatOthersReachNeedsAToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		environ []string
		want    string // "" = it is good
	}{
		{"all addresses", []string{"FOVEA_ADMIN_LISTEN=:8081"}, `admin.listen: expected admin.token beside it`},
		{"another one", []string{"FOVEA_ADMIN_LISTEN=0.0.0.0:8081"}, "expected admin.token"},
		{"a name", []string{"FOVEA_ADMIN_LISTEN=admin.internal:8081"}, "expected admin.token"},
		{"a short token", []string{"FOVEA_ADMIN_LISTEN=:8081", "FOVEA_ADMIN_TOKEN=hunter2"}, "admin.token: expected at least 16 characters, received 7"},
		{"a token twice", []string{"FOVEA_ADMIN_TOKEN=0123456789abcdef", "FOVEA_ADMIN_TOKEN_FILE=" + file}, "received both"},
		{"a file that is not there", []string{"FOVEA_ADMIN_TOKEN_FILE=" + file + "x"}, "FOVEA_ADMIN_TOKEN_FILE: expected a file"},
		{"no port", []string{"FOVEA_ADMIN_LISTEN=localhost"}, "admin.listen: expected host:port"},
		{"with a token", []string{"FOVEA_ADMIN_LISTEN=:8081", "FOVEA_ADMIN_TOKEN=0123456789abcdef"}, ""},
		{"with a token in a file", []string{"FOVEA_ADMIN_LISTEN=:8081", "FOVEA_ADMIN_TOKEN_FILE=" + file}, ""},
		{"on loopback without", []string{"FOVEA_ADMIN_LISTEN=[::1]:8081"}, ""},
		{"not at all", []string{"FOVEA_ADMIN_LISTEN="}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			status := run(t.Context(), []string{"--data", t.TempDir(), "check"}, world{strings.NewReader(""), &out, &out, tt.environ, nil, nil})
			if (status == 0) != (tt.want == "") || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%d %s", status, &out)
			}
			for _, secret := range []string{"hunter2", "0123456789abcdef"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("the token is printed: %s", &out)
				}
			}
		})
	}
}

func TestWithATokenTheDashboardAndThePurgeNeedIt(t *testing.T) {
	const secret = "a very long admin token"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := configured(t, "admin:\n  token_file: "+file+"\n")
	if response, _ := get(t, s.dash(t)+"/admin/v1/status"); response.StatusCode != 401 {
		t.Errorf("without: %d", response.StatusCode)
	}
	if response, _ := get(t, s.dash(t)+"/admin/v1/status", "Authorization: Bearer "+secret); response.StatusCode != 200 {
		t.Errorf("with it: %d", response.StatusCode)
	}
	if status, out := s.command(t, "purge", "--everything"); status != 1 || !strings.Contains(out, "401") {
		t.Errorf("%d %s", status, out)
	}
	var out bytes.Buffer
	w := world{strings.NewReader(""), &out, &out, []string{"FOVEA_ADMIN_TOKEN=" + secret}, nil, nil}
	if status := run(t.Context(), []string{"--data", s.data, "purge", "--everything"}, w); status != 0 {
		t.Errorf("%d %s", status, &out)
	}
	if text := s.greeting + s.log.String() + out.String(); strings.Contains(text, secret) {
		t.Errorf("the token is printed: %s", text)
	}
}

// operated is a server with a private image shoes/red, put there by way of its admin
// listener.
func operated(t *testing.T) (s *running, here statusAccount) {
	t.Helper()
	s = start(t)
	var status status
	_, text := get(t, s.dash(t)+"/admin/v1/status")
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatal(err)
	}
	here = status.Accounts[0]
	images := s.dash(t) + "/client/v4/accounts/" + here.ID + "/images/v1"
	const ours = "Fovea-Dashboard: 1"
	upload := func(header ...string) int {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		_ = w.WriteField("id", "shoes/red")
		part, _ := w.CreateFormFile("file", "red.jpg")
		_, _ = part.Write(demo.Pictures()[0].Data)
		_ = w.Close()
		response, body := send(t, http.MethodPost, images, form.Bytes(), append(header, "Content-Type: "+w.FormDataContentType())...)
		if response.StatusCode == 200 && !strings.Contains(string(body), s.url+"/cdn-cgi/imagedelivery/") {
			t.Errorf("the answer's URLs are not those of the images: %s", body)
		}
		return response.StatusCode
	}
	if got := upload(); got != 403 {
		t.Errorf("an upload without the header: %d", got)
	}
	if got := upload(ours, "Authorization: Bearer nonsense"); got != 200 {
		t.Errorf("an upload: %d", got)
	}
	if response, _ := send(t, http.MethodPatch, images+"/shoes/red", []byte(`{"requireSignedURLs":true,"metadata":{"season":"autumn"}}`), ours); response.StatusCode != 200 {
		t.Errorf("private: %d", response.StatusCode)
	}
	if response, _ := send(t, http.MethodGet, images+"/batch_token", nil, ours); response.StatusCode == 200 {
		t.Error("a token of the operator's was given")
	}
	return s, here
}

func TestAnOperatorFindsImages(t *testing.T) {
	s, here := operated(t)
	var found records
	s.operate(t, "images", object{"account": here.Hash, "search": "SHOES", "limit": 10}, &found)
	if len(found.Images) != 1 || found.Images[0].ID != "shoes/red" || !found.Images[0].RequireSigned || found.Images[0].Width != 1600 || string(found.Images[0].Meta) != `{"season":"autumn"}` {
		t.Errorf("%+v", found)
	}
	s.operate(t, "images", object{"account": here.Hash, "limit": 3}, &found)
	if len(found.Images) != 3 || found.Next == nil {
		t.Fatalf("%+v", found)
	}
	s.operate(t, "images", object{"account": here.Hash, "limit": 3, "after": found.Next}, &found)
	if len(found.Images) != 1 || found.Next != nil {
		t.Errorf("%+v", found)
	}
	s.operate(t, "images", object{"account": here.Hash, "id": "shoes/red"}, &found)
	if len(found.Images) != 1 {
		t.Errorf("%+v", found)
	}
	if response := s.operate(t, "images", object{"account": here.Hash, "id": "nothing"}, nil); response.StatusCode != 404 {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestAnOperatorSeesPrivateImagesAndNobodyElseDoes(t *testing.T) {
	s, _ := operated(t)
	for _, url := range []string{demoPath + "shoes/red/public", demoPath + "shoes/red/w=64"} {
		if response, _ := get(t, s.url+url); response.StatusCode != 403 {
			t.Fatalf("%s: %d", url, response.StatusCode)
		}
		response := s.operate(t, "preview", object{"url": url, "accept": "image/webp"}, nil)
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "image/webp" {
			t.Errorf("%s: %d %s", url, response.StatusCode, response.Header.Get("Content-Type"))
		}
		if response, _ := get(t, s.url+url, "Accept: image/webp"); response.StatusCode != 403 {
			t.Errorf("%s after a preview: %d", url, response.StatusCode)
		}
		var proof signed
		s.operate(t, "sign", object{"url": url, "seconds": 60, "jwt": !strings.HasSuffix(url, "public")}, &proof)
		if response, _ := get(t, s.url+proof.URL); response.StatusCode != 200 {
			t.Errorf("%s: %d", proof.URL, response.StatusCode)
		}
	}
	for _, q := range []object{{"url": "/", "seconds": 60}, {"url": demoPath + "landscape/public", "seconds": -1}, {"url": demoPath + "landscape/public", "key": "other"}} {
		if response := s.operate(t, "sign", q, nil); response.StatusCode != 400 {
			t.Errorf("%v: %d", q, response.StatusCode)
		}
	}
}

func TestAnOperatorSeesAVariantBeforeItIsKept(t *testing.T) {
	s, here := operated(t)
	config := s.dash(t) + "/client/v4/accounts/" + here.ID + "/images/v1/config"
	if response, text := send(t, http.MethodPatch, config, []byte(`{"flexible_variants":false}`), "Fovea-Dashboard: 1"); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	if response, _ := get(t, s.url+demoPath+"landscape/w=64"); response.StatusCode != 403 {
		t.Errorf("options in a URL: %d", response.StatusCode)
	}
	options := object{"width": 40, "height": 40, "fit": "cover", "border": object{"color": "red", "width": 2}}
	for want, questions := range map[int][]object{
		200: {{"url": demoPath + "landscape/public", "options": options}, {"url": demoPath + "landscape/w=64"}},
		400: {{"url": demoPath + "landscape/public", "options": object{"width": "wide"}}, {"url": "/robots.txt"}},
		404: {{"url": demoPath + "nothing/public"}},
	} {
		for _, question := range questions {
			if response := s.operate(t, "preview", question, nil); response.StatusCode != want {
				t.Errorf("%v: %d, want %d", question, response.StatusCode, want)
			}
		}
	}
}

func TestAnOperatorIsToldWhatTheCommandSays(t *testing.T) {
	s := start(t)
	var by, command object
	s.operate(t, "explain", object{"url": demoPath + "landscape/w=64", "accept": "image/avif", "headers": []string{"Save-Data: on"}}, &by)
	_, out := s.command(t, "explain", "--json", "--accept", "image/avif", "--header", "Save-Data: on", demoPath+"landscape/w=64")
	if err := json.Unmarshal([]byte(out), &command); err != nil || by["key"] != command["key"] || by["format"] != "image/avif" {
		t.Errorf("%v\n%s", by, out)
	}
	if response := s.operate(t, "explain", object{"url": "/", "source": "nonsense"}, nil); response.StatusCode != 400 {
		t.Errorf("%d", response.StatusCode)
	}
	for path, want := range map[string]string{"stats": `"fills":`, "grammar": `"slow-connection-quality"`} {
		if _, body := get(t, s.dash(t)+"/admin/v1/"+path); !strings.Contains(string(body), want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	s.operate(t, "samples", object{"since": 0}, &[]object{})
	var one, other object
	s.operate(t, "options", object{"list": "w=40,h=30,fit=cover"}, &one)
	s.operate(t, "options", object{"options": one["options"]}, &other)
	if one["list"] != "fit=cover,height=30,width=40" || other["list"] != one["list"] || other["values"].(object)["width"] != "40" {
		t.Errorf("%v, %v", one, other)
	}
	if response := s.operate(t, "options", object{"list": "widht=40"}, nil); response.StatusCode != 400 {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestAnOperatorIsShownKeysOneAtATime(t *testing.T) {
	s := start(t)
	const account = "FoveaDemoAccountHash00"
	var names []string
	s.operate(t, "keys", object{"account": account}, &names)
	var first, second revealed
	s.operate(t, "keys/reveal", object{"account": account, "name": "default"}, &first)
	s.operate(t, "keys/rotate", object{"account": account, "name": "default"}, &names)
	s.operate(t, "keys/reveal", object{"account": account, "name": "default"}, &second)
	if len(names) != 1 || first.Value == "" || first.Value == second.Value {
		t.Errorf("%v %v %v", names, first, second)
	}
	s.operate(t, "keys/rotate", object{"account": account, "name": "site"}, &names)
	if len(names) != 2 {
		t.Errorf("%v", names)
	}
	s.operate(t, "keys/remove", object{"account": account, "name": "site"}, &names)
	if len(names) != 1 {
		t.Errorf("%v", names)
	}
	if response := s.operate(t, "keys/reveal", object{"account": account, "name": "site"}, nil); response.StatusCode != 404 {
		t.Errorf("%d", response.StatusCode)
	}
	for i := range 9 {
		s.operate(t, "keys/rotate", object{"account": account, "name": "k" + string(rune('0'+i))}, &names)
	}
	if response := s.operate(t, "keys/rotate", object{"account": account, "name": "more"}, nil); response.StatusCode != 400 {
		t.Errorf("an eleventh key: %d", response.StatusCode)
	}
	if strings.Contains(s.log.String(), second.Value) {
		t.Error("the log has a key")
	}
}

func TestAnOperatorMakesTokensAndTakesThemBack(t *testing.T) {
	s, here := operated(t)
	var made createdGrant
	s.operate(t, "tokens/create", object{"account": here.Hash, "scope": "read", "note": "laptop", "days": 1}, &made)
	api := s.url + "/client/v4/accounts/" + here.ID + "/images/v1"
	if response, _ := get(t, api, "Authorization: Bearer "+made.Token); response.StatusCode != 200 {
		t.Errorf("%d", response.StatusCode)
	}
	_, list := get(t, s.dash(t)+"/admin/v1/tokens")
	if !strings.Contains(string(list), made.ID) || strings.Contains(string(list), made.Token) {
		t.Errorf("%s", list)
	}
	s.operate(t, "tokens/revoke", object{"id": made.ID}, &[]grantShown{})
	if response, _ := get(t, api, "Authorization: Bearer "+made.Token); response.StatusCode != 401 && response.StatusCode != 403 {
		t.Errorf("a revoked token: %d", response.StatusCode)
	}
	for _, q := range []object{{"account": here.Hash, "scope": "all"}, {"account": here.Hash, "scope": "read", "days": -1}} {
		if response := s.operate(t, "tokens/create", q, nil); response.StatusCode != 400 {
			t.Errorf("%v: %d", q, response.StatusCode)
		}
	}
	if response := s.operate(t, "tokens/create", object{"account": "Nobody", "scope": "read"}, nil); response.StatusCode != 404 {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestAPurgeHasCloudflareAskedAgain(t *testing.T) {
	u := playCloudflare(t)
	s := u.edge(t, "originals", strings.Replace(u.access(), "20ms", "1h", 1))
	address := s.url + demoPath + "landscape/w=64"
	becomes(t, address, 200)
	u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
	if response, _ := get(t, address); response.StatusCode != 200 {
		t.Errorf("within cloudflare.remember: %d", response.StatusCode)
	}
	s.operate(t, "purge", object{"image": "ornament"}, &purged{})
	if response, _ := get(t, address); response.StatusCode != 200 {
		t.Errorf("after another image's purge: %d", response.StatusCode)
	}
	s.operate(t, "purge", object{"prefix": "land"}, &purged{})
	if response, _ := get(t, address); response.StatusCode != 403 {
		t.Errorf("after its purge: %d", response.StatusCode)
	}
	u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":false}`)
	s.operate(t, "purge", object{"image": "landscape"}, &purged{})
	u.fail(cut)
	if response, _ := get(t, address); response.StatusCode != 403 {
		t.Errorf("while the API does not answer: %d, expected what it said last", response.StatusCode)
	}
}

func TestTheDashboardAndTheAPICanBeSwitchedOff(t *testing.T) {
	s := configured(t, "admin:\n  dashboard: false\napi:\n  enabled: false\n")
	for path, want := range map[string]int{"/": 404, "/app.js": 404, "/metrics": 200, "/admin/v1/stats": 200, "/client/v4/accounts/x/images/v1": 404} {
		if response, body := get(t, s.dash(t)+path, "Fovea-Dashboard: 1"); response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, want)
		}
	}
	var status status
	if _, text := get(t, s.dash(t)+"/admin/v1/status"); json.Unmarshal(text, &status) != nil || status.API {
		t.Errorf("%s", text)
	}
	if strings.Contains(s.greeting, "dashboard") {
		t.Errorf("the greeting promises one: %s", s.greeting)
	}
}

// The port of the defaults may be taken; one that was asked for may not.
func TestAnAdminPortThatWasAskedForMustBeFree(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(taken.Close)
	address := strings.TrimPrefix(taken.URL, "http://")
	var out bytes.Buffer
	w := world{strings.NewReader(""), &out, &out, []string{"FOVEA_ADMIN_LISTEN=" + address}, time.Now, nil}
	status := run(t.Context(), []string{"--data", t.TempDir(), "serve", "--listen", "127.0.0.1:0"}, w)
	if status != 1 || !strings.Contains(out.String(), `admin.listen: expected a free address, received "`+address+`"`) {
		t.Errorf("%d %s", status, &out)
	}
}

func TestAnOperatorSeesTheRules(t *testing.T) {
	module, err := filepath.Abs(filepath.Join("..", "..", "plugins", "wasm", "testdata", "faults.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	s := configured(t, "rules:\n  - name: first\n    module: "+module+"\n    match: ['/**']\n    on_error: open\n")
	for range 3 {
		if response, _ := get(t, s.url+demoPath+"landscape/w=64"); response.StatusCode != 200 {
			t.Fatalf("%d", response.StatusCode)
		}
	}
	var list ruleList
	_, text := get(t, s.dash(t)+"/admin/v1/rules")
	if err := json.Unmarshal(text, &list); err != nil || len(list.Rules) != 1 || list.Rules[0].Name != "first" || list.Rules[0].Calls != 3 || list.Rules[0].Seconds <= 0 {
		t.Errorf("%s", text)
	}
}
