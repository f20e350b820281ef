package wasm

import (
	"bytes"
	"errors"
	"fmt"
)

// fuelName is the export by which the host reaches a module's fuel.
const fuelName = "fovea.fuel"

// Bounds of a module that can be metered.
const (
	maxModule  = 32 << 20 // bytes
	maxLocals  = 10_000   // of one function; they are cleared at every call
	maxResults = 1000     // of one function
	maxTable   = 1 << 16  // entries; all tables together may begin with as many, and get as many more
	maxTables  = 100
	// Compiling a function takes time and memory by the square of its branches: as many as
	// these, summed over functions, take half a minute. A large program in Go has 220 million.
	maxBranching = 1_000_000_000
)

// What a call costs besides its instructions, so that deep recursion ends before its
// stack is large: for each frame, for each of its locals, and for each result that does
// not fit into registers, for which there is room in the frames of caller and called.
const (
	costFrame  = 8
	costLocal  = 1
	costResult = 32
	registers  = 8 // at least
)

// meter returns the module b, rewritten so that its guest pays for its work from a
// counter of instructions, an exported global that begins with fuel: at every function
// entry, every turn of a loop, and before every operation on a stretch of memory.
// Below zero it traps.
//
// The rewritten code is split into segments, each paid for as a whole before it runs. A
// segment begins at the function's entry, at the head of every loop, in both branches of
// an if, and behind a block that something branches out to. Code is in the segment that
// was running when the block around it was opened, so that it cannot run more often than
// its segment is paid for: between two payments the only way back is through a loop's
// head, which is one.
//
// b must be valid: that is the caller's to find out. What would be valid only with what
// is added here, a name of the counter or of the functions that are added, is refused.
func meter(b []byte, fuel int64) ([]byte, error) {
	if len(b) > maxModule {
		return nil, fmt.Errorf("expected a module of at most %d MiB", maxModule>>20)
	}
	m, err := parse(b)
	if err != nil {
		return nil, err
	}
	w := &rewriter{module: m}
	if err := w.survey(); err != nil {
		return nil, err
	}
	if err := w.code(); err != nil {
		return nil, err
	}
	m.extend(sectionGlobal, 1, appendI64Const([]byte{typeI64, 1}, fuel, opEnd))
	export := append(appendU32(nil, uint32(len(fuelName))), fuelName...)
	m.extend(sectionExport, 1, appendU32(append(export, exportGlob), w.fuel))
	if w.used {
		m.extend(sectionType, 1, []byte{typeFunc, 1, typeI32, 1, typeI32})
		t := appendU32(nil, w.types)
		m.extend(sectionFunction, uint32(len(chargers)), bytes.Repeat(t, len(chargers)))
		m.extend(sectionCode, uint32(len(chargers)), w.chargers())
	}
	return m.bytes(), nil
}

func appendI64Const(b []byte, n int64, then ...byte) []byte {
	return append(appendSigned(append(b, opI64Const), n), then...)
}

// rewriter knows how many of each a module has.
type rewriter struct {
	*module
	types, imports, functions uint32   // functions with the imported ones
	fuel                      uint32   // index of the new global
	arity, results            []uint32 // of each type
	typeOf                    []uint32 // of each function of its own
	used                      bool     // something has to be charged by its operand
	branching                 uint64   // squares of the functions' branches, summed
}

// survey counts, and refuses what a rule has no use for.
func (w *rewriter) survey() error {
	n, r := w.vector(sectionType)
	for range n {
		if r.byte() != typeFunc {
			r.fail(errors.New("expected function types"))
		}
		params := r.u32()
		r.take(params)
		results := r.u32()
		r.take(results)
		w.arity, w.results = append(w.arity, params), append(w.results, results)
		if r.err != nil {
			return fmt.Errorf("types: %w", r.err)
		}
	}
	w.types = n
	n, r = w.vector(sectionImport)
	for range n {
		from, name, kind := r.name(), r.name(), r.byte()
		if r.err == nil && kind != exportFunc {
			return fmt.Errorf("the import %s.%s is no function: a rule brings memory, tables and globals of its own", from, name)
		}
		r.u32()
		if r.err != nil {
			return fmt.Errorf("imports: %w", r.err)
		}
	}
	w.imports = n
	n, r = w.vector(sectionFunction)
	for range n {
		t := r.u32()
		if r.err != nil || t >= w.types {
			return errors.New("functions: expected a type for each")
		}
		w.typeOf = append(w.typeOf, t)
	}
	w.functions = w.imports + n
	w.fuel, _ = w.vector(sectionGlobal)
	if n, _ := w.vector(sectionMemory); n > 1 {
		return errOneMemory
	}
	if err := w.tables(); err != nil {
		return err
	}
	return w.exports()
}

// tables gives every table an upper bound.
func (w *rewriter) tables() error {
	n, r := w.vector(sectionTable)
	if n == 0 {
		return nil
	}
	if n > maxTables {
		return fmt.Errorf("expected at most %d tables, received %d", maxTables, n)
	}
	b := appendU32(nil, n)
	total := uint64(0)
	for range n {
		kind, limits := r.byte(), r.byte()
		if r.err == nil && limits > 1 {
			return errors.New("tables: expected plain limits")
		}
		least, most := r.u32(), maxTable/n
		if limits == 1 {
			most = min(most, r.u32())
		}
		if r.err != nil {
			return fmt.Errorf("tables: %w", r.err)
		}
		if total += uint64(least); total > maxTable {
			return fmt.Errorf("expected tables of at most %d entries", maxTable)
		}
		b = appendU32(appendU32(append(b, kind, 1), least), max(least, most))
	}
	w.sections[sectionTable] = append(b, r.b[r.at:]...)
	return nil
}

func (w *rewriter) exports() error {
	n, r := w.vector(sectionExport)
	for range n {
		name, kind, index := r.name(), r.byte(), r.u32()
		switch {
		case r.err != nil:
			return fmt.Errorf("exports: %w", r.err)
		case name == fuelName:
			return fmt.Errorf("the export %s has the name of what meters it", name)
		case kind == exportFunc && index >= w.functions, kind == exportGlob && index >= w.fuel:
			return fmt.Errorf("the export %s names what the module does not have", name)
		}
	}
	if s := w.sections[sectionStart]; s != nil {
		if r := (&reader{b: s}); r.u32() >= w.functions || r.err != nil {
			return errors.New("the start function is not there")
		}
	}
	return nil
}

// code rewrites every function.
func (w *rewriter) code() error {
	n, r := w.vector(sectionCode)
	if n != w.functions-w.imports {
		return errors.New("expected as many bodies as functions")
	}
	out := appendU32(make([]byte, 0, len(r.b)+len(r.b)/2), n)
	f := &function{rewriter: w}
	for i := range n {
		body := r.take(r.u32())
		if r.err != nil {
			return fmt.Errorf("code: %w", r.err)
		}
		rewritten, err := f.rewrite(body, w.arity[w.typeOf[i]], w.results[w.typeOf[i]])
		if w.branching += f.branches * f.branches; err == nil && w.branching > maxBranching {
			err = errors.New("there are too many branches in it, and in the functions before it, to compile them")
		}
		if err != nil {
			return fmt.Errorf("function %d: %w", w.imports+i, err)
		}
		out = append(appendU32(out, uint32(len(rewritten))), rewritten...)
	}
	if n > 0 {
		w.sections[sectionCode] = out
	}
	return nil
}

// segment is a stretch of code that is paid for at once, at its beginning.
type segment struct {
	at     int   // where it begins, in the old body
	parent int   // the one that was running when the block around it was opened
	cost   int64 // instructions
	head   bool  // of a function or loop: here it is checked whether there is fuel
}

// frame is one open block.
type frame struct {
	loop     bool
	targeted bool // something branches to its end
	segment  int  // that was running when it was opened
}

// insertion is new code at a place of the old body.
type insertion struct {
	at      int
	charger uint32 // call this function; 0 = pay for segment
	segment int
}

// function is one body while it is rewritten. It is used for one after the other.
type function struct {
	*rewriter
	segments   []segment
	frames     []frame
	insertions []insertion
	labels     []uint32
	out        []byte
	current    int
	branches   uint64 // blocks, and what leads out of them
}

// cheap is what a segment may cost and still be paid for with the one around it:
// paying would cost more than it does.
const cheap = 3

func (f *function) rewrite(body []byte, params, results uint32) ([]byte, error) {
	r := &reader{b: body}
	locals := uint64(params)
	for range r.u32() {
		locals += uint64(r.u32())
		r.byte()
		if r.err != nil {
			return nil, r.err
		}
	}
	if locals > maxLocals {
		return nil, fmt.Errorf("expected at most %d locals, received %d", maxLocals, locals)
	}
	if results > maxResults {
		return nil, fmt.Errorf("expected at most %d results, received %d", maxResults, results)
	}
	f.segments = append(f.segments[:0], segment{at: r.at, cost: costFrame + costLocal*int64(locals) + costResult*max(0, int64(results)-registers), head: true, parent: -1})
	f.frames = append(f.frames[:0], frame{})
	f.insertions = append(f.insertions[:0], insertion{at: r.at})
	f.current, f.branches = 0, 0
	for len(f.frames) > 0 {
		at := r.at
		i := r.next(f.labels)
		if i.labels != nil {
			f.labels = i.labels
		}
		if r.err == nil {
			r.fail(f.step(i, at, r.at))
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	if r.more() {
		return nil, errors.New("there is code behind its end")
	}
	return f.emit(body), nil
}
