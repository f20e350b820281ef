package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// compiles reports what wazero says of a module.
func compiles(t testing.TB, body []byte) error {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1024).WithDebugInfoEnabled(false))
	_, err := r.CompileModule(ctx, body)
	return errors.Join(err, r.Close(ctx))
}

// What is valid stays so when it is metered, and what is not is not made so.
func FuzzMeter(f *testing.F) {
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, "testdata/foreign/router.wasm") {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		metered, err := meter(body, 1000) // whatever comes, it returns
		if err != nil || compiles(t, body) != nil {
			return
		}
		if err := compiles(t, metered); err != nil {
			t.Errorf("metered, it is not valid: %v", err)
		}
	})
}

// Every module of the table, and of strangers, is valid after it was metered.
func TestMeteredModulesAreValid(t *testing.T) {
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, name := range append(files, "testdata/foreign/router.wasm", "testdata/foreign/handle_response.wasm") {
		body := read(t, name)
		if compiles(t, body) != nil {
			continue // huge.wasm
		}
		metered, err := meter(body, 1000)
		if err == nil {
			err = compiles(t, metered)
		}
		if err != nil && !strings.Contains(name, "imported-memory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A module that names what only the metered one has is refused, by the meter as by the
// validator before it.
func TestNobodyNamesTheMeter(t *testing.T) {
	body := func(code ...byte) []byte {
		m := &module{}
		m.sections[sectionType] = []byte{1, typeFunc, 0, 1, typeI64}
		m.sections[sectionFunction] = []byte{1, 0}
		m.sections[sectionMemory] = []byte{1, 0, 1}
		m.sections[sectionCode] = append([]byte{1, byte(len(code) + 1), 0}, code...)
		return m.bytes()
	}
	for name, b := range map[string][]byte{
		"read":              body(opGlobalGet, 0, opEnd),
		"written":           body(opI64Const, 0, opGlobalSet, 0, opI64Const, 1, opEnd),
		"the charger":       body(opI32Const, 0, opCall, 1, 0x1a, opI64Const, 1, opEnd),
		"a type":            body(opI32Const, 0, opI32Const, 0, opCallIndirect, 1, 0, 0x1a, opI64Const, 1, opEnd),
		"a reference":       body(opRefFunc, 1, 0x1a, opI64Const, 1, opEnd),
		"tail calls":        body(0x12, 0, opEnd),
		"atomics":           body(0xfe, 0, opEnd),
		"a second memory":   body(opI32Const, 0, 0x28, 0x42, 1, 0, opEnd),
		"a branch too far":  body(opBr, 9, opEnd),
		"no end":            body(opI64Const, 1),
		"code after an end": body(opI64Const, 1, opEnd, opEnd),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := meter(b, 1); err == nil {
				t.Error("it was metered")
			}
			if compiles(t, b) == nil {
				t.Error("it is valid")
			}
		})
	}
	m, err := parse(body(opI64Const, 1, opEnd))
	if err != nil {
		t.Fatal(err)
	}
	m.sections[sectionExport] = append(append([]byte{1, byte(len(fuelName))}, fuelName...), exportFunc, 0)
	if _, err := meter(m.bytes(), 1); err == nil || !strings.Contains(err.Error(), fuelName) {
		t.Errorf("an export took the name: %v", err)
	}
}

// burnt runs an export of a metered module, and returns the fuel it took, its result and
// whether it trapped.
func burnt(t *testing.T, body []byte, export string, arguments ...uint64) (int64, uint64, error) {
	t.Helper()
	ctx := t.Context()
	const fuel = 1 << 40
	metered, err := meter(body, fuel)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1024))
	defer func() {
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	m, err := r.Instantiate(ctx, metered)
	if err != nil {
		t.Fatal(err)
	}
	results, err := m.ExportedFunction(export).Call(ctx, arguments...)
	result := uint64(0)
	if len(results) > 0 {
		result = results[0]
	}
	return fuel - int64(m.ExportedGlobal(fuelName).(api.MutableGlobal).Get()), result, err
}

// What a program does is what it did before, and what it pays is at least what it does:
// more turns cost more, and a large operation more than a small one.
func TestWhatIsPaid(t *testing.T) {
	body := read(t, "testdata/paid.wasm")
	for _, tt := range []struct {
		export      string
		n           uint64
		want        uint64
		least, most int64
	}{
		{"sum", 0, 0, 1, 40},
		{"sum", 1000, 500500, 8000, 13000},
		{"fibonacci", 15, 610, 1973 * 10, 1973 * 40},
		{"switch", 0, 10, 1, 40},
		{"switch", 7, 30, 1, 40},
		{"sometimes", 0, 0, 1, 25},
		{"sometimes", 1, 1, 100, 150},
		{"filled", 1 << 20, 7, 1 << 18, 1<<18 + 100},
		{"copied", 1 << 20, 0, 1 << 18, 1<<18 + 100},
		{"grown", 0, 40, costHost, costHost + 100}, // even so it leaves compiled code
		{"grown", 4, 40, 4 * 1024, 4*1024 + 200},
		{"grown", 1 << 31, 0xffffffff, 1024, 1<<26 + 200},
		{"tabled", 1000, 1, 2000 + costHost, 2200},
	} {
		paid, got, err := burnt(t, body, tt.export, tt.n)
		if err != nil || got != tt.want {
			t.Errorf("%s(%d) = %d, %v; want %d", tt.export, tt.n, got, err, tt.want)
		}
		if paid < tt.least || paid > tt.most {
			t.Errorf("%s(%d) paid %d; want %d to %d", tt.export, tt.n, paid, tt.least, tt.most)
		}
	}
	again, _, _ := burnt(t, body, "fibonacci", 15)
	if first, _, _ := burnt(t, body, "fibonacci", 15); again != first {
		t.Errorf("the same work cost %d and %d", first, again)
	}
}

// A function of ten thousand locals or a thousand results is the largest; tables are
// bounded, alone and together.
func TestBoundsOfModules(t *testing.T) {
	m := &module{}
	m.sections[sectionType] = []byte{1, typeFunc, 0, 0}
	m.sections[sectionFunction] = []byte{1, 0}
	locals := binary.AppendUvarint([]byte{1}, maxLocals+1)
	body := append(append(locals, typeI64), opEnd)
	m.sections[sectionCode] = append([]byte{1, byte(len(body))}, body...)
	if _, err := meter(m.bytes(), 1); err == nil || !strings.Contains(err.Error(), "10000 locals") {
		t.Error(err)
	}
	m = &module{}
	m.sections[sectionTable] = binary.AppendUvarint([]byte{1, 0x70, 0}, maxTable+1)
	if _, err := meter(m.bytes(), 1); err == nil || !strings.Contains(err.Error(), "65536 entries") {
		t.Error(err)
	}
	m = &module{}
	m.sections[sectionTable] = append([]byte{maxTables}, bytes.Repeat([]byte{0x70, 0, 0}, maxTables)...)
	if _, err := meter(m.bytes(), 1); err != nil {
		t.Fatal(err)
	}
	w := &rewriter{module: m}
	if err := w.tables(); err != nil {
		t.Fatal(err)
	}
	n, r := m.vector(sectionTable)
	total := uint32(0)
	for range n {
		_, _, _, most := r.byte(), r.byte(), r.u32(), r.u32()
		total += most
	}
	if total == 0 || total > maxTable {
		t.Errorf("a hundred tables may have %d entries together", total)
	}
	m = &module{}
	m.sections[sectionTable] = append([]byte{maxTables + 1}, bytes.Repeat([]byte{0x70, 0, 0}, maxTables+1)...)
	if _, err := meter(m.bytes(), 1); err == nil || !strings.Contains(err.Error(), "at most 100 tables") {
		t.Error(err)
	}
	m = &module{}
	results := binary.AppendUvarint([]byte{1, typeFunc, 0}, maxResults+1)
	m.sections[sectionType] = append(results, bytes.Repeat([]byte{typeI64}, maxResults+1)...)
	m.sections[sectionFunction] = []byte{1, 0}
	m.sections[sectionCode] = []byte{1, 3, 0, opUnreachable, opEnd}
	if _, err := meter(m.bytes(), 1); err == nil || !strings.Contains(err.Error(), "at most 1000 results") {
		t.Error(err)
	}
	if _, err := meter(make([]byte, maxModule+1), 1); err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Error(err)
	}
}
