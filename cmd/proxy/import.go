package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

type importCmd struct {
	Sources        []string `arg:"" optional:"" name:"source" help:"Files, folders, http(s) URLs, or folders that export wrote."`
	FromCloudflare string   `help:"Copy the images, their metadata and the variants of this Cloudflare account, by its id. Its API token is read from CLOUDFLARE_API_TOKEN." placeholder:"ACCOUNT_ID"`
	CloudflareAPI  string   `name:"cloudflare-api" help:"Base URL of the API to copy from (${default})." default:"https://api.cloudflare.com/client/v4" placeholder:"URL"`
	Prefix         string   `help:"Begins every id, such as shoes/." placeholder:"TEXT"`
	Replace        bool     `help:"Change what is there already and differs."`
	Quiet          bool     `help:"No progress bar."`
}

// item is one picture to import.
type item struct {
	id, name string
	load     func(ctx context.Context) ([]byte, error)
	asked    bool                             // named on the command line, not found in a folder
	record   func(account string) store.Image // what is known of it already; nil = nothing
}

// feed gives items, as many as total says if it can know.
type feed struct {
	total int
	each  func(ctx context.Context, give func(item)) error
}

func listed(items []item) feed {
	return feed{len(items), func(_ context.Context, give func(item)) error {
		for _, i := range items {
			give(i)
		}
		return nil
	}}
}

// tally counts what became of the items. It is safe for concurrent use.
type tally struct {
	mu                               sync.Mutex
	added, there, differ, not, wrong int
	notes, complaints                []string
}

// maxNotes bounds what is told one by one.
const maxNotes = 1000

func (t *tally) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.differ++; len(t.notes) < maxNotes {
		t.notes = append(t.notes, fmt.Sprintf(format, args...))
	}
}

// Run adds every picture of the sources. Their ids are their names or, from a
// folder, their paths in it. What in a folder is no picture is passed over. An
// import that was cut off goes on where it was: what is there is not loaded again.
func (c *importCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	if len(c.Sources) == 0 && c.FromCloudflare == "" {
		return errors.New("expected something to import: files, folders, URLs, or --from-cloudflare ACCOUNT_ID")
	}
	a, account, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	t := &tally{}
	feeds, err := c.feeds(ctx, a, account, t, w)
	if err != nil {
		return err
	}
	bar := io.Discard
	if !c.Quiet {
		bar = w.stderr
	}
	err = c.work(ctx, a, account, feeds, t, bar)
	for _, note := range t.notes {
		fmt.Fprintln(w.stdout, "differs:", note)
	}
	for _, complaint := range t.complaints {
		fmt.Fprintln(w.stderr, "proxy:", complaint)
	}
	if _, err := fmt.Fprintf(w.stdout, "%d added, %d there already, %d no pictures, %d failed, %d differences left; account %s\n",
		t.added, t.there, t.not, t.wrong, t.differ, account.Hash); err != nil {
		return err
	}
	if err == nil && t.wrong > 0 {
		return errTold
	}
	return errors.Join(err, ctx.Err())
}

// feeds looks at all sources before the first picture is read.
func (c *importCmd) feeds(ctx context.Context, a *app, account store.Account, t *tally, w world) ([]feed, error) {
	var all []feed
	if c.FromCloudflare != "" {
		from, err := newCopier(c.CloudflareAPI, c.FromCloudflare, w.environ, int64(a.settings.Origins.MaxBytes))
		if err != nil {
			return nil, err
		}
		found, err := c.cloudflare(ctx, a, account, from, t)
		if err != nil {
			return nil, fmt.Errorf("cloudflare: %w", err)
		}
		all = append(all, found)
	}
	var items []item
	for _, source := range c.Sources {
		if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
			i, err := c.urlItem(source, a)
			if err != nil {
				return nil, err
			}
			items = append(items, i)
			continue
		}
		info, err := os.Stat(source)
		if err != nil {
			return nil, fmt.Errorf("expected a file, a folder or a URL: %w", err)
		}
		if !info.IsDir() {
			items = append(items, fileItem(c.Prefix+filepath.Base(source), source, a, true))
			continue
		}
		found, err := c.folder(ctx, source, a, account, t)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	return append(all, listed(items)), nil
}

func (c *importCmd) urlItem(source string, a *app) (item, error) {
	u, err := url.Parse(source)
	if err != nil || path.Base(u.Path) == "/" || path.Base(u.Path) == "." {
		return item{}, fmt.Errorf("expected a URL whose path ends in a name, received %q", source)
	}
	return item{id: c.Prefix + path.Base(u.Path), name: path.Base(u.Path), asked: true, load: func(ctx context.Context) ([]byte, error) {
		got, err := a.web.Get(ctx, source)
		return got.Body, err
	}}, nil
}

func (c *importCmd) folder(ctx context.Context, root string, a *app, account store.Account, t *tally) (all []item, err error) {
	if _, err := os.Stat(filepath.Join(root, manifestName)); err == nil {
		head, items, err := c.manifest(root, a)
		if err != nil {
			return nil, err
		}
		return items, c.adopt(ctx, a, account, head, t)
	}
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
	return item{id: id, name: filepath.Base(file), asked: asked, load: func(context.Context) ([]byte, error) {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if limit := int64(a.settings.Origins.MaxBytes); info.Size() > limit {
			return nil, fault.New(fault.SourceTooLong, "It has %d bytes; at most %d are read", info.Size(), limit)
		}
		return os.ReadFile(file)
	}}
}

// work adds the items, as many at once as there are processors, and four at least:
// some wait for a network.
func (c *importCmd) work(ctx context.Context, a *app, account store.Account, feeds []feed, t *tally, to io.Writer) error {
	total := 0
	for _, f := range feeds {
		total += f.total
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription("importing"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	queue := make(chan item)
	var all sync.WaitGroup
	for range max(4, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := range queue {
				t.count(i, c.one(ctx, a, account, i, t))
				_ = bar.Add(1) // a bar that cannot be drawn stops no import
			}
		})
	}
	var errs []error
	for _, f := range feeds {
		errs = append(errs, f.each(ctx, func(i item) {
			if ctx.Err() == nil {
				queue <- i
			}
		}))
	}
	close(queue)
	all.Wait()
	_ = bar.Finish()
	return errors.Join(errs...)
}

func (c *importCmd) one(ctx context.Context, a *app, account store.Account, i item, t *tally) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !params.ValidImageID(i.id) {
		return fmt.Errorf("%q cannot be an image id", i.id)
	}
	if word := params.ReservedID(i.id); word != "" {
		return fmt.Errorf("%q cannot be an image id: %s is a call of the API; use --prefix", i.id, word)
	}
	img := store.Image{Account: account.Hash, ID: i.id, Filename: i.name}
	if i.record != nil {
		img = i.record(account.Hash)
	}
	have, err := a.library.Names.Image(ctx, account.Hash, i.id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err == nil && !have.Draft && (!c.Replace || i.record != nil) {
		differences := unlike(&have, &img, i.record != nil)
		if len(differences) > 0 && !c.Replace {
			t.note("%s: %s", i.id, strings.Join(differences, ", "))
		}
		if len(differences) == 0 || !c.Replace {
			return store.ErrExists
		}
	}
	body, err := i.load(ctx)
	if err != nil {
		return err
	}
	if err := a.inspect(body, &img); err != nil {
		return err
	}
	_, err = a.library.Add(ctx, img, body, c.Replace)
	return err
}

// unlike names what of an image is not as it was where it comes from.
func unlike(have, want *store.Image, known bool) (names []string) {
	if !known {
		return nil
	}
	for _, d := range []struct {
		name string
		same bool
	}{
		{"filename", have.Filename == want.Filename}, {"creator", have.Creator == want.Creator}, {"metadata", sameJSON(have.Meta, want.Meta)},
		{"bytes", want.Blob == "" || have.Blob.Hash() == want.Blob.Hash()},
		{"uploaded", have.Uploaded.Equal(want.Uploaded.Truncate(time.Millisecond))}, {"requireSignedURLs", have.RequireSigned == want.RequireSigned},
	} {
		if !d.same {
			names = append(names, d.name)
		}
	}
	return names
}

// sameJSON compares what is said, not how it is spelt.
func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}

// adopt gives the account the variants, and an empty one the settings, of where
// its images come from.
func (c *importCmd) adopt(ctx context.Context, a *app, account store.Account, from *exportedAccount, t *tally) error {
	for i := range from.Variants {
		if err := c.adoptVariant(ctx, a, account, from.Variants[i].variant(), t); err != nil {
			return fmt.Errorf("variant %s: %w", from.Variants[i].ID, err)
		}
	}
	n, err := a.library.Names.CountImages(ctx, account.Hash)
	if err != nil {
		return err
	}
	mayChange := n == 0 || c.Replace // an empty account has nothing that depends on it
	if err := c.adoptKeys(ctx, a, account, from.Keys, mayChange, t); err != nil {
		return err
	}
	want := account
	want.Flexible, want.BrowserTTL = from.Flexible, time.Duration(from.BrowserTTL)*time.Second
	if from.Format == 0 || want == account { // Cloudflare does not tell
		return nil
	}
	if !mayChange {
		t.note("account %s: flexible_variants or browser_ttl", account.Hash)
		return nil
	}
	_, err = a.library.ChangeAccount(ctx, account.Hash, func(to *store.Account) error { *to = want; return nil })
	return err
}

// adoptKeys adds the keys. One of another value that is there already has signed
// URLs that are in use: it stays unless mayChange.
func (c *importCmd) adoptKeys(ctx context.Context, a *app, account store.Account, keys map[string]string, mayChange bool, t *tally) error {
	kept, err := a.library.Names.Keys(ctx, account.Hash)
	if err != nil {
		return err
	}
	have := map[string]token.Secret{}
	for _, k := range kept {
		have[k.Name] = k.Value
	}
	for name, value := range keys {
		k := token.Key{Name: name, Value: token.Secret(value)}
		old, there := have[name]
		switch {
		case there && subtle.ConstantTimeCompare([]byte(old), []byte(k.Value)) == 1:
		case there && !mayChange:
			t.note("key %s", name)
		default:
			if err := a.library.AdoptKey(ctx, account.Hash, k); err != nil {
				return fmt.Errorf("key %s: %w", name, err)
			}
		}
	}
	return nil
}

func (c *importCmd) adoptVariant(ctx context.Context, a *app, account store.Account, v store.Variant, t *tally) error {
	err := a.library.AddVariant(ctx, account.Hash, v, a.settings.API.Variants)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	all, err := a.library.Names.Variants(ctx, account.Hash)
	if err != nil {
		return err
	}
	for _, have := range all {
		if have.Name != v.Name || reflect.DeepEqual(have, v) {
			continue
		}
		untouched := v.Name == store.PublicVariant && reflect.DeepEqual(have, store.Public())
		if !c.Replace && !untouched {
			t.note("variant %s", v.Name)
			return nil
		}
		_, err := a.library.ChangeVariant(ctx, account.Hash, v.Name, func(to *store.Variant) error { *to = v; return nil })
		return err
	}
	return nil
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
