package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errForm is that /proc is not what proc(5) says.
var errForm = errors.New("/proc has another form than expected")

// tick is the unit of processor time in /proc, on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the processor time that p has used so far, all its processes together and
// those of its children that have ended. Its unit is 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	all, err := p.all()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range all {
		n, err := ticks(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// Peak is the most memory that p had resident, in bytes, all its processes together.
// Pages that processes share count for each of them.
func (p *Process) Peak() (int64, error) { return p.memory("VmHWM:") }

// Resident is the memory that p has resident now, in bytes.
func (p *Process) Resident() (int64, error) { return p.memory("VmRSS:") }

func (p *Process) memory(field string) (int64, error) {
	all, err := p.all()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range all {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, ok := strings.Cut(string(text), "\n"+field)
		if !ok {
			return 0, errForm
		}
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		kilobytes, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += kilobytes << 10
	}
	return sum, nil
}

// all are the processes of p: its roots and whoever descends from them.
func (p *Process) all() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		fields, err := stat(pid)
		if err != nil { // it has ended meanwhile
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, errForm
		}
		children[parent] = append(children[parent], pid)
	}
	all := append([]int{}, p.Roots...)
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// stat is what /proc tells of a process behind its name: state, parent, ….
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, errForm
	}
	return fields, nil
}

// ticks is the processor time of a process and of its children that have ended:
// utime, stime, cutime and cstime of proc(5).
func ticks(pid int) (int64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, errForm
		}
		sum += n
	}
	return sum, nil
}
