package wasm

import (
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// signature is the type of a function, its numbers as the binary format has them.
type signature struct{ params, results string }

func sign(params, results []api.ValueType) signature {
	return signature{string(params), string(results)}
}

// spell writes a signature for people.
func (s signature) spell() string {
	word := func(types string) string {
		text := ""
		for i := range len(types) {
			if i > 0 {
				text += " "
			}
			text += api.ValueTypeName(types[i])
		}
		return text
	}
	return "(" + word(s.params) + ") -> (" + word(s.results) + ")"
}

// judge refuses a module that is no rule, with the remedy.
func judge(body []byte, system map[string]signature, memory int64) error {
	m, err := parse(body)
	if err != nil {
		return err
	}
	types, err := m.signatures()
	if err != nil {
		return err
	}
	if err := m.judgeImports(types, system); err != nil {
		return err
	}
	if err := m.judgeMemory(memory); err != nil {
		return err
	}
	return m.judgeExports(types)
}

// signatures reads the type section.
func (m *module) signatures() ([]signature, error) {
	n, r := m.vector(sectionType)
	var all []signature
	for range n {
		r.byte()
		s := signature{params: r.name(), results: r.name()}
		if r.err != nil {
			return nil, fmt.Errorf("types: %w", r.err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (m *module) judgeImports(types []signature, system map[string]signature) error {
	n, r := m.vector(sectionImport)
	for range n {
		from, name, kind := r.name(), r.name(), r.byte()
		if r.err == nil && kind != exportFunc {
			return fmt.Errorf("the import %s.%s is no function: a rule brings memory, tables and globals of its own", from, name)
		}
		t := r.u32()
		if r.err != nil || int(t) >= len(types) {
			return errors.New("imports: they end too early")
		}
		want, known := system[from+"."+name]
		switch {
		case known && want != types[t]:
			return fmt.Errorf("the import %s.%s has the type %s, expected %s", from, name, types[t].spell(), want.spell())
		case known:
		case from == "env" && name == "abort":
			return errors.New("it imports env.abort; build AssemblyScript with --use abort=")
		case from == "gojs" || from == "go":
			return errors.New("it is built for browsers; build it with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared")
		default:
			return fmt.Errorf("it imports %s.%s, which there is not: a rule may use http_handler, image_rule and WASI preview 1", from, name)
		}
	}
	return nil
}

func (m *module) judgeMemory(most int64) error {
	n, r := m.vector(sectionMemory)
	if n == 0 {
		return errors.New("it has no memory; expected one, exported as memory")
	}
	if n > 1 {
		return errOneMemory
	}
	if limits := r.byte(); limits > 1 {
		return errors.New("expected a memory of its own, neither shared nor of 64 bits")
	}
	if pages := int64(r.u32()); pages*pageSize > most {
		return fmt.Errorf("it begins with %d KiB of memory, and may have %d KiB; the setting memory raises that", pages*64, most>>10)
	}
	return r.err
}

func (m *module) judgeExports(types []signature) error {
	_, r := m.vector(sectionFunction)
	var functions []uint32
	for r.more() {
		functions = append(functions, r.u32())
	}
	imports, _ := m.vector(sectionImport)
	found := map[string]signature{}
	memory := false
	n, r := m.vector(sectionExport)
	for range n {
		name, kind, index := r.name(), r.byte(), int64(r.u32())-int64(imports)
		if r.err != nil {
			return fmt.Errorf("exports: %w", r.err)
		}
		switch {
		case kind == exportMem && name == "memory":
			memory = true
		case kind == exportFunc && index >= 0 && int(index) < len(functions) && int(functions[index]) < len(types):
			found[name] = types[functions[index]]
		}
	}
	if !memory {
		return errors.New("it does not export its memory; expected an export named memory")
	}
	for _, want := range []struct {
		name   string
		is     signature
		needed bool
	}{
		{"handle_request", sign(nil, []api.ValueType{api.ValueTypeI64}), true},
		{"handle_response", sign([]api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, nil), false},
		{"_initialize", signature{}, false},
		{"_start", signature{}, false},
	} {
		is, has := found[want.name]
		switch {
		case !has && want.needed:
			return fmt.Errorf("it does not export %s %s", want.name, want.is.spell())
		case has && is != want.is:
			return fmt.Errorf("its export %s has the type %s, expected %s", want.name, is.spell(), want.is.spell())
		}
	}
	return nil
}
