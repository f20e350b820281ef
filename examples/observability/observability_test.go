package observability

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

// scrape runs the server, asks it for a few images, and returns its metrics.
func scrape(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	side := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("../../plugins/wasm/testdata/next.wasm")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "fovea.yaml")
	if err := os.WriteFile(config, []byte("rules: [{name: next, module: "+rules+", match: [/**]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data"))
	command.Env = append(os.Environ(), "FOVEA_ADMIN_LISTEN="+side, "FOVEA_CACHE_DISK=16MiB")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`is serving on (\S+)`).FindSubmatch(greeting[:n])
	if found == nil {
		t.Fatalf("no address in %s", greeting[:n])
	}
	for range 2 {
		get(t, string(found[1])+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=64")
	}
	get(t, string(found[1])+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/none/public")
	return get(t, "http://"+side+"/metrics")
}

func get(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestEveryMetricIsThere(t *testing.T) {
	metrics := scrape(t)
	known := map[string]bool{ // only with a certificate, a bucket, or other nodes; cmd/proxy tests them
		"fovea_tls_certificate_not_after_seconds": true, "fovea_database_vouched": true, "fovea_database_lost_total": true,
		"fovea_redis_vouched": true, "fovea_redis_purges_pending": true, "fovea_redis_failures_total": true,
		"fovea_s3_calls_total": true, "fovea_s3_failures_total": true,
	}
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\w+)`).FindAllStringSubmatch(metrics, -1) {
		known[found[1]] = true
		if found[2] == "histogram" {
			known[found[1]+"_bucket"] = true
		}
	}
	for _, want := range []string{
		`fovea_engine_pictures_total{type="image/jpeg"} 1`, "fovea_bytes_saved_total ", "fovea_ready 1", `fovea_phase_seconds_total{phase="encode"} `, `fovea_origin_fetches_total{result="ok"} 0`, `fovea_store_lookups_total{result="ok"} `, `fovea_traces_total{result="lost"} 0`,
		`fovea_reloads_total{result="refused"} 0`, `fovea_codec_info{codec="jpeg by `,
		`fovea_rule_calls_total{outcome="next",rule="next"} 3`, `fovea_rule_calls_total{outcome="error",rule="next"} 0`, `fovea_rule_calls_total{outcome="skipped",rule="next"} 0`, `fovea_rule_reloads_refused_total{rule="next"} 0`,
		`fovea_traces_total{result="dropped"} 0`, `fovea_store_lookups_total{result="failed"} 0`,
		`fovea_requests_total{failure="not_found",kind="hosted",outcome="failed",status="404"} 1`, `fovea_requests_total{failure="",kind="hosted",outcome="hit",status="200"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	words := map[string]bool{}
	for word := range strings.FieldsSeq("hit stale stale_error miss coalesced negative bypass revalidated failed" + " error skipped" + " refused lost dropped") {
		words[word] = true
	}
	for _, kind := range fault.Kinds() {
		words[kind.String()] = true
	}
	for _, file := range []string{"alerts.yaml", "grafana.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(fovea|go|process)_[a-z0-9_]+`).FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s: %d names", file, len(names))
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		for _, found := range regexp.MustCompile(`(outcome|result)[!=~]+\\?"([a-z_|]+)`).FindAllStringSubmatch(string(text), -1) {
			for word := range strings.SplitSeq(found[2], "|") {
				if !words[word] {
					t.Errorf("%s: there is no %s %s", file, found[1], word)
				}
			}
		}
	}
	text, err := os.ReadFile("grafana.json")
	if err != nil || !json.Valid(text) {
		t.Errorf("grafana.json is no JSON, %v", err)
	}
}

// Every alert has a paragraph in the runbook.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	alerts, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(runbook), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(found[1], "`", "")), " ", "-")] = true
	}
	named := regexp.MustCompile(`docs/operations.md#([\w-]+)`).FindAllStringSubmatch(string(alerts), -1)
	if len(named) != strings.Count(string(alerts), "- alert:") {
		t.Errorf("%d paragraphs for %d alerts", len(named), strings.Count(string(alerts), "- alert:"))
	}
	for _, found := range named {
		if !anchors[found[1]] {
			t.Errorf("the runbook lacks %s", found[1])
		}
	}
}

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("promtool is absent, and in CI it must be there: apt-get install prometheus")
	}
	if err != nil {
		t.Skip("promtool is absent: apt-get install prometheus; .ci/run does")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}
