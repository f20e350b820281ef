package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// An export is a folder of originals, named by their hash, and a manifest: lines
// of JSON, the first of which is the account and every other one an image.
const manifestName = "manifest.jsonl"

// exportedAccount is the first line.
type exportedAccount struct {
	Format     int               `json:"fovea_export"` // 1
	Hash       string            `json:"account_hash"`
	Flexible   bool              `json:"flexible_variants"`
	BrowserTTL int64             `json:"browser_ttl,omitempty"` // seconds
	Variants   []exportedVariant `json:"variants"`
	Keys       map[string]string `json:"signing_keys,omitempty"`
}

type exportedVariant struct {
	ID          string         `json:"id"`
	Options     params.Options `json:"options"`
	NeverSigned bool           `json:"neverRequireSignedURLs"`
	BrowserTTL  int64          `json:"browser_ttl,omitempty"` // seconds
}

// exportedImage is every other line.
type exportedImage struct {
	ID            string          `json:"id"`
	File          string          `json:"file"` // in the folder, with slashes
	Filename      string          `json:"filename"`
	Creator       string          `json:"creator,omitempty"`
	Meta          json.RawMessage `json:"meta"`
	Uploaded      time.Time       `json:"uploaded"`
	RequireSigned bool            `json:"requireSignedURLs"`
}

// record is the image as a store keeps it, but for what its bytes say.
func (e *exportedImage) record(account string) store.Image {
	img := store.Image{
		Account: account, ID: e.ID, Filename: e.Filename, Creator: e.Creator, Meta: e.Meta,
		Uploaded: e.Uploaded, RequireSigned: e.RequireSigned,
	}
	if e.File != "" {
		img.Blob = store.BlobRef(path.Base(e.File))
	}
	return img
}

func exportVariant(v *store.Variant) exportedVariant {
	return exportedVariant{v.Name, v.Options, v.NeverRequireSigned, int64(v.BrowserTTL / time.Second)}
}

func (e *exportedVariant) variant() store.Variant {
	return store.Variant{Name: e.ID, Options: e.Options, NeverRequireSigned: e.NeverSigned, BrowserTTL: time.Duration(e.BrowserTTL) * time.Second}
}

type exportCmd struct {
	Folder string `arg:"" help:"Folder to write; made when absent. What is in it already is not copied again." type:"path"`
	Keys   bool   `help:"Write the signing keys, too. Whoever reads them can sign."`
}

// Run writes the account into a folder that import reads.
func (c *exportCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, account, err := keptApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return err
	}
	unfinished := filepath.Join(c.Folder, "."+manifestName)
	file, err := os.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	n, err := c.write(ctx, a, account, json.NewEncoder(out))
	if err = errors.Join(err, out.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, filepath.Join(c.Folder, manifestName)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%d images of account %s exported to %s\n", n, account.Hash, c.Folder)
	return err
}

func (c *exportCmd) write(ctx context.Context, a *app, account store.Account, out *json.Encoder) (n int, err error) {
	head := exportedAccount{Format: 1, Hash: account.Hash, Flexible: account.Flexible, BrowserTTL: int64(account.BrowserTTL / time.Second)}
	variants, err := a.library.Names.Variants(ctx, account.Hash)
	if err != nil {
		return 0, err
	}
	for i := range variants {
		head.Variants = append(head.Variants, exportVariant(&variants[i]))
	}
	if c.Keys {
		keys, err := a.library.Names.Keys(ctx, account.Hash)
		if err != nil {
			return 0, err
		}
		head.Keys = map[string]string{}
		for _, k := range keys {
			head.Keys[k.Name] = string(k.Value)
		}
	}
	if err := out.Encode(head); err != nil {
		return 0, err
	}
	for after := ""; ; {
		page, err := a.library.Names.Images(ctx, account.Hash, after, 1000)
		if err != nil || len(page) == 0 {
			return n, err
		}
		for i := range page {
			img := &page[i]
			if img.Draft {
				continue
			}
			ref := img.Blob.Hash()
			line := exportedImage{img.ID, "originals/" + ref[:2] + "/" + ref, img.Filename, img.Creator, img.Meta, img.Uploaded, img.RequireSigned}
			err := copyBlob(ctx, a.library.Blobs, img, filepath.Join(c.Folder, filepath.FromSlash(line.File)))
			if now, lookErr := a.library.Names.Image(ctx, account.Hash, img.ID); err != nil && (fault.Is(lookErr, fault.NotFound) || lookErr == nil && now.Version != img.Version) {
				continue // it went, or changed, while we were at it
			}
			if err != nil {
				return n, fmt.Errorf("%s: %w", img.ID, err)
			}
			if err := out.Encode(line); err != nil {
				return n, err
			}
			n++
		}
		after = page[len(page)-1].ID
	}
}

// copyBlob copies bytes into a file that has them whole or is not there.
func copyBlob(ctx context.Context, from store.Blobs, img *store.Image, to string) (err error) {
	if info, err := os.Stat(to); err == nil && info.Size() == img.Bytes {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	r, _, err := from.Open(ctx, img.Blob)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	file, err := os.CreateTemp(filepath.Dir(to), ".export-*")
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, r); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// manifest reads the export in folder: its account, and its images as items.
func (c *importCmd) manifest(folder string, a *app) (_ *exportedAccount, _ []item, err error) {
	file, err := os.Open(filepath.Join(folder, manifestName))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := json.NewDecoder(bufio.NewReader(file))
	lines.DisallowUnknownFields()
	var head exportedAccount
	if err := lines.Decode(&head); err != nil || head.Format != 1 {
		return nil, nil, errors.Join(fmt.Errorf("%s: expected an export of format 1, received %d", file.Name(), head.Format), err)
	}
	var items []item
	for {
		var line exportedImage
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return &head, items, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s, image %d: %w", file.Name(), len(items)+1, err)
		}
		var meta map[string]any
		if err := json.Unmarshal(line.Meta, &meta); err != nil || meta == nil {
			return nil, nil, fmt.Errorf("%s: expected meta of %q to be an object", file.Name(), line.ID)
		}
		if !filepath.IsLocal(filepath.FromSlash(line.File)) || !store.BlobRef(filepath.Base(line.File)).Valid() {
			return nil, nil, fmt.Errorf("%s: expected a file of the export that is named by its hash, received %q", file.Name(), line.File)
		}
		line.ID = c.Prefix + line.ID
		found := fileItem(line.ID, filepath.Join(folder, filepath.FromSlash(line.File)), a, true)
		found.record, found.load = line.record, checked(filepath.Base(line.File), found.load)
		items = append(items, found)
	}
}

// checked loads bytes and complains if they are not those of the hash.
func checked(want string, load func(context.Context) ([]byte, error)) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		body, err := load(ctx)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != want {
			return nil, fmt.Errorf("expected bytes of the hash %s; the file was changed", want)
		}
		return body, nil
	}
}
