package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// Log is where lines go: the embedded logger writes one at a time, a Telemetry
// those of requests many at a time, in the same format.
type Log struct {
	*slog.Logger
	out  *lockedWriter
	make func(w io.Writer) slog.Handler
	json bool
	none bool

	least *slog.LevelVar
}

// NewLog returns a Log that writes to w, whole lines at a time. level is debug,
// info, warn or error; format is text or json; anything else is an error that says so.
func NewLog(w io.Writer, level, format string) (*Log, error) {
	l := &Log{out: &lockedWriter{to: w}, least: &slog.LevelVar{}}
	if err := l.SetLevel(level); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: l.least}
	switch format {
	case "text":
		l.make = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	case "json":
		l.json = true
		l.make = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	default:
		return nil, fmt.Errorf("format: expected text or json, received %q", format)
	}
	l.Logger = slog.New(l.make(l.out))
	return l, nil
}

// SetLevel leaves out lines below level from now on.
func (l *Log) SetLevel(level string) error {
	if err := l.least.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("level: expected debug, info, warn or error, received %q", level)
	}
	return nil
}

// tells is Enabled, without the way through the handler.
func (l *Log) tells(level slog.Level) bool { return !l.none && level >= l.least.Level() }

// NoLog returns a Log that drops everything.
func NoLog() *Log {
	none := func(io.Writer) slog.Handler { return slog.DiscardHandler }
	return &Log{Logger: slog.New(slog.DiscardHandler), out: &lockedWriter{to: io.Discard}, make: none, none: true, least: &slog.LevelVar{}}
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
