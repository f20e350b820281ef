package main

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/plugins/sdk/sdktest"
)

// A page of the repository, and what must be there before its first command.
type page struct {
	name   string // from the root
	before string // commands that the reader has typed already
	copied string // a folder that the reader is in, copied
	slow   bool   // for FOVEA_SLOW only
	set    string // a variable of the servers
}

// Whatever is given to read in the repository and has commands or snippets in it.
var pages = []page{
	{name: "README.md", before: "mkdir -p photos/shoes; cp $ROOT/cmd/proxy/demo/still-life.jpg photos/shoes/red.jpg"},
	{name: "docs/getting-started.md"},
	{name: "docs/configuration.md", before: "proxy config --defaults >fovea.yaml"},
	{name: "docs/plugins.md"},
	{name: "docs/urls.md"},
	{name: "docs/api.md", before: "cp $ROOT/cmd/proxy/demo/still-life.jpg photo.jpg\nproxy"},
	{name: "docs/tokens.md", before: "proxy"},
	{name: "docs/origins.md", before: "proxy"},
	{name: "docs/caching.md", before: "proxy"},
	{name: "docs/security.md"},
	{name: "docs/nodes.md", before: "echo redis://127.0.0.1:6379/0 >redis-url; echo secret >s3-secret"},
	{name: "examples/cloudflare/README.md", copied: "examples/cloudflare", set: "FOVEA_CLOUDFLARE_API=http://127.0.0.1:9/"},
	{name: "examples/integrations/README.md"},
	{name: "examples/site/README.md", copied: "examples/site"},
	{name: "examples/sign/README.md", copied: "examples/sign", before: "proxy serve\nTOKEN=$(proxy apitoken create)\nIMAGES=http://localhost:8080/client/v4/accounts/$(proxy account id)/images"},
}

// Pages whose commands other tests run, or nobody.
var elsewhere = map[string]string{
	"examples/rules/": "examples/rules builds each as it says and asks a server that has loaded it",
	"examples/fleet/": "its own test runs it, and the commands that it prints",
	"bench/":          "its own test does in seconds what takes minutes",
	"CONTRIBUTING.md": "make test, make lint and go test are what .ci/run does",
}

// Blocks that cannot be run. The page says so, too.
var unrun = []string{
	"README.md: go test ./...: it is what runs this",
	"README.md: go run ./bench -scenario hit,304 -peers nginx,varnish: it takes minutes; its own test does all of it in small",
}

// Every command of every page is run as it stands there, in an empty folder, and what it
// shows is compared; every snippet of configuration is checked.
func TestThePages(t *testing.T) {
	var marks []string
	for _, p := range pages {
		text := read(t, "../../"+p.name)
		for _, f := range fences(text) {
			if why, ok := strings.CutPrefix(f.mark, "not run: "); ok {
				marks = append(marks, p.name+": "+f.first()+": "+why)
			}
		}
		t.Run(p.name, func(t *testing.T) {
			if p.slow && os.Getenv("FOVEA_SLOW") == "" {
				t.Skip("it takes long: FOVEA_SLOW=1 runs it, as .ci/run does")
			}
			t.Parallel()
			r := newReader(t, os.Getenv("FOVEA_SLOW") != "")
			r.environ = append(r.environ, p.set)
			for _, found := range regexp.MustCompile(`proxy check --config (\S+)`).FindAllStringSubmatch(text, -1) {
				r.checks[found[1]] = true
			}
			r.prepare(t, p)
			for _, f := range fences(text) {
				switch file, excerpt := strings.CutPrefix(f.mark, "from: "); {
				case strings.HasPrefix(f.mark, "not run: "):
				case lacks(f) != "" && os.Getenv("FOVEA_SLOW") == "":
					t.Skipf("there is no %s on this machine; .ci/run installs it, and runs the rest of the page", lacks(f))
				case excerpt:
					if !strings.Contains(read(t, "../../"+file), f.text) {
						t.Errorf("line %d does not stand in %s", f.line, file)
					}
				case languageOf.MatchString(f.text) && strings.Contains(f.text, "build.sh"):
					r.makeRule(t, f, p.name == "docs/plugins.md")
				default:
					r.follow(t, f)
				}
			}
		})
	}
	if !slices.Equal(marks, unrun) {
		t.Errorf("not run:\n%s\nreviewed:\n%s", strings.Join(marks, "\n"), strings.Join(unrun, "\n"))
	}
}

// lacks is a tool of a block's that this machine does not have.
func lacks(f fence) string {
	for _, tool := range []string{"nginx", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil && strings.Contains("\n"+f.text, "\n"+tool+" ") {
			return tool
		}
	}
	return ""
}

// prepare puts the reader where the page begins.
func (r *reader) prepare(t *testing.T, p page) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if p.copied != "" {
		if err := os.CopyFS(r.folder, os.DirFS(filepath.Join(root, p.copied))); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(p.before) {
		r.do(t, strings.ReplaceAll(strings.TrimSpace(line), "$ROOT", root))
	}
}

var languageOf = regexp.MustCompile(`plugin new (\S+) --lang (\w+)`)

// makeRule follows a block that makes a rule in some language and, if whole, the README in
// the folder that it makes.
func (r *reader) makeRule(t *testing.T, f fence, whole bool) {
	t.Helper()
	found := languageOf.FindStringSubmatch(f.text)
	t.Run("in "+found[2], func(t *testing.T) {
		r.do(t, `before=$PATH`)
		for _, setting := range sdktest.Environ(t, found[2]) {
			if path, ok := strings.CutPrefix(setting, "PATH="); ok && path != os.Getenv("PATH") {
				r.do(t, `PATH="`+path+`:$PATH"`)
			}
		}
		defer r.do(t, `PATH=$before`)
		if r.follow(t, f); !whole {
			return
		}
		where, _ := r.run(t, "pwd")
		folder := filepath.Join(strings.TrimSpace(where), found[1])
		r.do(t, "cd "+found[1])
		for _, f := range fences(read(t, filepath.Join(folder, "README.md"))) {
			if f.lang == "sh" && !serves.MatchString(strings.TrimSpace(f.text)) {
				r.follow(t, f)
			}
		}
		r.do(t, "cd ..")
	})
}

// No page is forgotten.
func TestEveryPageWithACommandIsRun(t *testing.T) {
	known := map[string]bool{}
	for _, p := range pages {
		known[p.name] = true
	}
	err := filepath.WalkDir("../..", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "node_modules" || entry.Name() == ".git":
			return filepath.SkipDir
		case filepath.Ext(name) != ".md":
			return nil
		}
		page := strings.TrimPrefix(filepath.ToSlash(name), "../../")
		has := slices.ContainsFunc(fences(read(t, name)), func(f fence) bool { return f.lang != "" })
		other := slices.ContainsFunc(slices.Collect(maps.Keys(elsewhere)), func(prefix string) bool { return strings.HasPrefix(page, prefix) })
		if has && !known[page] && !other {
			t.Errorf("%s has commands that nobody runs", page)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
