package plugins

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What a rule may write.
const (
	linesPerSecond = 10
	maxLine        = 1024
	maxProof       = 8192 // no token is longer
)

// MaxLogged is how much of a rule's line is looked at, in bytes: enough that a proof that
// begins within what is kept is seen, and masked, whole.
const MaxLogged = maxLine + maxProof

// Journal is where one rule's lines go: at most ten a second, each at most 1 KiB, with
// the rule's name and without the proofs of visitors. It is safe for concurrent use.
type Journal struct {
	log  *slog.Logger
	now  func() time.Time
	mu   sync.Mutex
	from time.Time // of the running second
	left int
	lost int
	said map[string]bool // what is told once
}

// NewJournal returns the journal of the rule of that name.
func NewJournal(name string, log *slog.Logger, now func() time.Time) *Journal {
	return &Journal{log: log.With("rule", name), now: now, said: map[string]bool{}}
}

// Enabled reports whether lines of this level are kept at all.
func (j *Journal) Enabled(level slog.Level) bool { return j.log.Enabled(context.Background(), level) }

// Line writes one line of a rule, unless it has written too many. secrets are masked
// wherever they occur in it.
func (j *Journal) Line(level slog.Level, text []byte, secrets [][]byte) string {
	text = mask(text[:min(len(text), MaxLogged)], secrets)
	line := strings.ToValidUTF8(string(text[:min(len(text), maxLine)]), string(utf8.RuneError))
	if !j.Enabled(level) {
		return line
	}
	if ok, lost := j.take(); ok {
		if lost > 0 {
			j.log.Warn("rule log", "dropped", lost)
		}
		j.log.Log(context.Background(), level, "rule log", "text", line)
	}
	return line
}

func (j *Journal) take() (ok bool, lost int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now := j.now(); now.Sub(j.from) >= time.Second || now.Before(j.from) {
		lost, j.lost = j.lost, 0
		j.from, j.left = now, linesPerSecond
	}
	if j.left == 0 {
		j.lost++
		return false, 0
	}
	j.left--
	return true, lost
}

// once writes text the first time that it is said.
func (j *Journal) once(text string) {
	j.mu.Lock()
	before := j.said[text]
	j.said[text] = true
	j.mu.Unlock()
	if !before {
		j.log.Warn("rule", "ignored", text)
	}
}

// mask hides the values of sig and token, and every secret, in text.
func mask(text []byte, secrets [][]byte) []byte {
	for _, secret := range secrets {
		if bytes.Contains(text, secret) { // else nothing is copied: a visitor may send a thousand
			text = bytes.ReplaceAll(text, secret, []byte("***"))
		}
	}
	for _, name := range []string{"sig=", "token="} {
		for from := 0; ; {
			at := bytes.Index(text[from:], []byte(name))
			if at < 0 {
				break
			}
			start := from + at + len(name)
			end := start
			for end < len(text) && !bytes.ContainsRune([]byte(" &#\"'<>;,\t\r\n"), rune(text[end])) {
				end++
			}
			text = append(append(bytes.Clone(text[:start]), "***"...), text[end:]...)
			from = start + len("***")
		}
	}
	return text
}
