package sqldb

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
)

// What it saves that a statement is prepared once: the same look-up, list page and
// change, prepared and as text.
func BenchmarkPrepared(b *testing.B) {
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "names.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	account := store.NewAccount("")
	if err := db.AddAccount(b.Context(), account, store.NewKey("default")); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		img := store.Image{Account: account.Hash, ID: fmt.Sprint(i), Uploaded: time.UnixMilli(int64(1700000000000 + i))}
		if _, err := db.AddImage(b.Context(), img, false); err != nil {
			b.Fatal(err)
		}
	}
	page := db.read.compose(&store.Query{Account: account.Hash, Limit: 1})
	for _, tt := range []struct {
		name, text string
		args       []any
	}{{"image", oneImage, []any{account.Hash, "500"}}, {"page of 1", page.text.String(), page.values}} {
		b.Run(tt.name+"/prepared", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := first(b.Context(), db.read, noImage, scanImage, tt.text, tt.args...); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tt.name+"/as text", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := scanImage(db.read.QueryRowContext(b.Context(), tt.text, tt.args...)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One page of a million images costs what one of a thousand does.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		if n > 1000 && testing.Short() {
			continue
		}
		db, err := Open(b.Context(), filepath.Join(b.TempDir(), "names.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = db.Close() })
		account := store.NewAccount("")
		if err := db.AddAccount(b.Context(), account, store.NewKey("default")); err != nil {
			b.Fatal(err)
		}
		if _, err := db.write.ExecContext(b.Context(), `
			INSERT INTO images (account, id, filename, creator, meta, uploaded, blob, version)
			WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
			SELECT ?, printf('%08x-0000-4000-8000-%012x', (i * 2654435761) & 0xffffffff, i), 'photo.jpg', 'user' || (i % 1000), '{"n":' || i || ',"s":"v' || i || '"}',
				1700000000000 + i, printf('%064x', i), i FROM n`, n, account.Hash); err != nil {
			b.Fatal(err)
		}
		middle := &store.Position{Uploaded: time.UnixMilli(1700000000000 + int64(n)/2)}
		creator := "user7"
		rare, text, owned := "5", "v5", "v7"
		for name, q := range map[string]store.Query{
			"first page of 100":          {Limit: 100},
			"page of 100 in the middle":  {Limit: 100, After: middle},
			"page of 1000 in the middle": {Limit: 1000, After: middle},
			"creator, page of 100":       {Limit: 100, Creator: &creator},
			"one number of all":          {Limit: 100, Where: []store.Condition{{Field: []string{"n"}, Values: []store.Value{{Number: &rare}}}}},
			"one text of a creator":      {Limit: 100, Creator: &creator, Where: []store.Condition{{Field: []string{"s"}, Values: []store.Value{{Text: &owned}}}}},
			"one text of all":            {Limit: 100, Where: []store.Condition{{Field: []string{"s"}, Values: []store.Value{{Text: &text}}}}},
		} {
			q.Account = account.Hash
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if list, err := db.List(b.Context(), q); err != nil || len(list) == 0 {
						b.Fatal(len(list), err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%d/count", n), func(b *testing.B) {
			for b.Loop() {
				if got, err := db.CountImages(b.Context(), account.Hash); err != nil || got != int64(n) {
					b.Fatal(got, err)
				}
			}
		})
	}
}
