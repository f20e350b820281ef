package wasm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

// inside gives a test an instance in the middle of a request, and calls for it.
func inside(t *testing.T, responding bool, do func(ask func(module, name string, arguments ...uint64) (uint64, error), memory []byte)) {
	t.Helper()
	chain, rule := chainOf(t, Options{File: "testdata/next.wasm", Instances: 1, Config: "the configuration"})
	x := chain.Begin()
	defer chain.Release(x)
	x.Site = &params.Site{}
	x.Accepts = func([]byte) string { return "avif,webp" }
	x.Client = netip.MustParseAddrPort("192.0.2.7:80")
	x.Body = []byte("a body")
	x.Load([]byte("GET"), []byte(delivery+"cat/width=9"))
	x.LoadHeader([]byte("Host"), []byte("example.com"))
	if responding {
		x.LoadAnswer(200)
		x.LoadAnswerHeader([]byte("host"), []byte("example.com"))
	}
	in, err := rule.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.exchange, in.caller = x, t.Context()
	ask := func(module, name string, arguments ...uint64) (result uint64, err error) {
		defer func() {
			if v := recover(); v != nil {
				refused, ok := v.(*refusal)
				if !ok {
					panic(v)
				}
				err = refused
			}
		}()
		functions := handlerFunctions()
		if module == "image_rule" {
			functions = targetFunctions()
		}
		for _, f := range functions {
			if f.name == name {
				stack := append(make([]uint64, 0, 8), arguments...)
				stack = append(stack, 0)
				f.entry()(in.ctx, in.module, stack)
				return stack[0], nil
			}
		}
		t.Fatal(name, "is not there")
		return 0, nil
	}
	memory, _ := in.module.Memory().Read(0, pageSize)
	do(ask, memory)
	in.exchange, in.caller = nil, nil
	in.version.done(in, nil)
}

// garbage is what may be in the upper half of an i32's slot.
const garbage = 0xdeadbeef << 32

// Every function that fills a buffer: with room enough, with too little, with none, and
// with one that is not there; and with garbage in the upper halves.
func TestBuffers(t *testing.T) {
	const name, field = 1000, 2000 // where the tests put names
	for _, tt := range []struct {
		module, function string
		before           []uint64 // arguments before the buffer
		want             string
		many             bool // it counts strings, too
		either           bool // works on the way back as well
	}{
		{"http_handler", "get_config", nil, "the configuration", false, true},
		{"http_handler", "get_method", nil, "GET", false, true},
		{"http_handler", "get_uri", nil, delivery + "cat/width=9", false, true},
		{"http_handler", "get_protocol_version", nil, "HTTP/1.1", false, true},
		{"http_handler", "get_source_addr", nil, "192.0.2.7:80", false, true},
		{"http_handler", "get_header_names", []uint64{0}, "host\x00", true, true},
		{"http_handler", "get_header_values", []uint64{0, name, 4}, "example.com\x00", true, true},
		{"http_handler", "get_header_names", []uint64{2}, "", true, true},
		{"http_handler", "get_header_values", []uint64{3, name, 4}, "", true, true},
		{"image_rule", "get_target", []uint64{field, 5}, "cat", false, true},
		{"image_rule", "get_request", []uint64{field + 100, 9}, "192.0.2.7", false, true},
	} {
		inside(t, false, func(ask func(string, string, ...uint64) (uint64, error), memory []byte) {
			copy(memory[name:], "HOST")
			copy(memory[field:], "image")
			copy(memory[field+100:], "client_ip")
			count := uint64(0)
			if tt.many && tt.want != "" {
				count = 1 << 32
			}
			full := count | uint64(len(tt.want))
			call := func(at, limit uint64) (uint64, error) {
				arguments := append([]uint64{}, tt.before...)
				arguments = append(arguments, at, limit)
				for i := range arguments {
					arguments[i] |= garbage
				}
				return ask(tt.module, tt.function, arguments...)
			}
			label := fmt.Sprint(tt.function, tt.before)
			if got, err := call(100, 500); err != nil || got != full || string(memory[100:100+len(tt.want)]) != tt.want {
				t.Errorf("%s: %x, %v, %q; want %x, %q", label, got, err, memory[100:100+len(tt.want)], full, tt.want)
			}
			clear(memory[100:600])
			if got, err := call(100, uint64(max(len(tt.want)-1, 1))); err != nil || got != full || len(tt.want) > 1 && memory[100] != 0 {
				t.Errorf("%s with too little room: %x, %v, %q", label, got, err, memory[100:110])
			}
			if got, err := call(100, 0); err != nil || got != full {
				t.Errorf("%s with no room: %x, %v", label, got, err)
			}
			for _, outside := range [][2]uint64{{pageSize - 4, 500}, {pageSize, 1}, {0xffffffff, 2}, {100, 0xffffffff}} {
				if _, err := call(outside[0], outside[1]); err == nil || !strings.Contains(err.Error(), "outside of the memory") {
					t.Errorf("%s at %x: %v", label, outside, err)
				}
			}
		})
	}
}

// Every function that reads from the guest: with a pointer that is not there.
func TestPointersOutside(t *testing.T) {
	for function, arguments := range map[string][]uint64{
		"log": {0, pageSize, 1}, "set_method": {pageSize, 1}, "set_uri": {pageSize - 1, 2}, "get_header_values": {0, pageSize, 4, 0, 10},
		"set_header_value": {0, 0, 4, pageSize, 1}, "add_header_value": {0, pageSize, 1, 0, 1}, "remove_header": {0, pageSize, 1},
		"read_body": {0, pageSize, 10}, "write_body": {1, pageSize, 10},
		"image_rule get_target": {pageSize, 1, 0, 1}, "image_rule set_target": {0, 1, pageSize, 1}, "image_rule get_request": {pageSize, 1, 0, 1},
		"image_rule vary": {pageSize, 1}, "image_rule tag": {pageSize, 1}, "image_rule random": {pageSize - 1, 2},
	} {
		module, name, ok := strings.Cut(function, " ")
		if !ok {
			module, name = "http_handler", function
		}
		inside(t, false, func(ask func(string, string, ...uint64) (uint64, error), memory []byte) {
			copy(memory, "host")
			if _, err := ask(module, name, arguments...); err == nil || !strings.Contains(err.Error(), name+": the pointer") {
				t.Errorf("%s: %v", function, err)
			}
		})
	}
}

// What traps besides: kinds, levels, names, and calls at the wrong time.
func TestWhatTraps(t *testing.T) {
	for _, tt := range []struct {
		module, function string
		back             bool
		arguments        []uint64
		says             string // "" = it does not
		want             uint64
	}{
		{"http_handler", "enable_features", false, []uint64{garbage | 7}, "", 1},
		{"http_handler", "enable_features", false, []uint64{6}, "", 0},
		{"http_handler", "log_enabled", false, []uint64{3}, "", 0},
		{"http_handler", "log_enabled", false, []uint64{0xffffffff}, "", 0},
		{"http_handler", "log_enabled", false, []uint64{4}, "expected a level from -1 to 3, received 4", 0},
		{"http_handler", "log", false, []uint64{0xfffffffe, 0, 1}, "received -2", 0},
		{"http_handler", "get_header_names", false, []uint64{4, 0, 1}, "expected a kind of headers from 0 to 3, received 4", 0},
		{"http_handler", "get_header_values", false, []uint64{0, 10, 0, 0, 1}, "expected a header name", 0},
		{"http_handler", "set_header_value", false, []uint64{2, 0, 4, 0, 1}, "trailers cannot be written", 0},
		{"http_handler", "add_header_value", false, []uint64{3, 0, 4, 0, 1}, "trailers cannot be written", 0},
		{"http_handler", "remove_header", false, []uint64{9, 0, 4}, "expected a kind", 0},
		{"http_handler", "read_body", false, []uint64{0, 0, 0}, "expected room", 0},
		{"http_handler", "read_body", false, []uint64{1, 0, 10}, "expected kind 0", 0},
		{"http_handler", "read_body", false, []uint64{0, 100, 4}, "", 4},
		{"http_handler", "read_body", false, []uint64{0, 100, 10}, "", 1<<32 | 6},
		{"http_handler", "write_body", false, []uint64{0, 0, 1}, "expected kind 1", 0},
		{"http_handler", "write_body", true, []uint64{1, 0, 1}, "once it is answered", 0},
		{"http_handler", "get_status_code", false, nil, "there is no answer yet", 0},
		{"http_handler", "get_status_code", true, nil, "", 200},
		{"http_handler", "set_status_code", true, []uint64{200}, "once it is answered", 0},
		{"http_handler", "set_uri", true, []uint64{0, 4}, "once it is answered", 0},
		{"image_rule", "random", false, []uint64{0, 257}, "expected at most 256 bytes", 0},
		{"image_rule", "get_target", false, []uint64{0, 4, 0, 10}, "", 0xffffffff},
		{"image_rule", "get_request", false, []uint64{0, 4, 0, 10}, "", 0xffffffff},
		{"image_rule", "vary", false, []uint64{10, 0}, "expected a header name", 0},
	} {
		inside(t, tt.back, func(ask func(string, string, ...uint64) (uint64, error), memory []byte) {
			copy(memory, "host")
			got, err := ask(tt.module, tt.function, tt.arguments...)
			var refused *refusal
			switch {
			case tt.says == "" && (err != nil || got != tt.want):
				t.Errorf("%s%v: %x, %v; want %x", tt.function, tt.arguments, got, err, tt.want)
			case tt.says != "" && (!errors.As(err, &refused) || refused.reason != plugins.Refused || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("%s%v: %v; want %q", tt.function, tt.arguments, err, tt.says)
			}
		})
	}
}

// A language's runtime finds what it needs, and no way out.
func TestWASI(t *testing.T) {
	chain, _ := chainOf(t, Options{File: "testdata/system.wasm"})
	f := send(t, chain, func(x *plugins.Exchange) {
		_, body := x.Own()
		if want := "\x00\x00\x00\x3f\x3f\x00\x00"; string(body) != want {
			t.Errorf("%q; want %q", body, want)
		}
	})
	if f != nil {
		t.Fatal(f)
	}
}

// Guests that were written for another host, as they were published.
func TestForeignGuests(t *testing.T) {
	chain, _ := chainOf(t, Options{File: "testdata/foreign/router.wasm"})
	for uri, want := range map[string]string{"/host/a?b=c": "GET /a?b=c", "/x": `GET /x answered 200 "hello" =content-type:text/plain`} {
		x := chain.Begin()
		x.Load([]byte("GET"), []byte(uri))
		if err := chain.Request(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if got := effect(x); got != want {
			t.Errorf("%s; want %s", got, want)
		}
		chain.Release(x)
	}
	t.Run("one that wants the body of the answer is told that it is not to be had", func(t *testing.T) {
		chain, _ := chainOf(t, Options{File: "testdata/foreign/handle_response.wasm"})
		x := chain.Begin()
		defer chain.Release(x)
		x.Load([]byte("GET"), []byte("/"))
		if err := chain.Request(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		x.LoadAnswer(200)
		chain.Response(t.Context(), x, false)
		if s := chain.Stats()[0]; s.ResponseErrors != 1 || s.Responses != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Each name is told once, in order, however many there are.
func TestNamesAreDistinct(t *testing.T) {
	for _, n := range []int{1, few / 2, few, 3000} {
		var fields []plugins.Field
		var want, got []string
		for i := range n {
			name := fmt.Sprintf("x-%d", i)
			want = append(want, name)
			fields = append(fields, plugins.Field{Name: []byte(name)}, plugins.Field{Name: []byte("x-0")})
		}
		distinct(fields, func(name []byte) { got = append(got, string(name)) })
		if !slices.Equal(got, want) {
			t.Errorf("%d names of %d: %.100q", len(got), n, got)
		}
	}
}
