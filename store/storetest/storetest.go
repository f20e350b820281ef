// Package storetest is the conformance suite of store.Names and store.Blobs.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

var firstKey = token.Key{Name: store.DefaultKey, Value: "first"}

// Names runs the suite; open returns an empty keeper, as two processes have it open.
func Names(t *testing.T, open func(t *testing.T) (one, other store.Names)) {
	account := store.NewAccount("")
	image := store.Image{
		Account: account.Hash, ID: "shoes/röd 1%.jpg", Filename: "röd.jpg", Creator: "me", Meta: []byte(`{"a":[1,2]}`),
		Uploaded: time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC), RequireSigned: true, Blob: store.BlobRef(fmt.Sprintf("%064d", 7)),
		Media: params.WebP, Size: params.Size{W: 4032, H: 3024}, Orientation: 6, Frames: 24, Alpha: true, Bytes: 1 << 40,
	}
	both := func(t *testing.T) [2]store.Names {
		one, other := open(t)
		if err := one.AddAccount(t.Context(), account, firstKey); err != nil {
			t.Fatal(err)
		}
		return [2]store.Names{one, other}
	}
	begin := func(t *testing.T) store.Names { return both(t)[0] }
	accounts(t, begin, account)
	t.Run("an image comes back whole, with a version", func(t *testing.T) {
		names := begin(t)
		added, err := names.AddImage(t.Context(), image, false)
		if err != nil || added.Version <= 0 {
			t.Fatalf("%+v, %v", added, err)
		}
		want := image
		want.Version = added.Version
		got, err := names.Image(t.Context(), image.Account, image.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	})
	versions(t, begin, image)
	absences(t, begin, account, image)
	t.Run("images are listed in pages", func(t *testing.T) { pages(t, begin(t), image) })
	t.Run("variants are added, changed and removed", func(t *testing.T) { variants(t, begin(t), account.Hash) })
	t.Run("bytes know whether they are used", func(t *testing.T) {
		names := begin(t)
		for _, want := range []bool{false, true} {
			if used, err := names.BlobUsed(t.Context(), image.Blob); err != nil || used != want {
				t.Errorf("used %v, %v; want %v", used, err, want)
			}
			if !want {
				if _, err := names.AddImage(t.Context(), image, false); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	t.Run("what is changed by many at once is changed by all", func(t *testing.T) { counters(t, both(t), account.Hash) })
	removals(t, begin, image)
	drafts(t, begin, both, image)
	lists(t, begin, image)
	t.Run("only given fields change", func(t *testing.T) { changes(t, begin(t), image) })
	t.Run("keys are added, rotated and removed, and never run out", func(t *testing.T) { keys(t, begin(t), account.Hash) })
	t.Run("grants are found by their token until they are revoked", func(t *testing.T) { grants(t, begin(t), account.Hash) })
	t.Run("many write at once", func(t *testing.T) { crowd(t, both(t), image) })
	races(t, both, image)
	t.Run("an ended context ends the call", func(t *testing.T) {
		names := begin(t)
		ctx, end := context.WithCancel(t.Context())
		end()
		if _, err := names.AddImage(ctx, image, false); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

type opener = func(t *testing.T) store.Names

func accounts(t *testing.T, begin opener, account store.Account) {
	t.Run("an account begins with its public variant", func(t *testing.T) {
		names := begin(t)
		got, err := names.Account(t.Context(), account.Hash)
		if err != nil || got != account {
			t.Errorf("%+v, %v", got, err)
		}
		variants, err := names.Variants(t.Context(), account.Hash)
		if diff := cmp.Diff([]store.Variant{store.Public()}, variants); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		if keys, err := names.Keys(t.Context(), account.Hash); err != nil || !cmp.Equal(keys, []token.Key{firstKey}) {
			t.Errorf("%v, %v", keys, err)
		}
		if err := names.AddAccount(t.Context(), account, firstKey); !errors.Is(err, store.ErrExists) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("account settings are kept", func(t *testing.T) {
		names := begin(t)
		want := account
		want.Flexible, want.BrowserTTL = true, time.Hour
		set := func(a *store.Account) error {
			a.Flexible, a.BrowserTTL, a.ID, a.Hash = true, time.Hour, "other", "other"
			return nil
		}
		if got, err := names.ChangeAccount(t.Context(), want.Hash, set); err != nil || got != want {
			t.Fatal(got, err)
		}
		if all, err := names.Accounts(t.Context()); err != nil || !cmp.Equal(all, []store.Account{want}) {
			t.Errorf("%+v, %v", all, err)
		}
		torn := errors.New("torn")
		if _, err := names.ChangeAccount(t.Context(), want.Hash, func(a *store.Account) error { a.Flexible = false; return torn }); !errors.Is(err, torn) {
			t.Errorf("%v", err)
		}
		if got, err := names.Account(t.Context(), want.Hash); err != nil || got != want {
			t.Errorf("after a change that was given up: %+v, %v", got, err)
		}
		if _, err := names.ChangeAccount(t.Context(), "unknown", set); !fault.Is(err, fault.WrongAccount) {
			t.Errorf("of an unknown account: %v", err)
		}
	})
}

func versions(t *testing.T, begin opener, image store.Image) {
	t.Run("a taken id is refused or replaced, and versions only grow", func(t *testing.T) {
		names := begin(t)
		first, err := names.AddImage(t.Context(), image, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := names.AddImage(t.Context(), image, false); !errors.Is(err, store.ErrExists) {
			t.Errorf("again: %v", err)
		}
		second, err := names.AddImage(t.Context(), image, true)
		if err != nil || second.Version <= first.Version {
			t.Errorf("replaced: %d after %d, %v", second.Version, first.Version, err)
		}
		removed, err := names.RemoveImage(t.Context(), image.Account, image.ID)
		if err != nil || removed.Version != second.Version {
			t.Errorf("removed %+v, %v", removed, err)
		}
		third, err := names.AddImage(t.Context(), image, false)
		if err != nil || third.Version <= second.Version {
			t.Errorf("added again: %d after %d, %v", third.Version, second.Version, err)
		}
	})
}

func absences(t *testing.T, begin opener, account store.Account, image store.Image) {
	t.Run("what is not there is a fault of its kind", func(t *testing.T) {
		names := begin(t)
		ctx := t.Context()
		stranger := image
		stranger.Account = "nobody"
		_, imageErr := names.Image(ctx, account.Hash, "x")
		_, removeErr := names.RemoveImage(ctx, account.Hash, "x")
		_, accountErr := names.Account(ctx, "nobody")
		_, addErr := names.AddImage(ctx, stranger, false)
		_, changeErr := names.ChangeImage(ctx, account.Hash, "x", store.Change{})
		_, fillErr := names.FillDraft(ctx, image)
		_, variantErr := names.ChangeVariant(ctx, account.Hash, "x", func(*store.Variant) error { return nil })
		_, grantErr := names.Grant(ctx, "x")
		_, revokeErr := names.RevokeGrant(ctx, "x", time.Now())
		for _, tt := range []struct {
			err  error
			kind fault.Kind
		}{
			{imageErr, fault.NotFound}, {removeErr, fault.NotFound}, {accountErr, fault.WrongAccount}, {addErr, fault.WrongAccount},
			{names.RemoveVariant(ctx, account.Hash, "x"), fault.NoVariant}, {names.AddVariant(ctx, "nobody", store.Variant{Name: "x"}, 9), fault.WrongAccount},
			{variantErr, fault.NoVariant}, {names.SetKey(ctx, "nobody", firstKey, 9), fault.WrongAccount},
			{names.RemoveKey(ctx, account.Hash, "x", firstKey), fault.NotFound}, {names.AddGrant(ctx, store.Grant{Account: "nobody", Scope: store.Read}), fault.WrongAccount},
			{changeErr, fault.NotFound}, {fillErr, fault.NotFound}, {grantErr, fault.NotFound}, {revokeErr, fault.NotFound},
		} {
			if !fault.Is(tt.err, tt.kind) {
				t.Errorf("%v, want kind %v", tt.err, tt.kind)
			}
		}
	})
}

func pages(t *testing.T, names store.Names, image store.Image) {
	var want, got []string
	for i := range 25 {
		image.ID = fmt.Sprintf("i%02d", i)
		want = append(want, image.ID)
		if _, err := names.AddImage(t.Context(), image, false); err != nil {
			t.Fatal(err)
		}
	}
	for after := ""; ; {
		page, err := names.Images(t.Context(), image.Account, after, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			got = append(got, i.ID)
		}
		after = got[len(got)-1]
		if _, err := names.RemoveImage(t.Context(), image.Account, got[0]); err != nil && len(got) == 10 {
			t.Fatal(err)
		}
	}
	if !cmp.Equal(want, got) {
		t.Errorf("listed %v", got)
	}
	if n, err := names.CountImages(t.Context(), image.Account); err != nil || n != 24 {
		t.Errorf("%d images, %v", n, err)
	}
}

func variants(t *testing.T, names store.Names, account string) {
	factor := 0.0
	want := store.Variant{
		Name: "hero", NeverRequireSigned: true, BrowserTTL: time.Hour,
		Options: params.Options{Width: 100, Fit: params.Cover, Gravity: params.Gravity{Kind: params.GravityPoint, X: 0.25}, Saturation: &factor,
			Trim: params.Trim{Border: true}, Border: params.Border{Top: 3}},
	}
	first := want
	first.Options.Width = 50
	if err := names.AddVariant(t.Context(), account, first, 1); !errors.Is(err, store.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	if err := names.AddVariant(t.Context(), account, first, 2); err != nil {
		t.Fatal(err)
	}
	if err := names.AddVariant(t.Context(), account, want, 2); !errors.Is(err, store.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if changed, err := names.ChangeVariant(t.Context(), account, "hero", func(v *store.Variant) error {
		v.Options.Width, v.Name = want.Options.Width, "other"
		return nil
	}); err != nil || !cmp.Equal(changed, want) {
		t.Fatal(changed, err)
	}
	torn := errors.New("torn")
	if _, err := names.ChangeVariant(t.Context(), account, "hero", func(v *store.Variant) error { v.Options.Width = 1; return torn }); !errors.Is(err, torn) {
		t.Errorf("a change that was given up: %v", err)
	}
	got, err := names.Variants(t.Context(), account)
	if diff := cmp.Diff([]store.Variant{want, store.Public()}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if err := names.RemoveVariant(t.Context(), account, "hero"); err != nil {
		t.Error(err)
	}
	if got, err := names.Variants(t.Context(), account); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// counters has many add to what is there.
func counters(t *testing.T, both [2]store.Names, account string) {
	var all sync.WaitGroup
	for w := range 4 {
		names := both[w%2]
		all.Go(func() {
			for i := range 10 {
				_, err1 := names.ChangeAccount(t.Context(), account, func(a *store.Account) error { a.BrowserTTL += time.Second; return nil })
				_, err2 := names.ChangeVariant(t.Context(), account, store.PublicVariant, func(v *store.Variant) error { v.Options.Width++; return nil })
				err3 := names.AddVariant(t.Context(), account, store.Variant{Name: fmt.Sprint(w, "-", i)}, 20)
				err4 := names.SetKey(t.Context(), account, token.Key{Name: fmt.Sprint(w, "-", i), Value: "k"}, 20)
				for _, err := range []error{err1, err2, err3, err4} {
					if err != nil && !errors.Is(err, store.ErrFull) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	names := both[0]
	got, err1 := names.Account(t.Context(), account)
	variants, err2 := names.Variants(t.Context(), account)
	keys, err3 := names.Keys(t.Context(), account)
	public := variants[len(variants)-1]
	if err := errors.Join(err1, err2, err3); err != nil || got.BrowserTTL != 40*time.Second || public.Options.Width != store.Public().Options.Width+40 || len(variants) != 20 || len(keys) != 20 {
		t.Errorf("%v, public is %d wide, %d variants, %d keys, %v", got.BrowserTTL, public.Options.Width, len(variants), len(keys), err)
	}
}

// removals looks at the promise that no image is given bytes that are removed.
func removals(t *testing.T, begin opener, image store.Image) {
	buried := func(t *testing.T, names store.Names, at time.Time) bool {
		t.Helper()
		added, err := names.AddTombstone(t.Context(), image.Blob, at)
		if err != nil {
			t.Fatal(err)
		}
		return added
	}
	t.Run("bytes that an image has get no tombstone", func(t *testing.T) {
		names := begin(t)
		if _, err := names.AddImage(t.Context(), image, false); err != nil {
			t.Fatal(err)
		}
		if buried(t, names, image.Uploaded) {
			t.Error("they have one")
		}
		other := image
		other.ID = "other"
		if _, err := names.AddImage(t.Context(), other, false); err != nil {
			t.Errorf("one more image of them: %v", err)
		}
	})
	t.Run("bytes that have a tombstone are given to no image, by another name they are", func(t *testing.T) {
		names := begin(t)
		for range 2 {
			if !buried(t, names, image.Uploaded) {
				t.Error("they have none")
			}
		}
		if _, err := names.AddImage(t.Context(), image, true); !errors.Is(err, store.ErrRemoved) {
			t.Errorf("%v", err)
		}
		if _, err := names.Image(t.Context(), image.Account, image.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("an image without its bytes: %v", err)
		}
		apart := image
		apart.Blob = image.Blob.Apart()
		if got, err := names.AddImage(t.Context(), apart, false); err != nil || got.Blob != apart.Blob {
			t.Errorf("%v, %v", got.Blob, err)
		}
	})
	t.Run("a tombstone goes when it has not been set for long", func(t *testing.T) {
		names := begin(t)
		for _, at := range []time.Duration{0, time.Hour, time.Minute} {
			if !buried(t, names, image.Uploaded.Add(at)) {
				t.Error("they have none")
			}
		}
		for _, tt := range []struct {
			then time.Duration
			want int64
		}{{time.Minute, 0}, {time.Hour, 0}, {time.Hour + time.Second, 1}} {
			if n, err := names.RemoveTombstones(t.Context(), image.Uploaded.Add(tt.then)); err != nil || n != tt.want {
				t.Errorf("%d removed, %v; want %d", n, err, tt.want)
			}
		}
		if _, err := names.AddImage(t.Context(), image, false); err != nil {
			t.Error(err)
		}
	})
	t.Run("tombstones are listed in pages", func(t *testing.T) {
		names := begin(t)
		want := []store.Tombstone{{Blob: image.Blob, At: image.Uploaded}, {Blob: image.Blob.Apart(), At: image.Uploaded.Add(time.Hour)}}
		for _, one := range []store.Tombstone{want[1], want[0]} {
			if _, err := names.AddTombstone(t.Context(), one.Blob, one.At); err != nil {
				t.Fatal(err)
			}
		}
		var got []store.Tombstone
		for after := store.BlobRef(""); ; after = got[len(got)-1].Blob {
			page, err := names.Tombstones(t.Context(), after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("a draft that is not filled stays one", func(t *testing.T) {
		names := begin(t)
		draft := image
		draft.Draft, draft.Blob, draft.Expires = true, "", image.Uploaded.Add(time.Minute)
		if _, err := names.AddImage(t.Context(), draft, false); err != nil {
			t.Fatal(err)
		}
		buried(t, names, image.Uploaded)
		if _, err := names.FillDraft(t.Context(), image); !errors.Is(err, store.ErrRemoved) {
			t.Errorf("%v", err)
		}
		if got, err := names.Image(t.Context(), image.Account, image.ID); err != nil || !got.Draft {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func crowd(t *testing.T, both [2]store.Names, image store.Image) {
	var all sync.WaitGroup
	var mu sync.Mutex
	versions := map[int64]bool{}
	for w := range 4 {
		names := both[w%2]
		all.Go(func() {
			for i := range 20 {
				mine := image
				mine.ID = fmt.Sprint(w, "-", i)
				added, err := names.AddImage(t.Context(), mine, false)
				if err == nil {
					_, err = names.Image(t.Context(), mine.Account, mine.ID)
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				versions[added.Version] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(versions) != 80 {
		t.Errorf("%d versions", len(versions))
	}
}

// Blobs runs the suite; open returns an empty keeper.
func Blobs(t *testing.T, open func(t *testing.T) store.Blobs) {
	body := []byte("\x00\xff bytes \r\n")
	sum := sha256.Sum256(body)
	name := store.BlobRef(hex.EncodeToString(sum[:]))
	read := func(t *testing.T, blobs store.Blobs) []byte {
		t.Helper()
		r, n, err := blobs.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || int64(len(got)) != n {
			t.Fatalf("%d of %d bytes, %v", len(got), n, err)
		}
		return got
	}
	t.Run("bytes come back under their hash, put twice or at once", func(t *testing.T) {
		blobs := open(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if ref, n, err := blobs.Put(t.Context(), "", bytes.NewReader(body)); err != nil || ref != name || n != int64(len(body)) {
					t.Errorf("%v %d %v", ref, n, err)
				}
			})
		}
		all.Wait()
		if got := read(t, blobs); !bytes.Equal(got, body) {
			t.Errorf("%q", got)
		}
		count := 0
		if err := blobs.List(t.Context(), func(ref store.BlobRef, put time.Time) error {
			if count++; ref != name || time.Since(put) > time.Hour {
				t.Errorf("listed %v of %v", ref, put)
			}
			return nil
		}); err != nil || count != 1 {
			t.Errorf("%d listed, %v", count, err)
		}
	})
	t.Run("what is deleted is not there, twice over", func(t *testing.T) {
		blobs := open(t)
		if _, _, err := blobs.Put(t.Context(), "", bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := blobs.Delete(t.Context(), name); err != nil {
				t.Error(err)
			}
			if _, _, err := blobs.Open(t.Context(), name); !fault.Is(err, fault.NotFound) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("a Put that fails leaves nothing", func(t *testing.T) {
		blobs := open(t)
		torn := errors.New("torn")
		if _, _, err := blobs.Put(t.Context(), "", io.MultiReader(bytes.NewReader(body), failing{torn})); !errors.Is(err, torn) {
			t.Errorf("%v", err)
		}
		if _, _, err := blobs.Open(t.Context(), name); !fault.Is(err, fault.NotFound) {
			t.Errorf("%v", err)
		}
	})
	t.Run("bytes have several names, and none that is another's", func(t *testing.T) { manyNames(t, open(t), name, body) })
	t.Run("what is no name is refused", func(t *testing.T) {
		blobs := open(t)
		for _, ref := range []store.BlobRef{"", "../../etc/passwd", name[:63], store.BlobRef(bytes.ToUpper([]byte(name))), name + "-", name + "-0123456789abcde/", name.Apart() + "-"} {
			if _, _, err := blobs.Open(t.Context(), ref); err == nil {
				t.Errorf("%q was opened", ref)
			}
			if err := blobs.Delete(t.Context(), ref); err == nil {
				t.Errorf("%q was deleted", ref)
			}
		}
	})
}

// manyNames puts body, whose hash is name, apart.
func manyNames(t *testing.T, blobs store.Blobs, name store.BlobRef, body []byte) {
	if _, _, err := blobs.Put(t.Context(), "", bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	apart, others := name.Apart(), store.BlobRef(fmt.Sprintf("%064d", 1))
	for range 2 {
		if ref, n, err := blobs.Put(t.Context(), apart, bytes.NewReader(body)); err != nil || ref != apart || n != int64(len(body)) {
			t.Errorf("%v %d %v", ref, n, err)
		}
	}
	for _, as := range []store.BlobRef{others, others.Apart(), name + "-", "../x"} {
		if _, _, err := blobs.Put(t.Context(), as, io.MultiReader(bytes.NewReader(body))); err == nil {
			t.Errorf("put as %s", as)
		}
	}
	if err := blobs.Delete(t.Context(), name); err != nil {
		t.Error(err)
	}
	r, n, err := blobs.Open(t.Context(), apart)
	if err != nil || n != int64(len(body)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	var listed []store.BlobRef
	if err := blobs.List(t.Context(), func(ref store.BlobRef, _ time.Time) error { listed = append(listed, ref); return nil }); err != nil || !cmp.Equal(listed, []store.BlobRef{apart}) {
		t.Errorf("listed %v, %v", listed, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
