package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/store"
)

// namesFile is the database in the data folder.
const namesFile = "names.db"

// keptApp is storeApp for commands that look at a store: one that is not there is
// not made, it is mostly another folder that was meant.
func keptApp(ctx context.Context, cli *cli, w world) (*app, store.Account, error) {
	settings, err := cli.settings(w)
	if err == nil && settings.Store.Database == "" {
		_, err = os.Stat(filepath.Join(settings.Data, namesFile))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.Account{}, fmt.Errorf("data: expected a store in %q, found none", settings.Data)
	}
	if err != nil {
		return nil, store.Account{}, err
	}
	return storeApp(ctx, cli, w)
}

type storeCmd struct {
	Check storeCheckCmd `cmd:"" help:"Verify that every image has its bytes and all bytes have an image."`
	Copy  storeCopyCmd  `cmd:"" help:"Copy all of the store into that of another configuration, and verify it; run again, it goes on."`
}

type storeCheckCmd struct {
	Deep  bool          `help:"Read all bytes and compare their hashes, too."`
	Grace time.Duration `help:"Bytes without an image are no fault for so long: they may belong to an upload under way." default:"1h"`
	Sweep bool          `help:"Remove expired drafts, and the bytes without an image that are older than the grace."`
}

// Run checks the store, and fails if something is wrong with it.
func (c *storeCheckCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, _, err := keptApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if c.Sweep {
		if err := a.library.Expire(ctx, time.Now()); err != nil {
			return err
		}
		n, err := a.library.Sweep(ctx, time.Now(), c.Grace)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w.stdout, "%d bytes without an image removed\n", n); err != nil {
			return err
		}
	}
	found, err := a.library.Check(ctx, time.Now(), c.Grace, c.Deep)
	if err != nil {
		return err
	}
	for _, text := range found.Missing {
		fmt.Fprintln(w.stderr, "missing:", text)
	}
	for _, ref := range found.Unnamed {
		fmt.Fprintln(w.stderr, "without an image:", ref)
	}
	if _, err := fmt.Fprintf(w.stdout, "%d images, %d without their bytes, %d bytes without an image\n", found.Images, len(found.Missing), len(found.Unnamed)); err != nil {
		return err
	}
	if len(found.Missing)+len(found.Unnamed) > 0 {
		return errTold
	}
	return nil
}
