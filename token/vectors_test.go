package token

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/params"
)

// vectorFile is the part of both files that is read here.
type vectorFile struct {
	Keys struct {
		Account []Key
		Public  []struct{ Name, PEM string }
	}
	Cases []struct {
		ID, Name, URL, Verdict string
		Now                    int64
		Keys                   []Key
		Image                  struct{ RequireSignedURLs bool }
		Variant                struct{ NeverRequireSignedURLs bool }
	}
}

func TestVectors(t *testing.T) {
	folder := os.Getenv("FOVEA_VECTORS")
	if folder == "" {
		folder = filepath.Join("testdata", "vectors")
	}
	site := params.Site{Zone: "example.com", DeliveryHosts: []string{"imagedelivery.net"}}
	for _, name := range []string{"signing.json", "tokens.json"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		var file vectorFile
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Cases) == 0 {
			t.Fatalf("%s has no cases", name)
		}
		ring := &Ring{}
		for _, k := range file.Keys.Public {
			keys, err := ParseKeys(k.Name, []byte(k.PEM))
			if err != nil {
				t.Fatal(err)
			}
			ring.Static = append(ring.Static, keys...)
		}
		for _, c := range file.Cases {
			t.Run(c.ID+" "+c.Name, func(t *testing.T) {
				keys := append(file.Keys.Account, c.Keys...)
				_, rest, _ := strings.Cut(c.URL, "://")
				host, rest, _ := strings.Cut(rest, "/")
				path, query, _ := strings.Cut("/"+rest, "?")
				target, _, err := site.Parse(strings.ToLower(host), "/"+rest)
				if err != nil {
					t.Fatal(err)
				}
				want := c.Verdict
				if !c.Image.RequireSignedURLs || c.Variant.NeverRequireSignedURLs {
					want = "public" // decided before a proof is looked at
				}
				if want != c.Verdict {
					t.Fatalf("the vector says %s", c.Verdict)
				}
				if want == "public" {
					return
				}
				for _, remember := range []int{0, 10} {
					v, err := New(Options{Public: ring, Remember: remember, Now: func() time.Time { return time.Unix(c.Now, 0) }})
					if err != nil {
						t.Fatal(err)
					}
					width, height := target.Options.Box()
					subject := &Subject{Account: target.Account, Image: target.Image, Variant: target.Variant, Width: width, Height: height}
					for range 2 {
						if got := v.Verify(&Request{Path: path, Query: query}, keys, subject); got.Verdict.String() != want {
							t.Errorf("%s, want %s", got.Verdict, want)
						}
					}
				}
			})
		}
	}
}
