package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
)

// version is set by release builds: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

type versionCmd struct {
	Verbose bool `short:"v" help:"Also say which library serves each image format."`
}

// Run prints the version and what it was built from.
func (c versionCmd) Run(cli *cli, w world) error {
	revision := "unknown revision"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	_, err := fmt.Fprintf(w.stdout, "fovea %s (%s, engine %s, %s %s/%s)\n",
		version, revision, engine.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err != nil || !c.Verbose {
		return err
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	table, err := codec.Table(codec.Options{Portable: !settings.Engine.NativeEncoders, NativeDecoders: settings.Engine.NativeDecoders})
	if err != nil {
		return fmt.Errorf("engine.native_decoders: %w", err)
	}
	for _, form := range codec.Names(table) {
		if _, err := fmt.Fprintf(w.stdout, "  %-5s %s\n", form.Format, form.Name); err != nil {
			return err
		}
	}
	return nil
}
