package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/params"
)

// ours is this repository's engine.
type ours struct {
	codecs     []engine.Codec
	mezzanines int64 // bytes; 0 = none
	sources    map[string][]byte
	stranger   atomic.Int64 // numbers sources that are to be met for the first time
}

func newOurs(ctx context.Context, mezzanines int64, f form) (*ours, error) {
	codecs, err := f.table()
	if err != nil {
		return nil, err
	}
	codec.Warm(ctx, codecs) // as the server does before its first visitor
	return &ours{codecs: codecs, mezzanines: mezzanines, sources: map[string][]byte{}}, nil
}

func (o *ours) load(_ context.Context, name, path string) error {
	var err error
	o.sources[name], err = os.ReadFile(path) //nolint:gosec // a source that gather put there
	return err
}

func (o *ours) close() error { return nil }

// fresh returns an engine that has seen no source: nothing is left of an earlier
// batch that could make this one faster.
func (o *ours) fresh() (*engine.Engine, error) {
	return engine.New(engine.Options{Codecs: o.codecs, Mezzanines: o.mezzanines})
}

func (o *ours) make(ctx context.Context, t task) ([]byte, error) {
	e, err := o.fresh()
	if err != nil {
		return nil, err
	}
	return o.transform(ctx, e, t, t.Source)
}

func (o *ours) run(ctx context.Context, b batch) (pace, error) {
	e, err := o.fresh()
	if err != nil {
		return pace{}, err
	}
	return drive(ctx, b, func(ctx context.Context, t task) error {
		name := t.Source
		if !b.Once && !b.Later { // a picture made over and over stands for many, each the first of its source
			name += fmt.Sprint(" ", o.stranger.Add(1))
		}
		_, err := o.transform(ctx, e, t, name)
		return err
	})
}

// transform does all that a server does between source and result: the header is
// read each time. The engine may remember the source by name.
func (o *ours) transform(ctx context.Context, e *engine.Engine, t task, name string) ([]byte, error) {
	src := o.sources[t.Source]
	info, err := e.Probe(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Source, err)
	}
	result, err := e.Transform(ctx, src, info, engine.Plan{
		Options: t.options(), Media: params.ParseMedia(t.Media), Animated: t.Animated, Source: name,
	})
	if err != nil {
		return nil, fmt.Errorf("%s as %s: %w", t.Source, t.Media, err)
	}
	return result.Body, nil
}

// options is t in the contract's words.
func (t task) options() params.Options {
	o := params.Options{Width: t.Width, Height: t.Height, Quality: t.Quality}
	if t.Cover {
		o.Fit = params.Cover
	}
	return o
}

// startOurs starts this program again as a worker, so that the memory read is the
// engine's alone and not that of the judge. mezzanines is in MiB.
func startOurs(ctx context.Context, mezzanines int, f form) (*contender, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	codecs, err := f.table()
	if err != nil {
		return nil, err
	}
	forms := []string{fmt.Sprintf("%d MiB of mezzanines", mezzanines)}
	for _, f := range codec.Names(codecs) {
		forms = append(forms, f.Format+" "+f.Name)
	}
	return spawn(exec.CommandContext(ctx, program, "-worker", fmt.Sprintf("-mezzanines=%d", mezzanines), "-codecs="+string(f)), strings.Join(forms, "; ")) //nolint:gosec // this program
}

// work is the worker's side: it answers on standard output. mezzanines is in MiB.
func work(ctx context.Context, mezzanines int, f form) error {
	debug.SetGCPercent(engine.GCPercent)
	o, err := newOurs(ctx, int64(mezzanines)<<20, f)
	if err != nil {
		return err
	}
	return serve(ctx, o, os.Stdin, os.Stdout)
}

// form is which of their forms our codecs have.
type form string

func (f form) table() ([]engine.Codec, error) {
	switch f {
	case "", "default":
		return codec.Table(codec.Options{})
	case "native":
		return codec.Table(codec.Options{NativeDecoders: true})
	case "portable":
		return codec.Table(codec.Options{Portable: true})
	}
	return nil, fmt.Errorf("codecs: expected default, native or portable, received %q", f)
}
