package main

import (
	"context"
	"fmt"

	"github.com/fovea-images/fovea/internal/config"
)

type checkCmd struct {
	Defaults bool `help:"Print every knob with its default and meaning, as a file to start from."`
}

// Run builds the whole app without listening, so that what passes here starts.
func (c *checkCmd) Run(ctx context.Context, cli *cli, w world) error {
	if c.Defaults {
		defaults := config.Default()
		_, err := fmt.Fprint(w.stdout, config.YAML(&defaults))
		return err
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	a, err := lookingApp(ctx, settings)
	if err != nil {
		return err
	}
	if err := a.close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w.stdout, "The configuration is good.")
	return err
}
