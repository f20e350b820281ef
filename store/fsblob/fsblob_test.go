package fsblob

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/storetest"
)

func TestBlobs(t *testing.T) {
	storetest.Blobs(t, func(t *testing.T) store.Blobs {
		s, err := Open(filepath.Join(t.TempDir(), "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestListRemovesWhatACrashLeft(t *testing.T) {
	folder := t.TempDir()
	s, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(folder, unfinished+"old"), filepath.Join(folder, unfinished+"young")
	for _, file := range []string{old, young} {
		if err := os.WriteFile(file, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if err := s.List(t.Context(), func(ref store.BlobRef, _ time.Time) error {
		t.Errorf("listed %v", ref)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one: %v", err)
	}
}
