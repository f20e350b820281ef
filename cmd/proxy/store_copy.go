package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/store"
)

type storeCopyCmd struct {
	To     string `help:"Configuration file of the store to copy to. It is read without the environment and flags." required:"" type:"path" placeholder:"FILE"`
	Quick  bool   `help:"Do not read back what was copied to compare its hashes."`
	Remove bool   `help:"Remove images from the target that the source does not have."`
	AtOnce int    `help:"Images copied at once." default:"8"`
}

// Run copies a store into another one, and verifies it. Run again, it goes on where it
// was interrupted.
func (c *storeCopyCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	if c.AtOnce < 1 || c.AtOnce > 1024 {
		return fmt.Errorf("--at-once: expected 1 to 1024, received %d", c.AtOnce)
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	target, err := config.Load(c.To, nil)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if sameStore(&settings, &target) {
		return errors.New("--to: expected another store than the one to copy from, received the same")
	}
	from, err := openedStore(ctx, settings, w, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := openedStore(ctx, target, w, false)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	copying := &store.Copying{From: from.library, To: to.library, AtOnce: c.AtOnce, Remove: c.Remove}
	done, err := copying.Run(ctx)
	if _, wrong := fmt.Fprintf(w.stdout, "%d accounts, %d variants, %d keys, %d tokens; %d images and %d drafts copied, %d there already, %d removed; %d bytes\n",
		done.Accounts, done.Variants, done.Keys, done.Grants, done.Images, done.Drafts, done.Kept, done.Removed, done.Bytes); err == nil {
		err = wrong
	}
	if err != nil {
		return fmt.Errorf("%w\nWhat was copied stays; run it again to go on", err)
	}
	return c.verify(ctx, to, w)
}

// verify looks at the target once all is there.
func (c *storeCopyCmd) verify(ctx context.Context, to *app, w world) error {
	found, err := to.library.Check(ctx, time.Now(), time.Hour, !c.Quick)
	if err != nil {
		return err
	}
	for _, text := range found.Missing {
		fmt.Fprintln(w.stderr, "missing:", text)
	}
	how := "their hashes compared"
	if c.Quick {
		how = "their lengths compared"
	}
	if _, err := fmt.Fprintf(w.stdout, "%d images verified in the target, %s; %d without their bytes\n", found.Images, how, len(found.Missing)); err != nil {
		return err
	}
	if len(found.Missing) > 0 {
		return errTold
	}
	return nil
}

// openedStore opens the store of settings. there: it must be there already, and nothing is
// made in its database.
func openedStore(ctx context.Context, settings config.Config, w world, there bool) (*app, error) {
	if there && settings.Store.Database == "" {
		if _, err := os.Stat(filepath.Join(settings.Data, namesFile)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("data: expected a store in %q, found none", settings.Data)
		}
	}
	to := working
	if there {
		to = looking
	}
	a, err := newApp(ctx, settings, telemetry.NoLog(), w.now, to)
	if err != nil {
		return nil, err
	}
	if a.s3 != nil {
		if err := a.s3.Ready(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("store.%w", err), a.close())
		}
	}
	return a, nil
}

// sameStore reports whether two configurations have the same names.
func sameStore(a, b *config.Config) bool {
	one, err1 := filepath.Abs(a.Data)
	two, err2 := filepath.Abs(b.Data)
	folder := err1 == nil && err2 == nil && one == two
	if a.Store.Database != b.Store.Database {
		return false
	}
	return a.Store.Database != "" || folder
}
