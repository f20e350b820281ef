package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
)

func (f *fixture) list(rest string) (ids string, next string) {
	f.t.Helper()
	var got struct {
		Images []shown
		Next   *string `json:"continuation_token"`
	}
	f.call("GET", rest, "").into(f.t, &got)
	for _, img := range got.Images {
		ids += img.ID
	}
	if got.Next != nil {
		next = *got.Next
	}
	return ids, next
}

func TestLists(t *testing.T) {
	f := newFixture(t, nil)
	if ids, next := f.list("v2"); ids != "" || next != "" {
		t.Errorf("an empty account has %q, %q", ids, next)
	}
	for i := range 7 {
		img := store.Image{Account: f.account.Hash, ID: string(rune('a' + i)), Uploaded: f.now().Add(time.Duration(i) * time.Second)}
		if i%2 == 0 {
			img.Creator = "me"
		}
		img.Meta = fmt.Appendf(nil, `{"n":%d,"s":"v%d","deep":{"er":%t}}`, i, i, i > 3)
		if _, err := f.library.Add(t.Context(), img, []byte{byte(i)}, false); err != nil {
			t.Fatal(err)
		}
	}
	for rest, want := range map[string]string{
		"v1": "gfedcba", "v1?per_page=3": "gfe", "v1?page=3&per_page=3": "a", "v1?page=9": "", "v1?creator=me": "geca", "v1?creator=": "fdb",
		"v2": "gfedcba", "v2?sort_order=asc": "abcdefg", "v2?creator=": "fdb", "v2?per_page=5000": "gfedcba",
		"v2?meta.n[eq]=3": "d", "v2?meta.n%5Beq%5D=3": "d", "v2?meta.n[eq:string]=3": "", "v2?meta.n[eq:number]=3.0": "d", "v2?meta.n[gte]=5": "gf",
		"v2?meta.n[gt:number]=5&meta.n[lte]=6": "g", "v2?meta.n[lt]=1": "a", "v2?meta.s[in]=v1|v2|v9": "cb", "v2?meta.n[in:number]=1|2": "cb", "v2?meta.s[in:string]=v1": "b",
		"v2?meta.deep.er[eq:boolean]=true": "gfe", "v2?meta.deep.er[eq]=false": "dcba", "v2?meta.n[gt]=5&meta.n[lt]=5": "", "v2?meta.nothing[eq]=x": "",
		"v2?creator=me&meta.n[gt]=1": "gec",
	} {
		if got, _ := f.list(rest); got != want {
			t.Errorf("%s: %q; want %q", rest, got, want)
		}
	}
	t.Run("pages go on where they ended", func(t *testing.T) {
		got, token := "", ""
		for range 4 {
			ids, next := f.list("v2?per_page=2&continuation_token=" + url.QueryEscape(token))
			got += ids + "|"
			if token = next; token == "" {
				break
			}
		}
		if got != "gf|ed|cb|a|" {
			t.Errorf("%s", got)
		}
	})
	for _, query := range []string{
		"per_page=0", "per_page=-1", "per_page=x", "per_page=1.5", "per_page=1&per_page=2", "sort_order=up", "continuation_token=x", "continuation_token=e30", "a=%zz", "a;b",
		"meta.n[ne]=1", "meta.n[<operator>]=1", "meta.<field>[eq]=1", "meta.n=1", "meta[n]=1", "meta.n[eq:date]=1", "meta.n[gt]=x", "meta.n[gt:string]=1", "meta.n[in:boolean]=true",
		"meta.n[eq:number]=x", "meta.n[eq:number]=0x10", "meta.n[eq:number]=Infinity", "meta.n[eq:boolean]=1", "meta.a.b.c.d.e.f[eq]=1", "meta..a[eq]=1", "meta.a'--[eq]=1",
		"meta." + strings.Repeat("a", 101) + "[eq]=1", "meta.n[in]=" + strings.Repeat("1|", 10) + "1",
		"meta.a[eq]=1&meta.b[eq]=1&meta.c[eq]=1&meta.d[eq]=1&meta.e[eq]=1&meta.f[eq]=1",
	} {
		if got := f.call("GET", "v2?"+query, ""); got.status != 400 || got.code() != 5400 {
			t.Errorf("v2?%s: %d %s", query, got.status, got.body)
		}
	}
	for _, query := range []string{"page=0", "page=x", "per_page=0"} {
		if got := f.call("GET", "v1?"+query, ""); got.status != 400 || got.code() != 5400 {
			t.Errorf("v1?%s: %d %s", query, got.status, got.body)
		}
	}
}
