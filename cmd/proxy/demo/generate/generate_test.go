package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheSamePicturesEveryTime(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, folder := range []string{first, second} {
		if err := run(folder, 0.02); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"landscape.jpg", "still-life.jpg", "ornament.png"} {
		a, err1 := os.ReadFile(filepath.Join(first, name))
		b, err2 := os.ReadFile(filepath.Join(second, name))
		if err1 != nil || err2 != nil || len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: %d and %d bytes, %v %v", name, len(a), len(b), err1, err2)
		}
	}
}
