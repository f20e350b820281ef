package rule

import (
	"strconv"
	"unsafe"
)

// scratch is what one call may read and write without allocating. What is
// used before the first request stays: a rule reads its configuration there.
var scratch struct {
	memory [64 << 10]byte
	used   int
	kept   int // by what ran before the first request
	begun  bool
}

func begin() {
	if !scratch.begun {
		scratch.begun, scratch.kept = true, scratch.used
	}
	scratch.used = scratch.kept
}

func overflow() { panic("rule: one request needs more than 64 KiB of scratch memory") }

// free is where the next result goes, and how long it may be.
func free() (*byte, uint32) {
	if scratch.used == len(scratch.memory) {
		overflow()
	}
	return &scratch.memory[scratch.used], uint32(len(scratch.memory) - scratch.used)
}

// take is the text of n bytes that was written where free said.
func take(n uint32) string {
	if n == 0 {
		return ""
	}
	if int(n) > len(scratch.memory)-scratch.used {
		overflow()
	}
	text := unsafe.String(&scratch.memory[scratch.used], int(n))
	scratch.used += int(n)
	return text
}

// join is the parts as one text.
func join(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	if n > len(scratch.memory)-scratch.used {
		overflow()
	}
	at := scratch.used
	for _, part := range parts {
		at += copy(scratch.memory[at:], part)
	}
	return take(uint32(n))
}

// Join is the parts as one text, without allocating.
func Join(parts ...string) string { return join(parts) }

// Number is n in decimal, without allocating.
func Number(n int64) string {
	if len(scratch.memory)-scratch.used < 20 {
		overflow()
	}
	return take(uint32(len(strconv.AppendInt(scratch.memory[scratch.used:scratch.used], n, 10))))
}
