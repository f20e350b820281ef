package store

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/token"
)

// said is what is said of an image: by a Directory,
type said struct {
	image Image
	err   error
}

func (s said) Image(context.Context, string, string) (Image, error) { return s.image, s.err }
func (said) Variants(string) []Variant                              { return nil }
func (said) Keys(string) []token.Key                                { return nil }

// or by Names, which are asked for nothing else here.
type saidByNames struct {
	Names
	said  *said
	asked *int
}

func (n saidByNames) Image(context.Context, string, string) (Image, error) {
	if n.asked != nil {
		*n.asked++
	}
	return n.said.image, n.said.err
}

func (saidByNames) Accounts(context.Context) ([]Account, error) { return []Account{{Hash: "h"}}, nil }

func (saidByNames) Variants(context.Context, string) ([]Variant, error) { return nil, nil }

func (saidByNames) Keys(context.Context, string) ([]token.Key, error) { return nil, nil }

func (n saidByNames) Images(context.Context, string, string, int) ([]Image, error) {
	if fault.Is(n.said.err, fault.NotFound) {
		return nil, nil
	}
	return []Image{n.said.image}, nil
}

// What becomes of an image that two may know of: whose record it is, and whether it is
// private. "-" is no image, "!" a failure.
func TestTheOrderOfLooking(t *testing.T) {
	missing, down := fault.New(fault.NotFound, "Image not found"), fault.New(fault.OriginBroken, "It answered 503")
	ours := map[string]said{
		"-": {err: missing}, "!": {err: errors.New("disk")}, "public": {image: Image{Blob: "ours"}}, "private": {image: Image{Blob: "ours", RequireSigned: true}}, "draft": {image: Image{Draft: true}},
	}
	theirs := map[string]said{
		"-": {err: missing}, "!": {err: down}, "public": {}, "private": {image: Image{RequireSigned: true}},
		"public once": {image: Image{Believed: true}}, "private once": {image: Image{Believed: true, RequireSigned: true}},
	}
	const first, last, only = ElsewhereFirst, NamesFirst, ElsewhereOnly
	for _, tt := range []struct {
		order        Order
		ours, theirs string
		want         string // whose, and how
		told         bool   // that the own one is not private, and ought to be
	}{
		{last, "public", "private", "ours public", false}, {last, "private", "public", "ours private", false}, {last, "-", "public", "theirs public", false},
		{last, "-", "private once", "theirs private", false}, {last, "-", "-", "nobody's", false}, {last, "-", "!", "unknown", false}, {last, "!", "public", "unknown", false}, {last, "draft", "public", "nobody's", false},

		{first, "public", "public", "theirs public", false}, {first, "private", "public", "theirs public", false}, {first, "public", "private", "theirs private", true}, {first, "private", "private", "theirs private", false},
		{first, "public", "public once", "theirs public", false}, {first, "private", "public once", "theirs private", false}, {first, "public", "private once", "theirs private", false},
		{first, "public", "-", "ours public", false}, {first, "private", "-", "ours private", false}, {first, "-", "-", "nobody's", false}, {first, "-", "public", "theirs public", false},
		{first, "public", "!", "ours public, believed", false}, {first, "private", "!", "ours private, believed", false}, {first, "-", "!", "unknown", false},
		{first, "!", "public", "unknown", false}, {first, "draft", "public", "theirs public", false}, {first, "draft", "-", "nobody's", false}, {first, "draft", "!", "unknown", false},

		{only, "public", "-", "nobody's", false}, {only, "public", "!", "unknown", false}, {only, "private", "public", "theirs public", false}, {only, "!", "public", "theirs public", false},
	} {
		told, own := false, ours[tt.ours]
		c := NewCatalog(saidByNames{said: &own}, CatalogOptions{Elsewhere: theirs[tt.theirs], Order: tt.order, Closed: func(context.Context, string, string) { told = true }})
		image, err := c.Image(t.Context(), "h", "id")
		got := "unknown"
		switch {
		case fault.Is(err, fault.NotFound):
			got = "nobody's"
		case err == nil:
			got = map[bool]string{true: "ours", false: "theirs"}[image.Blob != ""] + map[bool]string{true: " private", false: " public"}[image.RequireSigned]
			if image.Believed && image.Blob != "" {
				got += ", believed"
			}
		}
		if got != tt.want || told != tt.told {
			t.Errorf("order %d, ours %s, theirs %s: %s, told %v; want %s, told %v", tt.order, tt.ours, tt.theirs, got, told, tt.want, tt.told)
		}
	}
}

// Names that have no image of an account are not asked for each of those that others
// have; they are from the first one on.
func TestAnAccountWithoutImagesCostsNoLookUp(t *testing.T) {
	asked, own := 0, said{err: fault.New(fault.NotFound, "Image not found")}
	c := NewCatalog(saidByNames{said: &own, asked: &asked}, CatalogOptions{Elsewhere: said{}})
	whose := func(id string) string {
		image, err := c.Image(t.Context(), "h", id)
		if err != nil {
			t.Fatal(err)
		}
		return string(image.Blob)
	}
	for _, id := range []string{"a", "b", "c"} {
		if got := whose(id); got != "" {
			t.Errorf("%s: %q", id, got)
		}
	}
	if asked != 0 {
		t.Errorf("asked %d times", asked)
	}
	own = said{image: Image{Blob: "ours"}}
	c.Forget("image:h/d")
	for _, id := range []string{"d", "e"} {
		if got := whose(id); got != "ours" || asked == 0 {
			t.Errorf("%s, which is there now: %q", id, got)
		}
	}
}

// Where every image is asked for once, those of before are not remembered for ever.
func TestWhatIsTooOldIsNotKept(t *testing.T) {
	now := time.Unix(1e9, 0)
	own := said{err: fault.New(fault.NotFound, "Image not found")}
	c := NewCatalog(saidByNames{said: &own}, CatalogOptions{Elsewhere: said{}, Now: func() time.Time { return now }})
	for i := range 20_000 {
		if _, err := c.Image(t.Context(), "h", strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Millisecond) // each is good for a second
	}
	kept := 0
	for i := range c.shards {
		kept += len(c.shards[i].images)
	}
	if kept < 1000 || kept > 5000 {
		t.Errorf("%d are remembered, of which 1000 are not too old", kept)
	}
}
