package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rulesFile writes a configuration with one rule, edition.wasm, and an admin listener.
func rulesFile(t *testing.T, more string) (config, module, admin string) {
	t.Helper()
	folder := t.TempDir()
	module, admin = filepath.Join(folder, "rule.wasm"), freeAddress(t)
	writeEdition(t, module, "/0000")
	config = filepath.Join(folder, "fovea.yaml")
	yaml := "rules:\n  - name: edition\n    module: " + module + "\n    match: [/p/*]\n" + more + "admin:\n  listen: " + admin + "\n"
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return config, module, admin
}

// writeEdition puts a module that rewrites every path to text in the file's place.
func writeEdition(t *testing.T, file, text string) {
	t.Helper()
	body, err := os.ReadFile("../../plugins/wasm/testdata/edition.wasm")
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.Replace(body, []byte("/0000"), []byte(text), 1)
	if err := os.WriteFile(file+".new", body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// The server runs its rules, tells of them, and takes up a changed module: by looking at
// the file, and at once when it gets SIGHUP.
func TestServerWithRules(t *testing.T) {
	hangups := make(chan os.Signal, 8)
	signal.Notify(hangups, syscall.SIGHUP) // the test survives its own signal
	defer signal.Stop(hangups)
	config, module, admin := rulesFile(t, "    on_error: open\n    config: {b: 1, a: [x]}\n    budget: 100000\n    memory: 1MiB\n    instances: 2\n    expose: [cookie]\n")
	s := start(t, "--config", config)
	s.admin = "http://" + admin
	ask := func() {
		t.Helper()
		if response, _ := get(t, s.url+"/p/x"); response.StatusCode != http.StatusNotFound {
			t.Fatalf("%d", response.StatusCode)
		}
	}
	wait := func(metric string, want float64, during func()) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); s.gauge(t, metric) < want; during() {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not become %v", metric, want)
			}
		}
		ask()
	}
	ask()
	writeEdition(t, module, "/bbbb")
	wait(`fovea_rule_reloads_total{rule="edition"}`, 1, ask)
	writeEdition(t, module, "/cccc")
	wait(`fovea_rule_reloads_total{rule="edition"}`, 2, func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(module, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait(`fovea_rule_reloads_refused_total{rule="edition"}`, 1, ask)
	_, text := get(t, s.admin+"/metrics")
	for _, want := range []string{
		`fovea_rule_calls_total\{outcome="next",rule="edition"\} \d+`, `fovea_rule_calls_total\{outcome="error",rule="edition"\} 0`,
		`fovea_rule_seconds_count\{rule="edition"\} \d+`, `fovea_rule_instructions_total\{rule="edition"\} \d+`,
		`fovea_rule_reloads_total\{rule="edition"\} 2`, `fovea_rule_instances\{rule="edition"\} [12]`, `fovea_rule_resting\{rule="edition"\} 0`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(text) {
			t.Errorf("metrics lack %s", want)
		}
	}
	s.stop()
	if status := <-s.status; status != 0 {
		t.Fatalf("exit status %d: %s", status, s.log)
	}
	close(s.status)
	for _, want := range []string{"path=/p/x", "rewritten=/0000", "rewritten=/cccc", "the old one stays"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// A rule sees what goes to the website behind, too: what it writes is what the website is
// asked, what it answers the website never sees, and what frames the bytes stays.
func TestRulesInFrontOfAWholeSite(t *testing.T) {
	site := website(t)
	step := func(op, a, b string) string { // of script.wasm
		return op + string(rune(len(a))) + "\x00" + a + string(rune(len(b))) + "\x00" + b
	}
	rule := func(name, match string, steps ...string) string {
		text, err := json.Marshal(strings.Join(steps, ""))
		if err != nil {
			t.Fatal(err)
		}
		return "  - {name: " + name + ", module: ../../plugins/wasm/testdata/script.wasm, match: [" + match + "], config: " + string(text) + "}\n"
	}
	s := configured(t, "origins:\n  site: "+site.URL+"\n  forward: true\n  allow_private: [127.0.0.0/8]\nrules:\n"+
		rule("moves", "/old/*", step("u", "/new/%2F?q=1", ""), step("s", "cookie", "c=9"), step("s", "content-length", "3"), step("s", "transfer-encoding", "chunked"),
			step("s", "x-forwarded-for", "9.9.9.9"), step("S", "x-mine", "1"), step("S", "set-cookie", "z=1"))+
		rule("image", "/pic", step("u", demoPath+"landscape/w=16", ""))+
		rule("page", "/cdn-cgi/imagedelivery/*/*/page", step("u", "/page", ""))+
		rule("keeps", "/upload", step("s", "content-length", "3"), step("r", "content-length", ""), step("m", "PUT", ""))+
		rule("refuses", "/admin/**", step("b", "no", ""), step(".", "", "")))
	send := func(method, path, body string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
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
		return response, string(text)
	}
	response, text := send("GET", "/old/a?b=c", "")
	want := "GET /new/%2F?q=1 cookie=c=9 for=9.9.9.9, 127.0.0.1 host=" + strings.TrimPrefix(s.url, "http://") + " proto=http te="
	if response.StatusCode != http.StatusTeapot || text != want || response.Header.Get("X-Mine") != "1" {
		t.Errorf("%d %q, want %q; %v", response.StatusCode, text, want, response.Header)
	}
	if response, text := send("HEAD", "/old/a", ""); response.StatusCode != http.StatusTeapot || text != "" || response.Header.Get("X-Mine") != "1" {
		t.Errorf("HEAD: %d %q %v", response.StatusCode, text, response.Header)
	}
	if response, _ := send("GET", "/pic", ""); response.StatusCode != 200 || response.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("a page's path that becomes a picture's: %d %v", response.StatusCode, response.Header)
	}
	if response, text := send("GET", "/cdn-cgi/imagedelivery/a/b/page", ""); response.StatusCode != http.StatusTeapot || !strings.HasPrefix(text, "GET /page ") {
		t.Errorf("a picture's path that becomes a page's: %d %q", response.StatusCode, text)
	}
	if response, text := send("POST", "/upload", "0123456789"); response.StatusCode != 200 || !strings.HasPrefix(text, "10 ") {
		t.Errorf("a body: %d %q", response.StatusCode, text)
	}
	if response, text := send("POST", "/admin/x", "0123456789"); response.StatusCode != 200 || text != "no" {
		t.Errorf("an answer of a rule's: %d %q", response.StatusCode, text)
	}
}

func TestRulesAreChecked(t *testing.T) {
	good := "../../plugins/wasm/testdata/next.wasm"
	for says, yaml := range map[string]string{
		`rules[0] A: name: expected 1 to 40`:                         "name: A, module: " + good + ", match: [/p]",
		`rules[0] a: match: expected at least one`:                   "name: a, module: " + good,
		`rules[0] a: match: expected a path`:                         "name: a, module: " + good + ", match: [p]",
		`rules[0] a: on_error: expected open or closed`:              "name: a, module: " + good + ", match: [/p], on_error: maybe",
		`rules[0] a: expose: expected authorization`:                 "name: a, module: " + good + ", match: [/p], expose: [accept]",
		`rules[0] a: module: expected a file`:                        "name: a, match: [/p]",
		`rules[0] a: module: open nowhere.wasm`:                      "name: a, match: [/p], module: nowhere.wasm",
		`it does not export handle_request`:                          "name: a, match: [/p], module: ../../plugins/wasm/testdata/no-handler.wasm",
		`rules[0] a: budget: expected instructions`:                  "name: a, match: [/p], budget: -1, module: " + good,
		`rules[0] a: memory: expected`:                               "name: a, match: [/p], memory: 1KiB, module: " + good,
		`did you mean rules[0].budget?`:                              "name: a, match: [/p], budgett: 1, module: " + good,
		`did you mean rules[0].on_error?`:                            "name: a, match: [/p], onerror: open, module: " + good,
		`expected a name of its own for each rule, received "a" twi`: "name: a, match: [/p], module: " + good + "}, {name: a, match: [/p], module: " + good,
	} {
		t.Run(says, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "fovea.yaml")
			if err := os.WriteFile(file, []byte("rules: [{"+yaml+"}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, complaints bytes.Buffer
			status := run(t.Context(), []string{"check", "--config", file, "--data", filepath.Join(t.TempDir(), "none")}, world{strings.NewReader(""), &out, &complaints, nil, time.Now, nil})
			if status == 0 || !strings.Contains(complaints.String(), says) {
				t.Errorf("%d: %s", status, &complaints)
			}
		})
	}
}
