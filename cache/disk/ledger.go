package disk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fovea-images/fovea/cache"
)

// ledger is a cache.Ledger in a file, a purge a line: its stamp, and its tags as Go
// strings, those of prefixes after a ^, or * for everything. A last line without its end was never acknowledged.
type ledger struct {
	mu    sync.Mutex
	path  string
	file  *os.File
	lines int // since it was written anew
	now   func() time.Time
}

const (
	ledgerHead = "fovea purges 1\n"
	maxLines   = 65_536 // then it is written anew, with what still matters
	maxTags    = 16_384 // beyond it the oldest half is one purge of everything
	maxLedger  = 64 << 20
)

// open finds the ledger at path and writes it anew, without what no entry can be
// older than.
func (l *ledger) open(path string, now func() time.Time) error {
	l.path, l.now = path, now
	known, err := l.read()
	if err != nil {
		return err
	}
	return l.rewrite(compact(known, now().Add(-cache.MaxLife)))
}

// create begins an empty ledger.
func (l *ledger) create() error { return l.rewrite(nil) }

// Recall implements cache.Ledger.
func (l *ledger) Recall(context.Context) ([]cache.Purge, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read()
}

// Record implements cache.Ledger. If the line cannot be written, the ledger goes: a
// later Open then finds entries without one and drops them.
func (l *ledger) Record(all ...cache.Purge) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return fs.ErrClosed
	}
	err := l.append(all)
	if err == nil && l.lines > maxLines {
		var known []cache.Purge
		if known, err = l.read(); err == nil {
			err = l.rewrite(compact(known, l.now().Add(-cache.MaxLife)))
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("purges: %w", err), os.Remove(l.path))
	}
	return nil
}

func (l *ledger) append(all []cache.Purge) error {
	var b []byte
	for _, p := range all {
		b = appendLine(b, p)
	}
	l.lines += len(all)
	if _, err := l.file.Write(b); err != nil {
		return err
	}
	return l.file.Sync()
}

func appendLine(b []byte, p cache.Purge) []byte {
	b = strconv.AppendInt(b, p.Stamp, 10)
	if p.All {
		b = append(b, " *"...)
	}
	for _, tag := range p.Tags {
		b = strconv.AppendQuote(append(b, ' '), tag)
	}
	for _, prefix := range p.Prefixes {
		b = strconv.AppendQuote(append(b, " ^"...), prefix)
	}
	return append(b, '\n')
}

// rewrite puts a ledger of these purges in the place of the present one.
func (l *ledger) rewrite(purges []cache.Purge) error {
	b := []byte(ledgerHead)
	for _, p := range purges {
		b = appendLine(b, p)
	}
	next, err := os.CreateTemp(filepath.Dir(l.path), "purges-*")
	if err != nil {
		return err
	}
	_, err = next.Write(b)
	if err = errors.Join(err, next.Sync()); err == nil {
		err = os.Rename(next.Name(), l.path)
	}
	if err != nil {
		return errors.Join(err, next.Close(), os.Remove(next.Name()))
	}
	if err := syncFolder(filepath.Dir(l.path)); err != nil {
		return errors.Join(err, next.Close())
	}
	old := l.file
	l.file, l.lines = next, len(purges)
	if old != nil {
		return old.Close()
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *ledger) read() ([]cache.Purge, error) {
	info, err := os.Stat(l.path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxLedger {
		return nil, errors.New("purges: larger than a ledger can be")
	}
	text, err := os.ReadFile(l.path)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse reads a ledger. Anything but whole lines and an unfinished last one is an
// error: a ledger that cannot be trusted is none.
func parse(text []byte) ([]cache.Purge, error) {
	rest, ok := bytes.CutPrefix(text, []byte(ledgerHead))
	if !ok {
		return nil, errors.New("purges: not a ledger")
	}
	rest = rest[:bytes.LastIndexByte(rest, '\n')+1]
	var all []cache.Purge
	lines := bufio.NewScanner(bytes.NewReader(rest))
	lines.Buffer(nil, len(rest)+1)
	for lines.Scan() {
		p, err := parseLine(lines.Text())
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, lines.Err()
}

func parseLine(line string) (cache.Purge, error) {
	broken := fmt.Errorf("purges: expected a stamp and tags, received %q", line)
	stamp, rest, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || n <= 0 {
		return cache.Purge{}, broken
	}
	p := cache.Purge{Stamp: n}
	for rest != "" {
		if rest == "*" && len(p.Tags)+len(p.Prefixes) == 0 {
			p.All = true
			break
		}
		begins := false
		rest, begins = strings.CutPrefix(rest, "^")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || quoted[0] != '"' {
			return cache.Purge{}, broken
		}
		tag, err := strconv.Unquote(quoted)
		if err != nil {
			return cache.Purge{}, broken
		}
		if begins {
			p.Prefixes = append(p.Prefixes, tag)
		} else {
			p.Tags = append(p.Tags, tag)
		}
		if rest = rest[len(quoted):]; rest != "" && rest[0] != ' ' {
			return cache.Purge{}, broken
		}
		rest = strings.TrimPrefix(rest, " ")
	}
	if !p.All && len(p.Tags)+len(p.Prefixes) == 0 {
		return cache.Purge{}, broken
	}
	return p, nil
}

// compact keeps the latest purge of each tag and prefix since oldest. Of too many tags, the
// older half becomes one purge of everything: what it forgets, it must not bring back.
func compact(known []cache.Purge, oldest time.Time) []cache.Purge {
	type what struct {
		text   string
		begins bool
	}
	latest, floor := map[what]int64{}, int64(0)
	for _, p := range known {
		if p.Stamp <= oldest.UnixNano() {
			continue
		}
		if p.All {
			floor = max(floor, p.Stamp)
		}
		for _, tag := range p.Tags {
			latest[what{tag, false}] = max(latest[what{tag, false}], p.Stamp)
		}
		for _, prefix := range p.Prefixes {
			latest[what{prefix, true}] = max(latest[what{prefix, true}], p.Stamp)
		}
	}
	all := make([]cache.Purge, 0, len(latest)+1)
	for of, stamp := range latest {
		p := cache.Purge{Stamp: stamp}
		if of.begins {
			p.Prefixes = []string{of.text}
		} else {
			p.Tags = []string{of.text}
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b cache.Purge) int { return int(min(1, max(-1, a.Stamp-b.Stamp))) })
	if len(all) > maxTags {
		half := len(all) / 2
		floor = max(floor, all[half-1].Stamp)
		all = all[half:]
	}
	if floor == 0 {
		return all
	}
	kept := []cache.Purge{{Stamp: floor, All: true}}
	for _, p := range all {
		if p.Stamp > floor {
			kept = append(kept, p)
		}
	}
	return kept
}
