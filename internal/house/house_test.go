package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/fovea-images/fovea/"

// file is one Go file of the repository.
type file struct {
	path  string // from the root
	room  string // folder
	test  bool
	text  string
	tree  *ast.File
	lines *token.FileSet
}

func (f *file) line(p token.Pos) int { return f.lines.Position(p).Line }

// load parses every Go file below root, but for testdata.
func load(root fs.FS) ([]*file, error) {
	var all []*file
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f := &file{path: name, room: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: string(text), lines: token.NewFileSet()}
		f.tree, err = parser.ParseFile(f.lines, name, text, parser.ParseComments)
		all = append(all, f)
		return err
	})
	return all, err
}

// laws are the checks. Each returns one complaint for each breach.
var laws = map[string]func([]*file) []string{
	"imports": imports, "walls": thirdParty, "docs": docs, "size": size, "names": names, "habits": habits,
}

func TestTheHouseKeepsItsLaws(t *testing.T) {
	files, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 80 {
		t.Fatalf("found only %d files", len(files))
	}
	for name, law := range laws {
		for _, complaint := range law(files) {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

// imports: a package imports of ours what its row says. Tests may look further.
func imports(files []*file) (complaints []string) {
	for _, f := range files {
		row, known := rooms[f.room]
		if !known {
			complaints = append(complaints, fmt.Sprintf("%s: no row in the table of rooms; add one with its reason", f.path))
			continue
		}
		if f.test || row.imports == "*" {
			continue
		}
		for _, i := range f.tree.Imports {
			ours, ok := strings.CutPrefix(unquote(i.Path.Value), module)
			if ok && !slices.Contains(strings.Fields(row.imports), ours) {
				complaints = append(complaints, fmt.Sprintf("%s must not import %s: %s", f.path, ours, row.why))
			}
		}
	}
	for _, room := range sorted(rooms) {
		if !slices.ContainsFunc(files, func(f *file) bool { return f.room == room }) {
			complaints = append(complaints, room+": a row without a room")
		}
	}
	return complaints
}

func unquote(literal string) string {
	text, err := strconv.Unquote(literal)
	if err != nil {
		return literal
	}
	return text
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// thirdParty: a module is imported in its room only.
func thirdParty(files []*file) (complaints []string) {
	for _, f := range files {
		for _, i := range f.tree.Imports {
			name := unquote(i.Path.Value)
			if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") || strings.HasPrefix(name, module) {
				continue
			}
			found := ""
			for prefix := range walls {
				if (name == prefix || strings.HasPrefix(name, prefix+"/")) && len(prefix) > len(found) {
					found = prefix
				}
			}
			wall := walls[found]
			places := strings.Fields(wall.where)
			switch {
			case found == "":
				complaints = append(complaints, fmt.Sprintf("%s imports %s, which has no room", f.path, name))
			case f.test || slices.Contains(places, f.room) || slices.Contains(places, f.path):
			default:
				complaints = append(complaints, fmt.Sprintf("%s imports %s, whose room is %s: %s", f.path, name, wall.where, wall.why))
			}
		}
	}
	return complaints
}

// docs: a package says in one sentence what it is, in one place.
func docs(files []*file) (complaints []string) {
	said := map[string]int{}
	for _, f := range files {
		if f.test {
			continue
		}
		said[f.room] += 0
		if f.tree.Doc == nil {
			continue
		}
		said[f.room]++
		sentence, _, _ := strings.Cut(strings.ReplaceAll(f.tree.Doc.Text(), "\n", " "), ". ")
		begin := "Package " + f.tree.Name.Name + " "
		if f.tree.Name.Name == "main" {
			begin = "Command " + path.Base(f.room) + " "
		}
		if !strings.HasPrefix(sentence, begin) || strings.Contains(sentence, "and also") || !strings.Contains(f.tree.Doc.Text(), ".") {
			complaints = append(complaints, fmt.Sprintf("%s: expected one sentence that begins %q, received %q", f.path, begin, sentence))
		}
	}
	for _, room := range sorted(said) {
		if said[room] != 1 {
			complaints = append(complaints, fmt.Sprintf("%s has %d package docs", room, said[room]))
		}
	}
	return complaints
}

// size: functions and files stay small enough to be seen whole.
func size(files []*file) (complaints []string) {
	var lengths []int
	for _, f := range files {
		if n := strings.Count(f.text, "\n"); n > maxFile && long[f.path] == "" {
			complaints = append(complaints, fmt.Sprintf("%s has %d lines", f.path, n))
		}
		for _, d := range f.tree.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			n := f.line(function.End()) - f.line(function.Pos()) + 1
			if !f.test {
				lengths = append(lengths, n)
			}
			name := f.path + ":" + function.Name.Name
			if n > maxFunction && long[name] == "" && !isTable(f, function) {
				complaints = append(complaints, fmt.Sprintf("%s has %d lines", name, n))
			}
		}
	}
	sort.Ints(lengths)
	if len(lengths) > 0 {
		if p90 := lengths[len(lengths)*9/10]; p90 > mostly {
			complaints = append(complaints, fmt.Sprintf("one function of ten has more than %d lines", p90-1))
		}
	}
	return complaints
}

// isTable reports whether most of a test is one composite literal: its cases.
func isTable(f *file, function *ast.FuncDecl) bool {
	largest := 0
	ast.Inspect(function, func(n ast.Node) bool {
		if literal, ok := n.(*ast.CompositeLit); ok {
			largest = max(largest, f.line(literal.End())-f.line(literal.Pos())+1)
		}
		return true
	})
	return f.test && f.line(function.End())-f.line(function.Pos())+1-largest <= maxFunction/2
}

var forbidden = regexp.MustCompile(`^(util|utils|common|types|helpers?|misc|base|managers?)(_test)?(\.go)?$`)

// names: no drawer for everything.
func names(files []*file) (complaints []string) {
	for _, f := range files {
		for part := range strings.SplitSeq(f.path, "/") {
			if forbidden.MatchString(part) {
				complaints = append(complaints, fmt.Sprintf("%s: %q says nothing", f.path, part))
			}
		}
	}
	return complaints
}

// habits: what review would send back every time.
func habits(files []*file) (complaints []string) {
	promise := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, f := range files {
		complain := func(at token.Pos, text string) {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s", f.path, f.line(at), text))
		}
		for _, group := range f.tree.Comments {
			if promise.MatchString(group.Text()) {
				complain(group.Pos(), "a promise in place of work")
			}
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					complain(n.Pos(), "init hides what is done from who reads main")
				}
			case *ast.CallExpr:
				switch call := callee(n); {
				case call == "time.Sleep" && f.test:
					complain(n.Pos(), "a test that sleeps")
				case strings.HasSuffix(call, ".Skip") && len(n.Args) == 0:
					complain(n.Pos(), "a test that is skipped without saying how to run it")
				case call == "runtime.SetFinalizer":
					complain(n.Pos(), "a life without an owner")
				}
			}
			return true
		})
	}
	return complaints
}

func callee(call *ast.CallExpr) string {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if name, ok := selector.X.(*ast.Ident); ok {
			return name.Name + "." + selector.Sel.Name
		}
	}
	return ""
}

// Every law finds its breach: a law that cannot be broken is none.
func TestLawsFindTheirBreaches(t *testing.T) {
	body := strings.Repeat("\t_ = 0\n", 101)
	for _, tt := range []struct{ law, name, text, want string }{
		{"imports", "params/x.go", "package params\nimport _ \"" + module + "engine\"\n", "must not import engine"},
		{"imports", "attic/x.go", "package attic\n", "no row in the table"},
		{"walls", "proxy/serve.go", "package proxy\nimport _ \"github.com/valyala/fasthttp\"\n", "whose room is proxy/http.go"},
		{"walls", "proxy/http.go", "package proxy\nimport _ \"example.com/left-pad\"\n", "which has no room"},
		{"docs", "cache/x.go", "package cache\n", "has 0 package docs"},
		{"docs", "cache/x.go", "// Package memory caches.\npackage cache\n", "expected one sentence"},
		{"docs", "cache/x.go", "// Package cache caches and also counts.\npackage cache\n", "expected one sentence"},
		{"size", "cache/x.go", "package cache\nfunc f() {\n" + body + "}\n", "has 103 lines"},
		{"size", "cache/x.go", "package cache\n" + strings.Repeat("\n", 700), "has 701 lines"},
		{"names", "cache/helpers.go", "package cache\n", "says nothing"},
		{"names", "util/x.go", "package util\n", "says nothing"},
		{"habits", "cache/x.go", "package cache\n// TO" + "DO: later\n", "a promise"},
		{"habits", "cache/x.go", "package cache\nfunc init() {}\n", "init hides"},
		{"habits", "cache/x_test.go", "package cache\nfunc f() { time.Sleep(1) }\n", "sleeps"},
		{"habits", "cache/x_test.go", "package cache\nfunc f() { t.Skip() }\n", "skipped"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			files, err := load(fstest.MapFS{tt.name: {Data: []byte(tt.text)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(laws[tt.law](files), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("%s found %q", tt.law, got)
			}
		})
	}
}

// Every direct dependency is explained, and what is explained is one.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	rationale, err := os.ReadFile("../../RATIONALE.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.SplitSeq(string(mod), "\n") {
		name, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "require "), " v")
		if !ok || strings.Contains(line, "// indirect") || !strings.Contains(name, ".") {
			continue
		}
		direct++
		if !strings.Contains(string(rationale), "`"+name+"`") {
			t.Errorf("RATIONALE.md does not say why %s", name)
		}
	}
	if direct < 10 {
		t.Errorf("found only %d direct dependencies", direct)
	}
}
