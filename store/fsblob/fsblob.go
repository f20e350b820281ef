// Package fsblob keeps bytes as files named by their hash.
package fsblob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

// Store is a store.Blobs in a folder: ab/cd/abcd… for the hash abcd…
type Store struct{ root string }

// unfinished begins the names of files that are being written.
const unfinished = ".put-"

// abandoned is the age from which an unfinished file belongs to nobody.
const abandoned = time.Hour

// Open returns a Store in folder, which it makes if it is not there.
func Open(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	return &Store{root: folder}, nil
}

func (s *Store) path(ref store.BlobRef) (string, error) {
	if !ref.Valid() {
		return "", fmt.Errorf("blobs: %q is no name", ref)
	}
	return filepath.Join(s.root, string(ref[:2]), string(ref[2:4]), string(ref)), nil
}

// Put implements store.Blobs: the bytes are written beside their place, synced,
// and then named.
func (s *Store) Put(ctx context.Context, as store.BlobRef, r io.Reader) (ref store.BlobRef, n int64, err error) {
	file, err := os.CreateTemp(s.root, unfinished+"*")
	if err != nil {
		return "", 0, fmt.Errorf("blobs: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("blobs: %w", err), file.Close(), os.Remove(file.Name()))
		}
	}()
	hash := sha256.New()
	if n, err = io.Copy(io.MultiWriter(file, hash), &reader{ctx, r}); err != nil {
		return "", 0, err
	}
	if err = file.Sync(); err != nil {
		return "", 0, err
	}
	if ref, err = as.Of(hex.EncodeToString(hash.Sum(nil))); err != nil {
		return "", 0, err
	}
	path, err := s.path(ref)
	if err != nil {
		return "", 0, err
	}
	if err = s.folder(filepath.Dir(path)); err != nil {
		return "", 0, err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return "", 0, err
	}
	// From here on the bytes have their name: nothing is to be removed.
	return ref, n, errors.Join(file.Close(), syncFolder(filepath.Dir(path)))
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// folder makes the folder for bytes and sees that a power cut does not take it.
func (s *Store) folder(path string) error {
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist) || path == s.root:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err = s.folder(filepath.Dir(path)); err == nil {
			err = os.Mkdir(path, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a new name survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Open implements store.Blobs.
func (s *Store) Open(_ context.Context, ref store.BlobRef) (io.ReadCloser, int64, error) {
	path, err := s.path(ref)
	if err != nil {
		return nil, 0, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fault.Wrap(fault.NotFound, err, "The image's bytes are not there")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("blobs: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("blobs: %w", err), file.Close())
	}
	return file, info.Size(), nil
}

// Delete implements store.Blobs.
func (s *Store) Delete(_ context.Context, ref store.BlobRef) error {
	path, err := s.path(ref)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blobs: %w", err)
	}
	return nil
}

// List implements store.Blobs.
func (s *Store) List(ctx context.Context, each func(store.BlobRef, time.Time) error) error {
	return filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed while we walk
			return nil
		case err != nil:
			return fmt.Errorf("blobs: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blobs: %w", err)
		}
		ref := store.BlobRef(entry.Name())
		switch {
		case ref.Valid():
			return each(ref, info.ModTime())
		case strings.HasPrefix(entry.Name(), unfinished) && time.Since(info.ModTime()) > abandoned:
			return os.Remove(path)
		}
		return nil
	})
}
