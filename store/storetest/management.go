package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

func drafts(t *testing.T, begin opener, both pair, image store.Image) {
	draft := store.Image{
		Account: image.Account, ID: image.ID, Creator: "me", Meta: []byte(`{"a":1}`), RequireSigned: true, Draft: true,
		Uploaded: image.Uploaded, Expires: image.Uploaded.Add(time.Minute),
	}
	add := func(t *testing.T, names store.Names) {
		t.Helper()
		if _, err := names.AddImage(t.Context(), draft, false); err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T) store.Names {
		names := begin(t)
		add(t, names)
		return names
	}
	t.Run("a draft is filled once, of many at once", func(t *testing.T) {
		two := both(t)
		add(t, two[0])
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 4 {
			names := two[i%2]
			all.Go(func() {
				switch got, err := names.FillDraft(t.Context(), image); {
				case err == nil:
					won.Add(1)
					want := image
					want.Creator, want.Meta, want.Version = draft.Creator, draft.Meta, got.Version
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				case !fault.Is(err, fault.NotFound):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("filled %d times", won.Load())
		}
	})
	t.Run("an expired draft is not filled and gives way", func(t *testing.T) {
		names := put(t)
		if _, err := names.AddImage(t.Context(), draft, false); !errors.Is(err, store.ErrExists) {
			t.Errorf("beside a draft that has not expired: %v", err)
		}
		late := image
		late.Uploaded = draft.Expires
		if _, err := names.FillDraft(t.Context(), late); !fault.Is(err, fault.NotFound) {
			t.Errorf("filled late: %v", err)
		}
		if _, err := names.AddImage(t.Context(), late, false); err != nil {
			t.Errorf("in its place: %v", err)
		}
	})
	t.Run("drafts are neither listed nor counted, and removed when they are old", func(t *testing.T) {
		names := put(t)
		list, listErr := names.List(t.Context(), store.Query{Account: image.Account, Limit: 10})
		n, countErr := names.CountImages(t.Context(), image.Account)
		if err := errors.Join(listErr, countErr); err != nil || len(list) != 0 || n != 0 {
			t.Errorf("%v, %d, %v", list, n, err)
		}
		for _, tt := range []struct {
			then time.Time
			want int64
		}{{draft.Expires, 0}, {draft.Expires.Add(time.Second), 1}} {
			if n, err := names.RemoveDrafts(t.Context(), tt.then); err != nil || n != tt.want {
				t.Errorf("removed %d, %v; want %d", n, err, tt.want)
			}
		}
	})
}

func lists(t *testing.T, begin opener, image store.Image) {
	add := func(t *testing.T, names store.Names, id, creator, meta string, at time.Duration) {
		t.Helper()
		i := image
		i.ID, i.Creator, i.Meta, i.Uploaded = id, creator, []byte(meta), image.Uploaded.Add(at)
		if _, err := names.AddImage(t.Context(), i, false); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a list is by time, then id, and goes on where it was", func(t *testing.T) {
		names := begin(t)
		for i := range 10 {
			add(t, names, fmt.Sprintf("i%d", i), "", "{}", time.Duration(i/2)*time.Second)
		}
		for _, ascending := range []bool{true, false} {
			q := store.Query{Account: image.Account, Ascending: ascending, Limit: 3}
			var got []string
			for {
				page, err := names.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				for i := range page {
					got = append(got, page[i].ID)
				}
				at := store.PositionOf(&page[len(page)-1])
				q.After = &at
				if len(got) == 3 { // what is gone or new before the place moves nothing
					first, _ := names.RemoveImage(t.Context(), image.Account, got[2])
					first.Creator = ""
					if _, err := names.AddImage(t.Context(), first, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			want := []string{"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"}
			if !ascending {
				for i, j := 0, 9; i < j; i, j = i+1, j-1 {
					want[i], want[j] = want[j], want[i]
				}
			}
			if !cmp.Equal(want, got) {
				t.Errorf("ascending %v: %v", ascending, got)
			}
		}
		page, err := names.List(t.Context(), store.Query{Account: image.Account, Ascending: true, Offset: 8, Limit: 5})
		if err != nil || len(page) != 2 || page[0].ID != "i8" {
			t.Errorf("offset: %v, %v", page, err)
		}
	})
	t.Run("a list is filtered by creator and metadata", func(t *testing.T) {
		names := begin(t)
		for i, meta := range []string{
			`{ "s" : "5", "n" : 5, "b": true, "o": {"p": "\u0078"}}`, `{"s":"five","n":5.5,"b":false}`, `{"s":5,"n":"5","b":"true"}`, `{"n":-1,"o":"x"}`, `{"o":"\"<\u2028\\"}`,
		} {
			creator := ""
			if i < 2 {
				creator = "me"
			}
			add(t, names, string(rune('a'+i)), creator, meta, time.Duration(i)*time.Second)
		}
		filters(t, names, image.Account)
	})
}

func filters(t *testing.T, names store.Names, account string) {
	text := func(s string) store.Value { return store.Value{Text: &s} }
	literal := func(s string) store.Value { return store.Value{Text: &s, Literal: &s} }
	number := func(n string) store.Value { return store.Value{Number: &n} }
	boolean := func(b bool) store.Value { return store.Value{Bool: &b} }
	where := func(o store.Operator, field []string, values ...store.Value) []store.Condition {
		return []store.Condition{{Field: field, Operator: o, Values: values}}
	}
	me, nobody := "me", ""
	for _, tt := range []struct {
		name string
		q    store.Query
		want string
	}{
		{"by creator", store.Query{Creator: &me}, "ab"},
		{"by no creator", store.Query{Creator: &nobody}, "cde"},
		{"a string", store.Query{Where: where(store.Equal, []string{"s"}, text("5"))}, "a"},
		{"a string or a number of the same text", store.Query{Where: where(store.Equal, []string{"s"}, literal("5"))}, "ac"},
		{"a boolean of the same text", store.Query{Where: where(store.Equal, []string{"b"}, literal("true"))}, "ac"},
		{"a number", store.Query{Where: where(store.Equal, []string{"n"}, number("5"))}, "a"},
		{"a boolean", store.Query{Where: where(store.Equal, []string{"b"}, boolean(false))}, "b"},
		{"one of several", store.Query{Where: where(store.Equal, []string{"s"}, text("5"), text("five"))}, "ab"},
		{"greater", store.Query{Where: where(store.Greater, []string{"n"}, number("5"))}, "b"},
		{"at least", store.Query{Where: where(store.GreaterEqual, []string{"n"}, number("5"))}, "ab"},
		{"less", store.Query{Where: where(store.Less, []string{"n"}, number("5"))}, "d"},
		{"at most", store.Query{Where: where(store.LessEqual, []string{"n"}, number("5"))}, "ad"},
		{"nested", store.Query{Where: where(store.Equal, []string{"o", "p"}, text("x"))}, "a"},
		{"all conditions hold", store.Query{Creator: &me, Where: append(where(store.Greater, []string{"n"}, number("5")), where(store.Equal, []string{"s"}, text("five"))...)}, "b"},
		{"conditions that contradict each other", store.Query{Where: append(where(store.Greater, []string{"n"}, number("5")), where(store.Less, []string{"n"}, number("5"))...)}, ""},
		{"a field of the same name elsewhere", store.Query{Where: where(store.Equal, []string{"p"}, text("x"))}, ""},
		{"a text that has to be escaped", store.Query{Where: where(store.Equal, []string{"o"}, text("\"<\u2028\\"))}, "e"},
		{"a part of the creator, whatever its case", store.Query{Search: "ME"}, "ab"},
		{"a part of the id", store.Query{Search: "c"}, "c"},
		{"a part of nothing", store.Query{Search: "cd"}, ""},
		{"a search that is no pattern", store.Query{Search: "%"}, ""},
		{"a text that is no pattern and no SQL", store.Query{Where: where(store.Equal, []string{"s"}, text("' OR 1=1 --"))}, ""},
	} {
		tt.q.Account, tt.q.Ascending, tt.q.Limit = account, true, 10
		page, err := names.List(t.Context(), tt.q)
		got := ""
		for i := range page {
			got += page[i].ID
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

func changes(t *testing.T, names store.Names, image store.Image) {
	want, err := names.AddImage(t.Context(), image, false)
	if err != nil {
		t.Fatal(err)
	}
	nobody, open := "", false
	for _, c := range []store.Change{{}, {Creator: &nobody}, {Meta: []byte(`{"z":1}`)}, {RequireSigned: &open}} {
		if c.Creator != nil {
			want.Creator = *c.Creator
		}
		if c.Meta != nil {
			want.Meta = c.Meta
		}
		if c.RequireSigned != nil {
			want.RequireSigned = *c.RequireSigned
		}
		got, err := names.ChangeImage(t.Context(), image.Account, image.ID, c)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
}

func keys(t *testing.T, names store.Names, account string) {
	values := func() map[string]token.Secret {
		all, err := names.Keys(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]token.Secret{}
		for _, k := range all {
			got[k.Name] = k.Value
		}
		return got
	}
	for _, step := range []struct {
		do   func() error
		want map[string]token.Secret
	}{
		{func() error { return names.SetKey(t.Context(), account, token.Key{Name: "b", Value: "1"}, 2) }, map[string]token.Secret{"default": "first", "b": "1"}},
		{func() error { return names.SetKey(t.Context(), account, token.Key{Name: "b", Value: "2"}, 2) }, map[string]token.Secret{"default": "first", "b": "2"}},
		{func() error { return names.RemoveKey(t.Context(), account, "default", firstKey) }, map[string]token.Secret{"b": "2"}},
		{func() error {
			return names.RemoveKey(t.Context(), account, "b", token.Key{Name: "default", Value: "fresh"})
		}, map[string]token.Secret{"default": "fresh"}},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := values(); !cmp.Equal(step.want, got) {
			t.Errorf("%d keys, want %d, or of other values", len(got), len(step.want))
		}
	}
}

func grants(t *testing.T, names store.Names, account string) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	grant, token := store.NewGrant(account, store.Write, "ci", now)
	batch, _ := store.NewGrant(account, store.Read, "", now)
	batch.Parent, batch.Expires = grant.ID, now.Add(time.Hour)
	for _, g := range []store.Grant{grant, batch} {
		if err := names.AddGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	got, err := names.Grant(t.Context(), store.HashToken(token))
	if diff := cmp.Diff(grant, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := names.RevokeGrant(t.Context(), grant.ID, now); err != nil {
		t.Fatal(err)
	}
	grant.Revoked, batch.Revoked = now, now
	all, err := names.Grants(t.Context())
	want := []store.Grant{grant, batch}
	if want[0].ID > want[1].ID {
		want[0], want[1] = want[1], want[0]
	}
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, tt := range []struct {
		then time.Time
		want int64
	}{{batch.Expires, 0}, {batch.Expires.Add(time.Second), 1}} {
		if n, err := names.RemoveGrants(t.Context(), tt.then); err != nil || n != tt.want {
			t.Errorf("removed %d, %v; want %d", n, err, tt.want)
		}
	}
}
