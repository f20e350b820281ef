package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fovea-images/fovea/internal/config"
)

type checkCmd struct{}

// Run builds the whole app without listening, so that what passes here starts. All
// that is wrong is said at once.
func (c *checkCmd) Run(ctx context.Context, cli *cli, w world) error {
	settings, wrong := cli.settings(w)
	a, err := lookingApp(ctx, settings)
	if err == nil {
		err = a.close()
	}
	if err := errors.Join(wrong, err); err != nil {
		tell(w.stderr, err)
		return errTold
	}
	_, err = fmt.Fprintln(w.stdout, "The configuration is good.")
	return err
}

// tell lists complaints, each with its hint, and once for each knob.
func tell(to io.Writer, err error) {
	told := map[string]bool{}
	for _, c := range config.Complaints(err) {
		if text := c.Error(); !told[text] {
			told[text] = true
			fmt.Fprintln(to, text)
			if c.Hint != "" {
				fmt.Fprintln(to, "    "+c.Hint)
			}
		}
	}
	if len(told) == 1 {
		fmt.Fprintln(to, "1 complaint; nothing was started.")
		return
	}
	fmt.Fprintf(to, "%d complaints; nothing was started.\n", len(told))
}

type configCmd struct {
	Defaults bool `help:"Print every knob with its default and meaning, as a file to start from."`
	Markdown bool `help:"Print the same as the page of reference, in Markdown."`
}

// Run prints the configuration, without its secrets.
func (c *configCmd) Run(cli *cli, w world) error {
	settings := config.Default()
	var err error
	if !c.Defaults && !c.Markdown {
		if settings, err = cli.settings(w); err != nil {
			tell(w.stderr, err)
			return errTold
		}
	}
	if c.Markdown {
		_, err = fmt.Fprint(w.stdout, config.Markdown())
		return err
	}
	_, err = fmt.Fprint(w.stdout, config.YAML(&settings))
	return err
}
