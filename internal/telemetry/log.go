package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Log is where lines go: the embedded logger writes one at a time, a Telemetry
// those of requests many at a time, in the same format.
type Log struct {
	*slog.Logger
	out  *lockedWriter
	make func(w io.Writer) slog.Handler
	json *atomic.Bool
	none bool

	least *slog.LevelVar
}

// NewLog returns a Log that writes to w, whole lines at a time. level is debug,
// info, warn or error; format is text or json; anything else is an error that says so.
func NewLog(w io.Writer, level, format string) (*Log, error) {
	l := &Log{out: &lockedWriter{to: w}, json: &atomic.Bool{}, least: &slog.LevelVar{}}
	if err := l.Set(level, format); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: l.least}
	l.make = func(w io.Writer) slog.Handler {
		return either{l.json, slog.NewTextHandler(w, options), slog.NewJSONHandler(w, options)}
	}
	l.Logger = slog.New(l.make(l.out))
	return l, nil
}

// Set leaves out lines below level from now on, and writes the others in format. On an
// error, which joins all complaints, nothing has changed.
func (l *Log) Set(level, format string) error {
	var least slog.Level
	var errs []error
	if err := least.UnmarshalText([]byte(level)); err != nil {
		errs = append(errs, fmt.Errorf("level: expected debug, info, warn or error, received %q", level))
	}
	if format != "text" && format != "json" {
		errs = append(errs, fmt.Errorf("format: expected text or json, received %q", format))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	l.least.Set(least)
	l.json.Store(format == "json")
	return nil
}

// tells is Enabled, without the way through the handler.
func (l *Log) tells(level slog.Level) bool { return !l.none && level >= l.least.Level() }

// either writes a line in the format that is in force.
type either struct {
	json        *atomic.Bool
	text, spelt slog.Handler
}

func (e either) now() slog.Handler {
	if e.json.Load() {
		return e.spelt
	}
	return e.text
}

// Enabled implements slog.Handler.
func (e either) Enabled(ctx context.Context, level slog.Level) bool {
	return e.text.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (e either) Handle(ctx context.Context, r slog.Record) error { return e.now().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (e either) WithAttrs(all []slog.Attr) slog.Handler {
	return either{e.json, e.text.WithAttrs(all), e.spelt.WithAttrs(all)}
}

// WithGroup implements slog.Handler.
func (e either) WithGroup(name string) slog.Handler {
	return either{e.json, e.text.WithGroup(name), e.spelt.WithGroup(name)}
}

// Lines says which finished requests have a line in the log. Failures of ours have one
// in any case.
type Lines struct {
	Access bool // any have
	// Sample is the share of the lines of requests that went well, 0 to 1. Refusals and
	// failures, calls of the management API, and requests that took Slow or longer (0 =
	// none is slow) have theirs.
	Sample float64
	Slow   time.Duration
}

// Validate complains of what says nothing.
func (l Lines) Validate() error {
	var errs []error
	if !(l.Sample >= 0 && l.Sample <= 1) {
		errs = append(errs, fmt.Errorf("sample: expected a number from 0 to 1, received %v", l.Sample))
	}
	if l.Slow < 0 {
		errs = append(errs, fmt.Errorf("slow: expected a duration of 0 or more, received %v", l.Slow))
	}
	return errors.Join(errs...)
}

// wants reports whether r has a line.
func (l *Lines) wants(r *Request) bool {
	switch {
	case !l.Access:
		return false
	case l.Sample >= 1 || r.Status >= 400 || r.Err != nil || r.Kind == "api" || l.Slow > 0 && r.Took >= l.Slow:
		return true
	}
	return lucky(l.Sample)
}

// NoLog returns a Log that drops everything.
func NoLog() *Log {
	none := func(io.Writer) slog.Handler { return slog.DiscardHandler }
	return &Log{Logger: slog.New(slog.DiscardHandler), out: &lockedWriter{to: io.Discard}, make: none, none: true, json: &atomic.Bool{}, least: &slog.LevelVar{}}
}

// lockedWriter keeps what several write from mixing.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
