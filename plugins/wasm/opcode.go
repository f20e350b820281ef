package wasm

import "fmt"

// Instructions that are looked at; all others are only stepped over.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opSelect       = 0x1b
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI64LtS       = 0x53
	opI32GtU       = 0x4b
	opI64Sub       = 0x7d
	opI64Mul       = 0x7e
	opI32ShrU      = 0x76
	opI64ExtendU   = 0xad
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVector       = 0xfd
)

// instruction is one, read.
type instruction struct {
	op     byte
	sub    uint32   // after opMisc and opVector
	index  uint32   // of what it names first: function, global, label
	labels []uint32 // of br_table, the default last
	cost   int64    // what it is paid for
	bulk   bulk     // what its operand says that it takes besides
}

// bulk says how an instruction's work depends on the number on top of the stack.
type bulk uint8

const (
	bulkNone  bulk = iota
	bulkBytes      // bytes of memory
	bulkPages      // pages of memory
	bulkItems      // entries of a table
)

// What some instructions cost; the others cost 1.
const (
	costSlow     = 8  // divisions and square roots
	costIndirect = 8  // a call that has to look up whom, and check
	costHost     = 64 // a call to us, or to wazero, which some operations are
)

// next reads one instruction. Instructions of proposals that are not in WebAssembly 2.0
// are errors.
func (r *reader) next(labels []uint32) instruction {
	i := instruction{op: r.byte(), cost: 1}
	switch op := i.op; {
	case op == opBlock || op == opLoop || op == opIf:
		r.signed(33)
		if op != opIf {
			i.cost = 0
		}
	case op == opElse || op == opEnd || op == 0x01:
		i.cost = 0
	case op == opUnreachable || op == opReturn || op == 0x1a || op == opSelect || op >= 0x45 && op <= 0xc4 || op == 0xd1:
		i.cost = numericCost(op)
	case op == opBr || op == opBrIf || op == opCall || op >= opLocalGet && op <= 0x26 || op == opRefFunc:
		i.index = r.u32()
		if op == opRefFunc {
			i.cost = costHost
		}
	case op == opBrTable:
		i.cost = 4
		i.labels = labels[:0]
		for n := r.u32(); r.err == nil; n-- {
			i.labels = append(i.labels, r.u32())
			if n == 0 {
				break
			}
		}
	case op == opCallIndirect:
		i.cost = costIndirect
		i.index = r.u32()
		r.u32()
	case op == 0x1c:
		r.take(r.u32())
	case op >= 0x28 && op <= 0x3e:
		r.memarg()
	case op == 0x3f || op == opMemoryGrow:
		r.zero()
		if op == opMemoryGrow {
			i.bulk, i.cost = bulkPages, costHost
		}
	case op == opI32Const:
		r.signed(32)
	case op == opI64Const:
		r.signed(64)
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op == 0xd0:
		r.byte()
	case op == opMisc:
		r.misc(&i)
	case op == opVector:
		r.vectorOp(&i)
	default:
		r.fail(fmt.Errorf("the instruction 0x%02x is not in WebAssembly 2.0", op))
	}
	return i
}

func numericCost(op byte) int64 {
	switch {
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82, // integer division
		op == 0x91, op == 0x95, op == 0x9f, op == 0xa3: // square roots and divisions
		return costSlow
	}
	return 1
}

// memarg reads alignment and offset. A second memory would be named here.
func (r *reader) memarg() {
	if align := r.u32(); align >= 32 {
		r.fail(errOneMemory)
	}
	r.u32()
}

var errOneMemory = fmt.Errorf("expected at most one memory")

func (r *reader) zero() {
	if r.byte() != 0 {
		r.fail(errOneMemory)
	}
}

// misc reads what follows 0xfc: saturating conversions and bulk operations.
func (r *reader) misc(i *instruction) {
	i.sub = r.u32()
	switch i.sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
	case 8: // memory.init
		r.u32()
		r.zero()
		i.bulk = bulkBytes
	case 9, 13, 16: // data.drop, elem.drop, table.size
		r.u32()
	case 10: // memory.copy
		r.zero()
		r.zero()
		i.bulk = bulkBytes
	case 11: // memory.fill
		r.zero()
		i.bulk = bulkBytes
	case 12, 14: // table.init, table.copy
		r.u32()
		r.u32()
		i.bulk = bulkItems
	case 15, 17: // table.grow, table.fill
		r.u32()
		i.bulk, i.cost = bulkItems, costHost
	default:
		r.fail(fmt.Errorf("the instruction 0xfc %d is not in WebAssembly 2.0", i.sub))
	}
}

// vectorOp reads what follows 0xfd: 128-bit vectors.
func (r *reader) vectorOp(i *instruction) {
	i.sub = r.u32()
	switch sub := i.sub; {
	case sub <= 11 || sub == 92 || sub == 93:
		r.memarg()
	case sub == 12 || sub == 13:
		r.take(16)
	case sub >= 21 && sub <= 34:
		r.byte()
	case sub >= 84 && sub <= 91:
		r.memarg()
		r.byte()
	case sub > 255:
		r.fail(fmt.Errorf("the instruction 0xfd %d is not in WebAssembly 2.0", sub))
	}
	switch i.sub {
	case 227, 231, 239, 243: // square roots and divisions
		i.cost = 2 * costSlow
	}
}
