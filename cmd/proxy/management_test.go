package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manager calls the management API of a running server.
type manager struct {
	url, account, token string
}

func manage(t *testing.T, s *running) *manager {
	t.Helper()
	return &manager{s.url, s.said(t, `accounts/([0-9a-f]{32})/images`), s.said(t, `token +(fovea_\S+)`)}
}

// send returns the status and the body; an error is one of the network.
func (m *manager) send(ctx context.Context, method, rest, contentType string, body io.Reader) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, m.url+"/client/v4/accounts/"+m.account+"/images/"+rest, body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func (m *manager) call(t *testing.T, method, rest, body string) []byte {
	t.Helper()
	status, text, err := m.send(t.Context(), method, rest, "application/json", strings.NewReader(body))
	if err != nil || status != 200 {
		t.Fatalf("%s %s: %d %s %v", method, rest, status, text, err)
	}
	return text
}

func (m *manager) upload(ctx context.Context, id string, picture []byte) (int, []byte, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("id", id)
	part, _ := form.CreateFormFile("file", "f.png")
	_, _ = part.Write(picture)
	_ = form.Close()
	return m.send(ctx, "POST", "v1", form.FormDataContentType(), &body)
}

// square is a PNG that no other seed has.
func square(seed int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (seed + 1) >> (seed % 5))
	}
	img.Pix[0], img.Pix[1], img.Pix[3] = byte(seed), byte(seed>>8), 255
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func (m *manager) delivery(id, variant string) string {
	return m.url + "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/" + id + "/" + variant
}

func TestAChangeIsInForceWhenItsCallHasAnswered(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	if status, text, err := m.upload(t.Context(), "pic", square(1)); status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	etag := ""
	expect := func(what, variant string, status int) {
		t.Helper()
		response, body := get(t, m.delivery("pic", variant))
		if response.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", what, response.StatusCode, body, status)
		}
		if tag := response.Header.Get("ETag"); tag != "" {
			etag = tag
		}
		want := status
		if status == 200 {
			want = 304
		}
		if response, _ := get(t, m.delivery("pic", variant), "If-None-Match: "+etag); response.StatusCode != want {
			t.Errorf("%s, with its ETag: %d, want %d", what, response.StatusCode, want)
		}
	}
	expect("uploaded", "public", 200)
	expect("in the URL's options", "w=16", 200)
	m.call(t, "PATCH", "v1/pic", `{"requireSignedURLs":true}`)
	expect("private", "public", 403)
	expect("private, in the URL's options", "w=16", 403)
	m.call(t, "POST", "v1/variants", `{"id":"open","options":{"width":8},"neverRequireSignedURLs":true}`)
	expect("in a variant that is open", "open", 200)
	m.call(t, "PATCH", "v1/variants/open", `{"neverRequireSignedURLs":false}`)
	expect("in a variant that is open no more", "open", 403)
	m.call(t, "PATCH", "v1/pic", `{"requireSignedURLs":false}`)
	expect("public again", "open", 200)
	before, _ := get(t, m.delivery("pic", "open"))
	m.call(t, "PATCH", "v1/variants/open", `{"options":{"width":12}}`)
	if response, _ := get(t, m.delivery("pic", "open"), "If-None-Match: "+before.Header.Get("ETag")); response.StatusCode != 200 {
		t.Errorf("a changed variant was not sent anew: %d", response.StatusCode)
	}
	m.call(t, "PATCH", "v1/config", `{"flexible_variants":false}`)
	expect("flexible variants switched off", "w=16", 403)
	m.call(t, "DELETE", "v1/variants/open", "")
	expect("in a removed variant", "open", 403)
	m.call(t, "DELETE", "v1/pic", "")
	expect("removed", "public", 404)
	if status, _, _ := m.upload(t.Context(), "pic", square(2)); status != 200 {
		t.Errorf("uploaded again: %d", status)
	}
	expect("uploaded again", "public", 200)
}

// 64 clients ask for the picture all the while; one whose request begins after the
// delete was acknowledged never gets it.
func TestADeletedPictureIsNeverSeenAgain(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	for round := range 5 {
		if status, text, err := m.upload(t.Context(), "pic", square(round)); status != 200 {
			t.Fatalf("%d %s %v", status, text, err)
		}
		var gone atomic.Bool
		var seen, late atomic.Int64
		var all sync.WaitGroup
		ready := make(chan struct{}, 64)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		for w := range 64 {
			all.Go(func() {
				for n := 0; ; n++ {
					after := gone.Load()
					response, err := client.Get(m.delivery("pic", []string{"public", "w=16", "w=20,f=webp", "w=24,f=avif"}[w%4]))
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
					switch {
					case response.StatusCode == 200 && after:
						late.Add(1)
					case response.StatusCode == 200:
						seen.Add(1)
					}
					if n == 0 {
						ready <- struct{}{}
					}
					if after {
						return
					}
				}
			})
		}
		for range 64 {
			<-ready
		}
		m.call(t, "DELETE", "v1/pic", "")
		gone.Store(true)
		all.Wait()
		client.CloseIdleConnections()
		if late.Load() > 0 || seen.Load() == 0 {
			t.Errorf("round %d: seen %d times before, %d times after it was deleted", round, seen.Load(), late.Load())
		}
	}
}

// child is a server in a process of its own, that can be killed.
func child(t *testing.T, data, before string) (*exec.Cmd, *manager) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", before+`exec proxy serve --listen 127.0.0.1:0 --data "$0"`, data)
	command.Env = append(os.Environ(), "FOVEA_LOG_ACCESS=false", "FOVEA_DEMO=false")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	if err != nil {
		t.Fatal(err)
	}
	s := &running{greeting: string(greeting[:n]), log: &logged{}}
	s.url = s.said(t, `is serving on (\S+)`)
	m := &manager{url: s.url, account: s.said(t, `accounts/([0-9a-f]{32})/images`)}
	if token := regexp.MustCompile(`token +(fovea_\S+)`).FindStringSubmatch(s.greeting); token != nil {
		m.token = token[1]
	}
	return command, m
}

func TestAKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	command, m := child(t, data, "")
	token := m.token
	images := 200
	if os.Getenv("FOVEA_SLOW") != "" {
		images = 1000
	}
	var next, done atomic.Int64
	var mu sync.Mutex
	acknowledged := map[string][]byte{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				i := int(next.Add(1))
				if i > images {
					return
				}
				picture := square(i)
				status, text, err := m.upload(t.Context(), fmt.Sprint("i", i), picture)
				if err != nil {
					return // it is dead
				}
				if status != 200 {
					t.Errorf("%d %s", status, text)
					return
				}
				mu.Lock()
				acknowledged[fmt.Sprint("i", i)] = picture
				mu.Unlock()
				if done.Add(1) == int64(images)/2 {
					if err := command.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	_ = command.Wait()
	if n := len(acknowledged); n < images/2 || n >= images {
		t.Fatalf("%d of %d uploads were acknowledged", n, images)
	}
	second, m := child(t, data, "")
	m.token = token
	for id, picture := range acknowledged {
		status, body, err := m.send(t.Context(), "GET", "v1/"+id+"/blob", "", nil)
		if err != nil || status != 200 || !bytes.Equal(body, picture) {
			t.Errorf("%s: %d, %d bytes, %v", id, status, len(body), err)
		}
	}
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the second server: %v", err)
	}
	check := exec.CommandContext(t.Context(), "proxy", "store", "check", "--deep", "--data", data)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	sweep := exec.CommandContext(t.Context(), "proxy", "store", "check", "--deep", "--sweep", "--grace", "0s", "--data", data)
	if out, err := sweep.CombinedOutput(); err != nil || !strings.Contains(string(out), " 0 without their bytes, 0 bytes without an image") {
		t.Errorf("%v: %s", err, out)
	}
}

// A process that may write no file of more than 1 MiB meets what a full disk is:
// a write that fails in the middle.
func TestAWriteThatFailsKeepsNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, m := child(t, data, "ulimit -f 2048; ") // blocks of 512 bytes
	big := append(square(1), make([]byte, 3<<20)...)
	if status, text, err := m.upload(t.Context(), "big", big); err != nil || status != 500 || !strings.Contains(string(text), `"code":5500`) {
		t.Errorf("%d %s %v", status, text, err)
	}
	if status, text, err := m.upload(t.Context(), "small", square(1)); err != nil || status != 200 {
		t.Errorf("the next: %d %s %v", status, text, err)
	}
	left, err := filepath.Glob(filepath.Join(data, "*", ".*-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestImportsByURLReachNoPrivateAddress(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	asked := atomic.Int64{}
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = rw.Write(square(1))
	}))
	t.Cleanup(web.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(web.URL, "http://"), ":")
	for _, address := range []string{
		web.URL + "/a.png", "http://localhost:" + port + "/a.png", "http://[::1]:" + port + "/", "http://0.0.0.0:" + port + "/", "http://2130706433:" + port + "/",
		"http://[::ffff:127.0.0.1]:" + port + "/", "http://169.254.169.254/latest/meta-data", "http://user:secret@127.0.0.1:" + port + "/",
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField("url", address)
		_ = form.Close()
		status, text, err := m.send(t.Context(), "POST", "v1", form.FormDataContentType(), &body)
		if err != nil || status != 400 || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %d %s %v", address, status, text, err)
		}
	}
	if asked.Load() > 0 || strings.Contains(s.log.String(), "secret") {
		t.Errorf("asked %d times; the log: %s", asked.Load(), s.log)
	}
}

// The other account is one of ours: what is copied from Cloudflare is copied by
// the same calls.
func TestImportFromAnotherAccount(t *testing.T) {
	from := start(t)
	m := manage(t, from)
	for i, id := range []string{"shoes/röd 1%.png", "b", "c"} {
		if status, text, err := m.upload(t.Context(), id, square(i)); status != 200 {
			t.Fatalf("%d %s %v", status, text, err)
		}
	}
	m.call(t, "PATCH", "v1/b", `{"metadata":{"k":1},"creator":"me","requireSignedURLs":true}`)
	m.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":100,"browser_ttl":7200,"metadata":"keep"}}`)
	m.call(t, "PATCH", "v1/variants/public", `{"options":{"width":500}}`)
	data := filepath.Join(t.TempDir(), "data")
	copyAll := func(args ...string) string {
		t.Helper()
		var out, complaints bytes.Buffer
		args = append([]string{"import", "--quiet", "--data", data, "--from-cloudflare", m.account, "--cloudflare-api", m.url + "/client/v4"}, args...)
		if status := run(t.Context(), args, world{strings.NewReader(""), &out, &complaints, []string{"CLOUDFLARE_API_TOKEN=" + m.token}, time.Now, nil}); status != 0 {
			t.Fatalf("%d: %s", status, complaints.String())
		}
		return out.String()
	}
	if out := copyAll(); !strings.Contains(out, "6 added, 0 there already, 0 no pictures, 0 failed, 0 differences left") { // three of them the demo's
		t.Error(out)
	}
	if out := copyAll(); !strings.Contains(out, "0 added, 6 there already") {
		t.Error(out)
	}
	m.call(t, "PATCH", "v1/b", `{"metadata":{"k":2}}`)
	m.call(t, "PATCH", "v1/variants/hero", `{"options":{"width":101}}`)
	if out := copyAll(); !strings.Contains(out, "differs: b: metadata\n") || !strings.Contains(out, "differs: variant hero\n") || !strings.Contains(out, "2 differences left") {
		t.Error(out)
	}
	if out := copyAll("--replace"); !strings.Contains(out, "1 added, 5 there already, 0 no pictures, 0 failed, 0 differences left") {
		t.Error(out)
	}
	compareAccounts(t, m, data)
}

// Every field of an account, its images and its variants comes back from an export.
func TestAnExportHasEverything(t *testing.T) {
	data, folder, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "export"), filepath.Join(t.TempDir(), "other")
	m := manage(t, start(t, "--data", data))
	for i, fields := range []map[string]string{
		{"id": "shoes/röd 1%.png", "metadata": `{"n":12345678901234567890,"s":"<&>\u2028","o":{"l":[1.50,null,true]}}`, "requireSignedURLs": "true", "creator": "mé"},
		{"id": "b"}, {},
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for name, value := range fields {
			_ = form.WriteField(name, value)
		}
		part, _ := form.CreateFormFile("file", "fïle.png")
		_, _ = part.Write(square(i))
		_ = form.Close()
		if status, text, err := m.send(t.Context(), "POST", "v1", form.FormDataContentType(), &body); status != 200 {
			t.Fatalf("%d %s %v", status, text, err)
		}
	}
	m.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":100,"height":50,"fit":"pad","background":"#ff000080","blur":3,"sharpen":1,"quality":60,"format":"webp",`+
		`"gravity":{"x":0.25,"y":0.5},"trim":{"top":1},"border":{"color":"red","width":2},"draw":[{"url":"https://example.com/a.png","opacity":0.5}],"browser_ttl":7200,"metadata":"keep"},"neverRequireSignedURLs":true}`)
	m.call(t, "PATCH", "v1/variants/public", `{"options":{"width":500}}`)
	m.call(t, "PUT", "v1/keys/second", "")
	m.call(t, "PATCH", "v1/config", `{"flexible_variants":false,"browser_ttl":86400}`)
	m.call(t, "POST", "v2/direct_upload", `{"id":"draft"}`) // is no image yet
	for _, args := range [][]string{{"export", "--keys", "--data", data, folder}, {"import", "--quiet", "--data", other, folder}} {
		var complaints bytes.Buffer
		if status := run(t.Context(), args, world{strings.NewReader(""), io.Discard, &complaints, nil, time.Now, nil}); status != 0 {
			t.Fatalf("%d: %s", status, complaints.String())
		}
	}
	compareAccounts(t, m, other, "v1/config", "v1/stats")
}

func compareAccounts(t *testing.T, m *manager, data string, more ...string) {
	t.Helper()
	s := start(t, "--data", data)
	copied := &manager{url: s.url, account: s.said(t, `accounts/([0-9a-f]{32})/images`), token: s.said(t, `token +(fovea_\S+)`)}
	for _, rest := range append(more, "v2?sort_order=asc", "v1/variants", "v1/keys", "v1/"+url.PathEscape("shoes/röd 1%.png")+"/blob") {
		want, got := m.call(t, "GET", rest, ""), copied.call(t, "GET", rest, "")
		if got = bytes.ReplaceAll(got, []byte(s.url), []byte(m.url)); !bytes.Equal(want, got) {
			t.Errorf("%s:\n%s\nwant\n%s", rest, got, want)
		}
	}
}

func TestTheAPIHasItsOwnListenerOrNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if err := os.WriteFile(file, []byte("api:\n  enabled: false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", file)
	if response, _ := get(t, s.url+"/client/v4/user/tokens/verify"); response.StatusCode != 404 || strings.Contains(s.greeting, "token") {
		t.Errorf("switched off: %d", response.StatusCode)
	}
	free := httptest.NewServer(nil)
	address := strings.TrimPrefix(free.URL, "http://")
	free.Close()
	if err := os.WriteFile(file, []byte("api:\n  listen: "+address+"\n  public_url: https://img.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, "--config", file)
	m := manage(t, s)
	if response, _ := get(t, s.url+"/client/v4/user/tokens/verify"); response.StatusCode != 404 {
		t.Errorf("on the image listener: %d", response.StatusCode)
	}
	m.url = "http://" + address
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, _, err := m.send(t.Context(), "GET", "v2", "", nil); err == nil || time.Now().After(deadline) {
			break
		}
	}
	var draft struct{ Result struct{ UploadURL string } }
	if err := json.Unmarshal(m.call(t, "POST", "v2/direct_upload", ""), &draft); err != nil {
		t.Fatal(err)
	}
	path, ok := strings.CutPrefix(draft.Result.UploadURL, "https://img.example.com")
	if response, _ := get(t, s.url+path); !ok || response.StatusCode != 405 {
		t.Errorf("a visitor's upload on the image listener: %q, %d", draft.Result.UploadURL, response.StatusCode)
	}
}
