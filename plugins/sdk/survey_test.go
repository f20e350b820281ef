package sdk_test

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/sdk"
	"github.com/fovea-images/fovea/plugins/sdk/sdktest"
	"github.com/fovea-images/fovea/plugins/wasm"
)

// build puts the source of a rule of the repository into a new folder and builds it
// there. It returns the module.
func build(t testing.TB, lang, source string) string {
	t.Helper()
	environ := sdktest.Environ(t, lang)
	parent := t.TempDir()
	name, _, _ := strings.Cut(filepath.Base(source), ".")
	if _, err := sdk.New(parent, name, lang); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	beside := regexp.MustCompile(`(?m)"github.com/\S*/rule"|"\S*/assemblyscript/rule"|^#\[path = .*$`).ReplaceAllFunc(text, func(found []byte) []byte {
		return []byte(map[byte]string{'g': `"example.com/` + name + `/rule"`, '.': `"./rule"`, '[': ""}[found[1]])
	})
	folder := filepath.Join(parent, name)
	if err := os.WriteFile(filepath.Join(folder, filepath.Base(source)), beside, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "build.sh")
	command.Dir, command.Env = folder, environ
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, name+".wasm")
}

// The survey makes every call. What comes of it is the same in every language.
func TestEveryCallInEveryLanguage(t *testing.T) {
	text, err := os.ReadFile("testdata/survey/tests.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Config json.RawMessage
		Expose []string
		Tests  []struct {
			Name, URL string
			Headers   []string
			Want      map[string]any
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	for lang, extension := range map[string]string{"go": "go", "c": "c", "as": "ts", "rust": "rs"} {
		t.Run(lang, func(t *testing.T) {
			module := build(t, lang, filepath.Join("testdata/survey", lang, "survey."+extension))
			chain := load(t, module, string(table.Config), table.Expose)
			for _, tt := range table.Tests {
				t.Run(tt.Name, func(t *testing.T) {
					x, err := ask(t, chain, tt.URL, tt.Headers)
					if failed := tt.Want["outcome"] == "error"; (err != nil) != failed {
						t.Errorf("error %v", err)
					}
					got := described(t, x)
					for field, want := range tt.Want {
						if diff := cmp.Diff(want, got[field]); diff != "" {
							t.Errorf("%s (-want +got):\n%s", field, diff)
						}
					}
					chain.Release(x)
				})
			}
			t.Run("takes what visitors send", func(t *testing.T) { takesAll(t, chain) })
			t.Run("has a table of any configuration", func(t *testing.T) { hasTables(t, module) })
			t.Run("ends at the end of its scratch", func(t *testing.T) { endsInTime(t, module, string(table.Config)) })
			t.Run("comes back to the answer", func(t *testing.T) { comesBack(t, chain) })
			t.Run("leaks nothing", func(t *testing.T) { staysSmall(t, chain) })
			if lang == "go" { // the one with a collector, which would hide what is allocated
				t.Run("allocates nothing", func(t *testing.T) {
					x, err := ask(t, chain, "/survey/allocations?v=1", []string{"Cookie: ab=b", "X-Many: one"})
					if err != nil {
						t.Fatal(err)
					}
					if answer := x.Steps()[0].Answer; !slices.Contains(answer, "+ x-allocations: 0") {
						t.Errorf("%q", answer)
					}
					chain.Release(x)
				})
			}
		})
	}
}

// hasTables looks for three keys in a table of the whole configuration, which need not be
// JSON.
func hasTables(t *testing.T, module string) {
	for config, want := range map[string]string{
		``: `|||`, `{}`: `|||`, `{,}`: `|||`, `[1]`: `|||`, `{"account":1,}`: `1|||`, `{"account":1 "quoted":2}`: `1|||`, `{"account":"1`: `|||`,
		`{"account":,"quoted":1,"sizes":2}`: `|1|2|`, `{"account":1,"account":2}`: `1|||`,
		`{"account":"a\"b","sizes":{"s":[1,{}]}}`:                   `a"b||{"s":[1,{}]}|`,
		`{` + strings.Repeat(`"k":1,`, 900) + `"account":"\u0042"}`: `B|||`,
	} {
		chain := load(t, module, config, nil)
		for range 2 {
			x, err := ask(t, chain, "/survey/read", nil)
			if answer := x.Steps()[0].Answer; err != nil || !slices.Contains(answer, "+ x-table: "+want) {
				t.Errorf("%.60q: %v, %q", config, err, answer)
			}
			chain.Release(x)
		}
	}
}

func load(t testing.TB, module, config string, expose []string) *plugins.Chain {
	t.Helper()
	return chained(t, module, config, expose, 0, nil)
}

// chained is a chain of one rule, with a budget and a clock.
func chained(t testing.TB, module, config string, expose []string, budget int64, now func() time.Time) *plugins.Chain {
	t.Helper()
	journal := plugins.NewJournal("survey", slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
	rule, err := wasm.New(t.Context(), wasm.Options{File: module, Config: config, Journal: journal, Instances: 1, Requests: 1 << 40, Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := plugins.New(plugins.Options{Now: now, Links: []plugins.Link{{Name: "survey", Match: []string{"/**"}, Expose: expose, Rule: rule, Journal: journal}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain
}

// ask sends a request through the chain.
func ask(t *testing.T, chain *plugins.Chain, url string, headers []string) (*plugins.Exchange, error) {
	t.Helper()
	site := &params.Site{}
	x := chain.Begin()
	x.Trace()
	x.Door = plugins.Door{Site: site, Client: netip.MustParseAddrPort("127.0.0.1:1234"), Accepts: func(accept []byte) string {
		return strings.TrimPrefix(string(accept), "image/")
	}}
	x.Load([]byte("GET"), []byte(url))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		x.LoadHeader([]byte(name), []byte(value))
	}
	return x, chain.Request(t.Context(), x)
}

// described is what the rule did, as JSON has it.
func described(t *testing.T, x *plugins.Exchange) map[string]any {
	t.Helper()
	text, err := json.Marshal(x.Steps()[0])
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func comesBack(t *testing.T, chain *plugins.Chain) {
	x, err := ask(t, chain, "/survey/headers", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Release(x)
	x.LoadAnswer(404)
	x.LoadAnswerHeader([]byte("content-type"), []byte("text/plain"))
	x.Waiting("", func(name, value []byte, _ bool) { x.LoadAnswerHeader(name, value) })
	chain.Response(t.Context(), x, true)
	got := map[string][]string{}
	x.Touched(func(name []byte, values [][]byte) {
		all := []string{}
		for _, value := range values {
			all = append(all, string(value))
		}
		got[string(name)] = all
	})
	want := map[string][]string{"x-late": {"404|1|(1)(2)|1|text/plain", "7"}, "x-waiting": {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// takesAll sends what visitors may, up to the 16 KiB that the proxy reads.
func takesAll(t *testing.T, chain *plugins.Chain) {
	for _, tt := range []struct {
		name, query, header, want string
	}{
		{"many parameters", "?" + strings.Repeat("&", 12_000) + "v=1", "", "x-param: 1"},
		{"a second question mark", "??v=1", "", "x-param: "},
		{"many cookies", "", "Cookie: " + strings.Repeat("a;", 6_000) + "ab=b", "x-cookie: b"},
		{"many spaces", "", "Cookie: " + strings.Repeat(" ", 12_000) + "ab=b", "x-cookie: b"},
		{"no UTF-8", "", "X-Many: " + strings.Repeat("\xff", 12_000), "x-many: 12000"},
		{"half a pair of surrogates", "", `X-Json: {"a":"\ud800\u0041"}`, "x-json: \uFFFDA"},
		{"two of them", "", `X-Json: {"a":"\ud800\ud83d\ude00"}`, "x-json: \uFFFD\U0001F600"},
		{"no digits", "", `X-Json: {"a":"\u+123"}`, "x-json: \uFFFD"},
		{"many members", "", "X-Json: {" + strings.Repeat(`"":0,`, 2_300) + `"a":"z"}`, "x-json: z"},
		{"an end in an escape", "", `X-Json: {"a":"\u"}`, "x-json: \uFFFD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, err := ask(t, chain, "/survey/hard"+tt.query, []string{tt.header})
			if err != nil {
				t.Fatal(err)
			}
			defer chain.Release(x)
			if answer := x.Steps()[0].Answer; !slices.Contains(answer, "+ "+tt.want) {
				t.Errorf("%.300q lacks %q", answer, tt.want)
			}
		})
	}
}

// endsInTime fills the scratch: whatever is left at the end, the rule says that it was
// too little, and has written nothing over anything.
func endsInTime(t *testing.T, module, config string) {
	var now time.Time
	chain := chained(t, module, config, nil, 500_000_000, func() time.Time {
		now = now.Add(time.Minute) // it may fail as often as it likes
		return now
	})
	for n := range 32 {
		for path, header := range map[string]string{"/survey/full": "X-Many: aaaaaaaa", "/survey/escapes": `X-Json: {"a":"aaaaaaaa\u"}`} {
			x, err := ask(t, chain, path+"?"+strings.Repeat("n", n), []string{header})
			if step := x.Steps()[0]; err == nil || !strings.Contains(strings.Join(step.Log, "\n"), "64 KiB of scratch memory") {
				t.Errorf("%s, %d: %s: %v %q", path, n, step.Outcome, err, step.Log)
			}
			chain.Release(x)
		}
	}
}

// staysSmall asks so often that what is allocated in a call and kept would show.
func staysSmall(t *testing.T, chain *plugins.Chain) {
	held := func() int64 { return chain.Stats()[0].Memory }
	call := func() {
		for _, url := range []string{"/survey/read?v=1", "/survey/write", "/survey/headers"} {
			x, err := ask(t, chain, url, []string{"Cookie: ab=b", "X-Many: one"})
			if err != nil {
				t.Fatal(err)
			}
			chain.Release(x)
		}
	}
	call()
	before := held()
	for range 2_000 {
		call()
	}
	if after := held(); before == 0 || after > before {
		t.Errorf("%d bytes of memory before, %d after", before, after)
	}
}
