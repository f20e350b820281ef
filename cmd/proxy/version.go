package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/fovea-images/fovea/engine"
)

// version is set by release builds: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

type versionCmd struct{}

// Run prints the version and what it was built from.
func (versionCmd) Run(w world) error {
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
	return err
}
