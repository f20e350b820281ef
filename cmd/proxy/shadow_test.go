package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMovingWithConfidence(t *testing.T) {
	theirs := start(t)
	admin := freeAddress(t)
	s := configured(t, fmt.Sprintf("admin: {listen: '%s'}\nshadow: {of: '%s', share: 1}\norigins: {allow_private: [127.0.0.0/8]}\n", admin, theirs.url))
	s.admin = "http://" + admin
	m := manage(t, theirs)
	if status, text, err := m.upload(t.Context(), "only-theirs", square(3)); status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	m.call(t, "PATCH", "v1/still-life", `{"requireSignedURLs":true}`)
	for _, rest := range []string{"landscape/w=64,f=jpeg", "only-theirs/w=16", "nothing/public"} {
		want, body := get(t, theirs.url+demoPath+rest)
		got, same := get(t, s.url+demoPath+rest)
		if got.StatusCode != want.StatusCode || !bytes.Equal(body, same) || got.Header.Get("Cache-Control") != want.Header.Get("Cache-Control") {
			t.Errorf("%s: %d %v, want %d %v", rest, got.StatusCode, got.Header, want.StatusCode, want.Header)
		}
	}
	proof := theirs.signed(t, demoPath+"still-life/public")
	for range 2 {
		for address, want := range map[string]int{proof: 200, demoPath + "still-life/public": 403} {
			if response, body := get(t, s.url+address); response.StatusCode != want {
				t.Errorf("%d %.80s, want %d", response.StatusCode, body, want)
			}
		}
	}
	compared := func(differs string) string {
		return `fovea_shadow_compared_total{differs="` + differs + `",skipped=""}`
	}
	var metrics string
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, text := get(t, s.admin+"/metrics")
		if metrics = string(text); strings.Contains(metrics, compared("nothing")) && strings.Contains(metrics, compared("status")) || time.Now().After(deadline) {
			break
		}
	}
	for _, want := range []string{compared("nothing"), compared("status"), "fovea_shadow_ssim_count", "fovea_shadow_bytes_ratio_sum", `outcome="bypass"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	s.stop()
	if status := <-s.status; status != 0 {
		t.Error(status)
	}
	close(s.status)
	text := s.log.String()
	if !strings.Contains(text, "msg=shadow") || !strings.Contains(text, "theirs.width=64") || !strings.Contains(text, "ssim=1") || strings.Contains(text, "sig=") {
		t.Errorf("%s", text)
	}
	for knobs, want := range map[string]string{
		"{share: 0.5}": "shadow.of: expected", "{of: nowhere, share: 1}": "shadow.of: expected", "{of: 'http://a', share: 2}": "shadow.share: expected a number from 0 to 1, received 2",
		"{of: 'http://a', share: 1, at_once: -1}": "shadow.at_once: expected",
	} {
		if got := complaint(t, "shadow: "+knobs+"\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", knobs, got)
		}
	}
}

func TestComplaintsOfURLsSayNoPassword(t *testing.T) {
	for _, text := range []string{
		"shadow: {of: 'https://user:hunter2@a.example', share: 1}\n",
		"shadow: {of: 'https://user:hunter2@a.example/%zz', share: 1}\n",
		"cloudflare: {mode: variant, delivery: 'https://user:hunter2@a.example'}\n",
		"cloudflare: {mode: variant, delivery: 'https://user:hunter2@a.example/%zz'}\n",
	} {
		if got := complaint(t, text); !strings.Contains(got, "expected a URL") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", text, got)
		}
	}
}
