//go:build unix

package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes the folder for this process until the file is closed.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("cache folder: expected one that no other process uses: %w", err), f.Close())
	}
	return f, nil
}
