package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

type importCmd struct {
	Sources []string `arg:"" name:"source" help:"Files, folders or http(s) URLs."`
	Prefix  string   `help:"Begins every id, such as shoes/." placeholder:"TEXT"`
	Replace bool     `help:"Change images that are there already."`
	Quiet   bool     `help:"No progress bar."`
}

// item is one picture to import.
type item struct {
	id, name string
	load     func(ctx context.Context) ([]byte, error)
	asked    bool // named on the command line, not found in a folder
}

// tally counts what became of the items. It is safe for concurrent use.
type tally struct {
	mu                       sync.Mutex
	added, there, not, wrong int
	complaints               []string
}

// Run adds every picture of the sources. Their ids are their names or, from a
// folder, their paths in it. What in a folder is no picture is passed over.
func (c *importCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	a, err := newApp(ctx, settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	account, err := a.library.EnsureAccount(ctx, settings.Account, settings.Flexible)
	if err != nil {
		return err
	}
	items, err := c.items(a)
	if err != nil {
		return err
	}
	bar := io.Discard
	if !c.Quiet {
		bar = w.stderr
	}
	t := c.work(ctx, a, account, items, bar)
	for _, complaint := range t.complaints {
		fmt.Fprintln(w.stderr, "proxy:", complaint)
	}
	if _, err := fmt.Fprintf(w.stdout, "%d added, %d there already, %d no pictures, %d failed; account %s\n",
		t.added, t.there, t.not, t.wrong, account.Hash); err != nil {
		return err
	}
	if t.wrong > 0 {
		return errTold
	}
	return ctx.Err()
}

// items finds the pictures of all sources before the first is read.
func (c *importCmd) items(a *app) ([]item, error) {
	var all []item
	for _, source := range c.Sources {
		if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
			u, err := url.Parse(source)
			if err != nil || path.Base(u.Path) == "/" || path.Base(u.Path) == "." {
				return nil, fmt.Errorf("expected a URL whose path ends in a name, received %q", source)
			}
			all = append(all, item{c.Prefix + path.Base(u.Path), path.Base(u.Path), func(ctx context.Context) ([]byte, error) {
				got, err := a.web.Get(ctx, source)
				return got.Body, err
			}, true})
			continue
		}
		info, err := os.Stat(source)
		if err != nil {
			return nil, fmt.Errorf("expected a file, a folder or a URL: %w", err)
		}
		if !info.IsDir() {
			all = append(all, fileItem(c.Prefix+filepath.Base(source), source, a, true))
			continue
		}
		found, err := c.folder(source, a)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (c *importCmd) folder(root string, a *app) (all []item, err error) {
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), ".") && file != root: // .git, .DS_Store
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		all = append(all, fileItem(c.Prefix+filepath.ToSlash(relative), file, a, false))
		return nil
	})
	return all, err
}

func fileItem(id, file string, a *app, asked bool) item {
	return item{id, filepath.Base(file), func(context.Context) ([]byte, error) {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if limit := int64(a.settings.Origins.MaxBytes); info.Size() > limit {
			return nil, fault.New(fault.SourceTooLong, "It has %d bytes; at most %d are read", info.Size(), limit)
		}
		return os.ReadFile(file)
	}, asked}
}

// work adds the items, as many at once as there are processors.
func (c *importCmd) work(ctx context.Context, a *app, account store.Account, items []item, to io.Writer) *tally {
	bar := progressbar.NewOptions(len(items), progressbar.OptionSetWriter(to), progressbar.OptionSetDescription("importing"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	t := &tally{}
	queue := make(chan item)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := range queue {
				t.count(i, c.one(ctx, a, account, i))
				_ = bar.Add(1) // a bar that cannot be drawn stops no import
			}
		})
	}
	for _, i := range items {
		if ctx.Err() != nil {
			break
		}
		queue <- i
	}
	close(queue)
	all.Wait()
	_ = bar.Finish()
	return t
}

func (c *importCmd) one(ctx context.Context, a *app, account store.Account, i item) error {
	if !params.ValidImageID(i.id) {
		return fmt.Errorf("%q cannot be an image id", i.id)
	}
	body, err := i.load(ctx)
	if err != nil {
		return err
	}
	_, err = a.add(ctx, account.Hash, i.id, i.name, body, c.Replace)
	return err
}

func (t *tally) count(i item, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.added++
	case errors.Is(err, store.ErrExists):
		t.there++
	case !i.asked && fault.Is(err, fault.Unsupported):
		t.not++
	default:
		t.wrong++
		t.complaints = append(t.complaints, i.id+": "+err.Error())
	}
}
