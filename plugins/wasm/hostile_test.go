package wasm

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/plugins"
)

// send takes one request through chain and returns its failure, if any.
func send(t testing.TB, chain *plugins.Chain, look func(*plugins.Exchange)) *plugins.Failure {
	t.Helper()
	x := chain.Begin()
	defer chain.Release(x)
	x.Load([]byte("GET"), []byte("/p/shoe"))
	x.LoadHeader([]byte("host"), []byte("example.com"))
	err := chain.Request(t.Context(), x)
	if look != nil {
		look(x)
	}
	var f *plugins.Failure
	if err != nil && !errors.As(err, &f) {
		t.Fatal(err)
	}
	return f
}

// A guest that means harm fails, with the reason; the next request is served, the
// collector runs, and the guest next to it knows of nothing.
func TestHostileGuests(t *testing.T) {
	good, _ := chainOf(t, Options{File: "testdata/next.wasm", Patience: time.Minute})
	for _, tt := range []struct {
		file   string
		reason plugins.Reason // "" = no failure
		says   string
	}{
		{"fill.wasm", plugins.Budget, "used up its budget"},
		{"copy.wasm", plugins.Budget, "used up its budget"},
		{"stack.wasm", plugins.Budget, "used up its budget"},
		{"straight.wasm", plugins.Budget, "used up its budget"},
		{"exits.wasm", plugins.Budget, "used up its budget"},
		{"results.wasm", plugins.Budget, "used up its budget"},
		{"random.wasm", plugins.Budget, "used up its budget"},
		{"poll.wasm", plugins.Budget, "used up its budget"},
		{"vectors.wasm", plugins.Budget, "used up its budget"},
		{"start-section.wasm", "", ""}, // it means no harm
		{"grow.wasm", "", ""},          // it gets what it may have, and is replaced
		{"flood.wasm", plugins.Refused, "write_body: expected a body of at most 1048576 bytes"},
		{"chatter.wasm", plugins.Budget, "used up its budget"},
		{"vary.wasm", plugins.Refused, "vary: expected a rule to write at most 262144 bytes"},
		{"names.wasm", plugins.Budget, "used up its budget"},
		{"fields.wasm", plugins.Budget, "used up its budget"},
		{"exit.wasm", plugins.Trap, "exited with status 0"},
		{"leak.wasm", "", ""},
		{"garbage.wasm", "", ""},
		{"script.wasm L", plugins.Budget, "used up its budget"},
		{"script.wasm X", plugins.Budget, "used up its budget"},
		{"script.wasm !", plugins.Trap, "unreachable"},
		{"script.wasm o", plugins.Refused, "set_uri: the pointer 4294967288 and the length 16 are outside of the memory"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			name, config, _ := strings.Cut(tt.file, " ")
			if config != "" {
				config = steps(config)
			}
			chain, rule := chainOf(t, Options{File: filepath.Join("testdata", name), Config: config, Instances: 2, Patience: time.Minute})
			for range 5 {
				f := send(t, chain, nil)
				switch {
				case tt.reason == "" && f != nil:
					t.Fatal(f)
				case tt.reason != "" && (f == nil || f.Reason != tt.reason || !strings.Contains(f.Error(), tt.says)):
					t.Fatalf("%v; want %s: %s", f, tt.reason, tt.says)
				}
				runtime.GC() // a guest that runs on would stop the process here
				if f := send(t, good, nil); f != nil {
					t.Fatal(f)
				}
			}
			load := rule.Load()
			if bound := int64(2 * defaultMemory); load.Memory > bound {
				t.Errorf("%d bytes are held", load.Memory)
			}
			if tt.reason != "" && load.Discarded < 5 {
				t.Errorf("only %d instances were thrown away", load.Discarded)
			}
		})
	}
}

// steps spells a configuration of script.wasm: each of all is a byte, and after it two
// strings with a NUL between.
func steps(all ...string) string {
	var b bytes.Buffer
	for _, step := range all {
		one, two, _ := strings.Cut(step[1:], "\x00")
		b.WriteByte(step[0])
		for _, text := range []string{one, two} {
			b.WriteByte(byte(len(text)))
			b.WriteByte(byte(len(text) >> 8))
			b.WriteString(text)
		}
	}
	return b.String()
}

// What is no rule is refused when it is loaded, with the remedy.
func TestRefusedModules(t *testing.T) {
	for _, tt := range []struct{ file, says string }{
		{"huge.wasm", "it begins with 2097152 KiB of memory, and may have 65536 KiB; the setting memory raises that"},
		{"unknown-import.wasm", "it imports http_handler.fetch, which there is not"},
		{"wrong-import.wasm", "http_handler.get_uri has the type (i64 i32) -> (i32), expected (i32 i32) -> (i32)"},
		{"imported-memory.wasm", "a rule brings memory, tables and globals of its own"},
		{"no-handler.wasm", "it does not export handle_request () -> (i64)"},
		{"wrong-handler.wasm", "its export handle_request has the type (i32) -> (i64), expected () -> (i64)"},
		{"no-memory.wasm", "it does not export its memory"},
		{"command.wasm", "this is a command"},
		{"start-trap.wasm", "start: wasm error: unreachable"},
		{"start-loop.wasm", "start: "},
		{"start-asks.wasm", "get_uri: there is no request while the module starts"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			refused(t, filepath.Join("testdata", tt.file), tt.says)
		})
	}
	for name, tt := range map[string]struct{ body, says string }{
		"text":             {"hello", "expected a WebAssembly module, received something else"},
		"nothing":          {"", "expected a WebAssembly module, received something else"},
		"a component":      {"\x00asm\x0d\x00\x01\x00", "not a component"},
		"a broken section": {magic + "\x01\xff\xff\xff\xff\xff", "too long"},
		"half a module":    {string(read(t, "testdata/products.wasm")[:300]), "ends too early"},
		"an invalid body":  {strings.Replace(string(read(t, "testdata/next.wasm")), "\x42\x01\x0b", "\x41\x01\x0b", 1), "it is not valid"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, file(t, []byte(tt.body)), tt.says) })
	}
	// A few kilobytes whose compilation would take minutes, and half a gigabyte.
	for name, body := range map[string]string{
		"loops in loops":    strings.Repeat("\x03\x40", 40_000) + strings.Repeat("\x0b", 40_000),
		"one after another": strings.Repeat("\x41\x01\x04\x40\x0b", 40_000),
		"a table of labels": "\x02\x40\x41\x00\x0e" + string(appendU32(nil, 40_000)) + strings.Repeat("\x00", 40_001) + "\x0b",
	} {
		t.Run(name, func(t *testing.T) {
			m, err := parse(read(t, "testdata/next.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			code := "\x00" + body + "\x42\x01\x0b"
			m.sections[sectionCode] = append(appendU32([]byte{1}, uint32(len(code))), code...)
			refused(t, file(t, m.bytes()), "too many branches")
		})
	}
	t.Run("a file that is not there", func(t *testing.T) { refused(t, "testdata/none.wasm", "no such file") })
	t.Run("a folder", func(t *testing.T) { refused(t, "testdata", "expected a file, received the folder") })
}

func refused(t *testing.T, name, says string) {
	t.Helper()
	rule, err := New(t.Context(), Options{File: name, Journal: plugins.NewJournal("test", slog.New(slog.DiscardHandler), time.Now)})
	if err == nil {
		t.Errorf("it was loaded: %v", rule.Close())
		return
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%v; want %q", err, says)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestOptionsAreChecked(t *testing.T) {
	for says, o := range map[string]Options{
		"module: expected a file":   {},
		"budget: expected":          {File: "x", Budget: -1},
		"memory: expected up to":    {File: "x", Memory: 4 << 30},
		"memory: expected at least": {File: "x", Memory: 100},
		"instances: expected up to": {File: "x", Instances: 5000},
	} {
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}

// A guest that keeps memory from one request to the next is replaced before it has much.
func TestLeakingInstancesAreReplaced(t *testing.T) {
	chain, rule := chainOf(t, Options{File: "testdata/leak.wasm", Instances: 1, Memory: 8 << 20, Patience: time.Minute})
	for range 20 {
		if f := send(t, chain, nil); f != nil {
			t.Fatal(f)
		}
		if held := rule.Load().Memory; held > 3<<20 {
			t.Fatalf("%d bytes are held", held)
		}
	}
	if n := rule.Load().Discarded; n < 5 {
		t.Errorf("only %d were replaced", n)
	}
}

func TestInstancesAreReplacedAfterTheirRequests(t *testing.T) {
	chain, rule := chainOf(t, Options{File: "testdata/next.wasm", Instances: 1, Requests: 10, Patience: time.Minute})
	for range 35 {
		if f := send(t, chain, nil); f != nil {
			t.Fatal(f)
		}
	}
	if n := rule.Load().Discarded; n != 3 {
		t.Errorf("%d were replaced", n)
	}
}

// Who waits for an instance waits no longer than the rule's patience.
func TestWaitsAreBounded(t *testing.T) {
	_, rule := chainOf(t, Options{File: "testdata/next.wasm", Instances: 1, Patience: 10 * time.Millisecond})
	in, err := rule.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var f *plugins.Failure
	if _, err := rule.take(t.Context()); !errors.As(err, &f) || f.Reason != plugins.Timeout {
		t.Errorf("%v", err)
	}
	in.version.done(in, nil)
	if in, err = rule.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.version.done(in, nil)
}

// Who waits for one instance gets it when it is free, not when his patience ends.
func TestNobodyWaitsForAFreeInstance(t *testing.T) {
	_, rule := chainOf(t, Options{File: "testdata/next.wasm", Instances: 1, Patience: time.Minute})
	in, err := rule.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		got := make(chan error)
		go func() { got <- in.version.retake(t.Context(), in) }()
		for in.waiting.Load() == 0 {
			runtime.Gosched()
		}
		in.version.done(in, nil)
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	}
	in.version.done(in, nil)
}

// An answer is seen by the instance that saw the request, or by none.
func TestTheWayBackIsToTheSameInstance(t *testing.T) {
	journal := plugins.NewJournal("test", slog.New(slog.DiscardHandler), time.Now)
	rule, err := New(t.Context(), Options{File: "testdata/script.wasm", Config: steps("|", "x"), Instances: 2, Patience: time.Minute, Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := plugins.New(plugins.Options{Links: []plugins.Link{{Name: "a", Match: []string{"/**"}, Rule: rule, Journal: journal}}})
	if err != nil {
		t.Fatal(err)
	}
	back := func() string {
		x := chain.Begin()
		defer chain.Release(x)
		x.Load([]byte("GET"), []byte("/p"))
		if err := chain.Request(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if !x.Wanted() {
			t.Fatal("nobody wants the answer")
		}
		x.LoadAnswer(404)
		chain.Response(t.Context(), x, true)
		return string(x.Value(plugins.AnswerHeader, "x-status"))
	}
	if got := back(); got != "4" {
		t.Errorf("%q", got)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if got := back(); got != "4" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	group.Wait()
	x := chain.Begin()
	x.Load([]byte("GET"), []byte("/p"))
	if err := chain.Request(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if err := chain.Close(); err != nil {
		t.Fatal(err)
	}
	x.LoadAnswer(200)
	before := chain.Stats()[0].ResponsesSkipped
	chain.Response(t.Context(), x, false)
	if s := chain.Stats()[0]; s.ResponsesSkipped != before+1 || s.ResponseErrors != 0 || x.Value(plugins.AnswerHeader, "x-status") != nil {
		t.Errorf("%+v", s)
	}
	chain.Release(x)
	if f := send(t, chain, nil); f == nil || f.Reason != plugins.Start {
		t.Errorf("a closed rule was called: %v", f)
	}
}

// Who asks what a rule does is told of its first lines, however many it writes.
func TestATraceOfARuleHasAnEnd(t *testing.T) {
	chain, _ := chainOf(t, Options{File: "testdata/chatter.wasm"})
	x := chain.Begin()
	defer chain.Release(x)
	x.Trace()
	x.Load([]byte("GET"), []byte("/p/shoe"))
	if err := chain.Request(t.Context(), x); err == nil {
		t.Error("no failure")
	}
	if log := x.Steps()[0].Log; len(log) != 101 || log[0] != "WARN again\n" || log[100] != "and more" {
		t.Errorf("%d lines: %.200q", len(log), log)
	}
}
