package rule

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestMember(t *testing.T) {
	const json = `{"account":"abc","empty":{},"list":["a",{"b":"c"},[1,2], 4],"none":null,"on":true,"quoted":"a\"b\\\u003c\u00fc\ud83d\ude00\n\/","sizes":{"l":1600,"s":320}}`
	spaced := strings.NewReplacer(":", " : ", ",", " ,\n", "[", "[ ", "}", " }").Replace(json)
	for _, text := range []string{json, spaced} {
		for keys, want := range map[string]string{
			"account": "abc", "sizes s": "320", "sizes l": "1600", "sizes m": "", "sizes s x": "", "missing": "",
			"list 0": "a", "list 1 b": "c", "list 2 1": "2", "list 3": "4", "list 4": "", "list -1": "", "list b": "", "list 99999999999": "",
			"none": "null", "on": "true", "empty x": "", "quoted": "a\"b\\<ü😀\n/",
		} {
			begin()
			if got := Member(text, strings.Fields(keys)...); got != want {
				t.Errorf("%s: %q, want %q", keys, got, want)
			}
		}
	}
	for _, broken := range []string{``, `x`, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":}`, `[`, `[[`, `{"a" 1}`, `{"b":"\`, `"a"`, `{,}`, `{"a":"\ud83d"}`, `{"a":"\uZZ`} {
		begin()
		if got := Member(broken, "a"); got != "" && got != "\uFFFD" {
			t.Errorf("%s: %q", broken, got)
		}
	}
}

// Configurations come from an operator, but a rule must not fall over one.
func FuzzMember(f *testing.F) {
	f.Add(`{"a":{"b":"\u00fc\ud83d\ude00"},"c":[1,2]}`, "a", "b")
	f.Fuzz(func(t *testing.T, json, key, below string) {
		begin()
		if len(json) < 1<<10 {
			Member(json, key, below)
		}
	})
}

func TestTextsAreJoinedWithoutAllocating(t *testing.T) {
	begin()
	if got := Join("a", "", "bc") + Number(-12) + Number(1<<62); got != "abc-124611686018427387904" {
		t.Error(got)
	}
	kept := Join("keep ", "this")
	scratch.begun = false
	begin() // as at the first request
	if again := Join("over", "write"); kept != "keep this" || again != "overwrite" {
		t.Errorf("%q %q", kept, again)
	}
	sizes, s := `{"l":1600,"m":"8\u00300","s":320}`, "m"
	if n := testing.AllocsPerRun(100, func() {
		begin()
		if Join("/", s, "/", Member(sizes, s)) != "/m/800" || pair("a=1; ab=b", "ab", ';') != "b" || Number(640) != "640" {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	defer func() {
		if text, ok := recover().(string); !ok || !strings.Contains(text, "64 KiB") {
			t.Errorf("recovered %q", text)
		}
	}()
	for range 100 {
		Join(strings.Repeat("x", 500), strings.Repeat("x", 500))
	}
}

// A rule's own functions can be tested where there is no proxy.
func TestOutsideTheProxy(t *testing.T) {
	if got := Config("account"); got != "" {
		t.Errorf("%q", got)
	}
	defer func() {
		if text, ok := recover().(string); !ok || !strings.Contains(text, "GOOS=wasip1") {
			t.Errorf("recovered %q", text)
		}
	}()
	Handle(func(r *Request) Verdict { return r.Deny(r.URI()) })
}

// Every exported call has an example: the examples are the manual.
func TestEveryCallHasAnExample(t *testing.T) {
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[*Request](), reflect.TypeFor[*Response](), reflect.TypeFor[Verdict]()} {
		for i := range of.NumMethod() {
			name := strings.TrimPrefix(of.String(), "*")
			name = "func Example" + strings.TrimPrefix(name, "rule.") + "_" + of.Method(i).Name + "()"
			if !strings.Contains(string(examples), name) {
				t.Errorf("there is no %s", name)
			}
		}
	}
}

// A module elsewhere needs nothing but this package: none of what the server is made of.
func TestImportedWithoutTheServersDependencies(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/shop\n\ngo 1.26.8\n\nrequire github.com/fovea-images/fovea v0.0.0\n\nreplace github.com/fovea-images/fovea => " + root + "\n",
		"shop.go": `package main

import "github.com/fovea-images/fovea/plugins/sdk/go/rule"

//go:wasmexport handle_request
func handleRequest() rule.Verdict {
	return rule.Handle(func(r *rule.Request) rule.Verdict { return r.Deny("closed") })
}

func main() {}
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s", "-o", "shop.wasm", ".")
	build.Dir = folder
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOMODCACHE="+filepath.Join(folder, "modules"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(filepath.Join(folder, "shop.wasm")); err != nil || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
