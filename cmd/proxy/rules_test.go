package main

import (
	"bytes"
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
			status := run(t.Context(), []string{"check", "--config", file, "--data", filepath.Join(t.TempDir(), "none")}, world{strings.NewReader(""), &out, &complaints, nil, time.Now})
			if status == 0 || !strings.Contains(complaints.String(), says) {
				t.Errorf("%d: %s", status, &complaints)
			}
		})
	}
}
