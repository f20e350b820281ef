//go:build !unix

package disk

import (
	"fmt"
	"os"
)

// lock opens the file: here nothing keeps a second process out.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	return f, nil
}
