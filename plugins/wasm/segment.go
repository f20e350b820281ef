package wasm

import "errors"

// open begins a segment at the place at.
func (f *function) open(at int, parent int, head bool) {
	f.segments = append(f.segments, segment{at: at, parent: parent, head: head})
	f.current = len(f.segments) - 1
	f.insertions = append(f.insertions, insertion{at: at, segment: f.current})
}

// step takes account of one instruction, which stands from at to end in the old body.
func (f *function) step(i instruction, at, end int) error {
	if err := f.within(i); err != nil {
		return err
	}
	if i.bulk != bulkNone {
		f.used = true
		f.insertions = append(f.insertions, insertion{at: at, charger: f.functions + uint32(i.bulk) - 1})
	}
	if i.op == opCall && i.index < f.imports {
		i.cost = costHost
	}
	f.segments[f.current].cost += i.cost
	top := len(f.frames) - 1
	switch i.op {
	case opBlock:
		f.branches++
		f.frames = append(f.frames, frame{segment: f.current})
	case opLoop, opIf:
		f.branches++
		f.frames = append(f.frames, frame{segment: f.current, loop: i.op == opLoop})
		f.open(end, f.current, i.op == opLoop)
	case opElse:
		f.open(end, f.frames[top].segment, false)
	case opEnd:
		closed := f.frames[top]
		f.frames = f.frames[:top]
		f.current = closed.segment
		if closed.targeted && !closed.loop && top > 0 {
			f.open(end, closed.segment, false)
		}
	case opBr, opBrIf, opBrTable:
		f.branches += uint64(max(len(i.labels), 1))
		for _, label := range append(i.labels, i.index) {
			if int64(label) > int64(top) {
				return errors.New("a branch goes nowhere")
			}
			f.frames[top-int(label)].targeted = true
		}
	}
	return nil
}

// within refuses what names more than the module has.
func (f *function) within(i instruction) error {
	switch i.op {
	case opGlobalGet, opGlobalSet:
		if i.index >= f.fuel {
			return errors.New("it names a global that the module does not have")
		}
	case opCall, opRefFunc:
		if i.index >= f.functions {
			return errors.New("it names a function that the module does not have")
		}
	case opCallIndirect:
		if i.index >= f.types {
			return errors.New("it names a type that the module does not have")
		}
	}
	return nil
}

// emit writes the body with what is paid.
func (f *function) emit(body []byte) []byte {
	for i := len(f.segments) - 1; i > 0; i-- { // a parent comes before its children
		if s := &f.segments[i]; !s.head && s.cost <= cheap {
			f.segments[s.parent].cost += s.cost
			s.cost = 0
		}
	}
	f.out = f.out[:0]
	from := 0
	for _, i := range f.insertions {
		f.out = append(f.out, body[from:i.at]...)
		from = i.at
		if i.charger != 0 {
			f.out = appendU32(append(f.out, opCall), i.charger)
			continue
		}
		f.pay(&f.segments[i.segment])
	}
	return append(f.out, body[from:]...)
}

// pay takes what s costs from the fuel and, at the head of a function or a loop, ends
// the guest when there is none left.
func (f *function) pay(s *segment) {
	if s.cost == 0 {
		return
	}
	f.out = appendU32(append(f.out, opGlobalGet), f.fuel)
	f.out = appendI64Const(f.out, s.cost, opI64Sub, opGlobalSet)
	f.out = appendU32(f.out, f.fuel)
	if s.head || s.cost > 1000 {
		f.out = f.appendCheck(f.out)
	}
}

func (w *rewriter) appendCheck(b []byte) []byte {
	b = appendU32(append(b, opGlobalGet), w.fuel)
	return appendI64Const(b, 0, opI64LtS, opIf, typeVoid, opUnreachable, opEnd)
}

// chargers are the functions that are added for operations whose work depends on an
// operand: they are called with it, pay, and return it. Each costs its operand shifted
// to the right and times something; more than most counts as most, because such an
// operation fails without doing its work.
var chargers = [...]struct {
	shift int64
	times int64
	most  int64
}{
	bulkBytes - 1: {2, 1, 1 << 30},
	bulkPages - 1: {0, 1024, 1 << 16},
	bulkItems - 1: {0, 2, maxTable},
}

// chargers returns their bodies.
func (w *rewriter) chargers() []byte {
	var all []byte
	for _, c := range chargers {
		b := []byte{0} // no locals
		b = appendU32(append(b, opGlobalGet), w.fuel)
		// min(operand >> shift, most), by select
		shifted := func() { b = append(appendSigned(append(b, opLocalGet, 0, opI32Const), c.shift), opI32ShrU) }
		b = appendSigned(append(b, opI32Const), c.most)
		shifted()
		shifted()
		b = append(appendSigned(append(b, opI32Const), c.most), opI32GtU, 0x1b)
		b = append(b, opI64ExtendU)
		b = appendI64Const(b, c.times, opI64Mul, opI64Sub, opGlobalSet)
		b = appendU32(b, w.fuel)
		b = append(w.appendCheck(b), opLocalGet, 0, opEnd)
		all = append(appendU32(all, uint32(len(b))), b...)
	}
	return all
}
