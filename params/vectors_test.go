package params

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
)

// vectors reads a file of test vectors from the folder that FOVEA_VECTORS names
// or, without it, from testdata.
func vectors[Case any](t *testing.T, name string) []Case {
	t.Helper()
	folder := os.Getenv("FOVEA_VECTORS")
	if folder == "" {
		folder = filepath.Join("testdata", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []Case }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	t.Logf("%s: %d cases", name, len(file.Cases))
	return file.Cases
}

type vectorError struct{ Code, Status int }

// answers is the part of the proxy's table that parsing can bring about.
var answers = map[fault.Kind]vectorError{
	fault.BadOptions: {9401, 400}, fault.NotAllowed: {9401, 403}, fault.BadSource: {9406, 403},
	fault.Loop: {9403, 508}, fault.BadPath: {9426, 403}, fault.TooLarge: {9413, 403},
}

type urlCase struct {
	ID, URL string
	Context struct {
		Zone    string
		Origins json.RawMessage `json:"allowed_origins"`
		// What later rooms look up: this room only parses such a URL.
		Images      json.RawMessage
		AccountHash string `json:"account_hash"`
		Flexible    *bool  `json:"flexible_variants"`
	}
	Expect struct {
		Error       *vectorError
		Kind        string
		Options     *Options
		Source      struct{ Kind, Value string }
		AccountHash string `json:"account_hash"`
		ImageID     string `json:"image_id"`
		Variant     string
		Ignored     []string
	}
}

func (c urlCase) site(t *testing.T) *Site {
	s := &Site{Zone: "example.com", DeliveryHosts: []string{"imagedelivery.net"}}
	list := []string{"any"}
	if c.Context.Zone != "" {
		s.Zone = c.Context.Zone
	}
	if c.Context.Origins != nil && string(c.Context.Origins) != `"any"` {
		if err := json.Unmarshal(c.Context.Origins, &list); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.Origins, err = ParseOrigins(list); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectorsURLs(t *testing.T) {
	for _, c := range vectors[urlCase](t, "urls.json") {
		t.Run(c.ID, func(t *testing.T) {
			_, rest, _ := strings.Cut(c.URL, "://")
			slash := strings.IndexByte(rest, '/')
			got, warnings, err := c.site(t).Parse(rest[:slash], rest[slash:])
			want := c.Expect
			lookup := c.Context.Images != nil || c.Context.AccountHash != "" || c.Context.Flexible != nil
			switch {
			case want.Error != nil && lookup:
				if err != nil || got.Kind != Hosted {
					t.Errorf("%s = %v, %v; want a delivery URL for the look-up to judge", c.URL, got, err)
				}
				return
			case want.Error != nil:
				if err == nil || answers[fault.Of(err).Kind] != *want.Error {
					t.Errorf("%s = %+v, %v; want %v", c.URL, got, err, *want.Error)
				}
				return
			case err != nil:
				t.Fatalf("%s: %v", c.URL, err)
			}
			check := Target{Account: want.AccountHash, Image: want.ImageID, Variant: want.Variant}
			if want.Options != nil {
				check.Options = *want.Options
			}
			switch want.Kind {
			case "transform":
				check.Kind = Remote
				check.Source = Source{Absolute: want.Source.Kind == "url", Value: want.Source.Value}
				if !check.Source.Absolute {
					check.Source.Zone = "example.com"
				}
			case "delivery":
				check.Kind = Hosted
			}
			if diff := cmp.Diff(check, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.URL, diff)
			}
			var ignored []string
			for _, w := range warnings {
				if strings.Contains(w.Text, "ignored") {
					ignored = append(ignored, w.Option)
				}
			}
			if !slices.Equal(ignored, want.Ignored) {
				t.Errorf("%s ignored %v, want %v", c.URL, ignored, want.Ignored)
			}
		})
	}
}

type fitCase struct {
	ID    string
	Input struct {
		W, H  int
		EXIF  Orientation `json:"exif_orientation"`
		Faces []struct{ X, Y, W, H int }
	}
	Options   json.RawMessage
	Headers   map[string]string `json:"request_headers"`
	Tolerance struct{ Size, Offset int }
	Expect    struct {
		Error         *vectorError
		Width, Height int
		Oriented      *Size
		Resized       *Size
		Trim, Crop    *Rect
		SourceRect    *Window `json:"source_rect"`
		Pad, Border   *Edges
		Warning       string
	}
}

func TestVectorsFit(t *testing.T) {
	for _, c := range vectors[fitCase](t, "fit.json") {
		t.Run(c.ID, func(t *testing.T) {
			var o Options
			if err := json.Unmarshal(c.Options, &o); err != nil {
				t.Fatal(err)
			}
			if o.AutoWidth {
				viewport, err := strconv.Atoi(c.Headers["Sec-CH-Viewport-Width"])
				if err != nil {
					viewport = 0
				}
				agent := c.Headers["User-Agent"]
				o = o.ResolveWidth(viewport, strings.Contains(agent, "iPhone") || strings.Contains(agent, "Android"))
			}
			var seen Seen
			for _, f := range c.Input.Faces {
				seen.Faces = append(seen.Faces, Rect(f))
			}
			g, warnings, err := o.Geometry(Size{c.Input.W, c.Input.H}, c.Input.EXIF, seen)
			if c.Expect.Error != nil {
				if err == nil || answers[fault.Of(err).Kind] != *c.Expect.Error {
					t.Errorf("got %+v, %v; want %v", g, err, *c.Expect.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.compare(t, g)
			if c.Expect.Warning != "" && !slices.Contains(append(texts(warnings), c.urlWarnings(t)...), c.Expect.Warning) {
				t.Errorf("warnings %v, want %q", warnings, c.Expect.Warning)
			}
		})
	}
}

func texts(warnings []Warning) []string {
	var list []string
	for _, w := range warnings {
		list = append(list, w.Text)
	}
	return list
}

// urlWarnings is what the same options are warned of in a URL.
func (c fitCase) urlWarnings(t *testing.T) []string {
	var fields map[string]any
	if err := json.Unmarshal(c.Options, &fields); err != nil {
		t.Fatal(err)
	}
	var items []string
	for name, value := range fields {
		items = append(items, fmt.Sprintf("%s=%v", name, value))
	}
	_, warnings, err := ParseOptions(strings.Join(items, ","), false)
	if err != nil {
		t.Fatal(err)
	}
	return texts(warnings)
}

func (c fitCase) compare(t *testing.T, g Geometry) {
	t.Helper()
	want := c.Expect
	near := func(name string, got, want, tolerance int) {
		t.Helper()
		if got < want-tolerance || got > want+tolerance {
			t.Errorf("%s = %d, want %d ± %d", name, got, want, tolerance)
		}
	}
	near("width", g.Output.W, want.Width, c.Tolerance.Size)
	near("height", g.Output.H, want.Height, c.Tolerance.Size)
	if want.Oriented != nil && *want.Oriented != g.Oriented {
		t.Errorf("oriented = %v, want %v", g.Oriented, *want.Oriented)
	}
	if want.Resized != nil && *want.Resized != g.Resized {
		t.Errorf("resized = %v, want %v", g.Resized, *want.Resized)
	}
	if want.Trim != nil && *want.Trim != g.Trim {
		t.Errorf("trim = %v, want %v", g.Trim, *want.Trim)
	}
	if want.Border != nil && *want.Border != g.Border {
		t.Errorf("border = %v, want %v", g.Border, *want.Border)
	}
	if want.Crop != nil {
		near("crop.x", g.Crop.X, want.Crop.X, c.Tolerance.Offset)
		near("crop.y", g.Crop.Y, want.Crop.Y, c.Tolerance.Offset)
		near("crop.w", g.Crop.W, want.Crop.W, c.Tolerance.Size)
		near("crop.h", g.Crop.H, want.Crop.H, c.Tolerance.Size)
	}
	if want.Pad != nil {
		near("pad.left", g.Pad.Left, want.Pad.Left, c.Tolerance.Offset)
		near("pad.right", g.Pad.Right, want.Pad.Right, c.Tolerance.Offset)
		near("pad.top", g.Pad.Top, want.Pad.Top, c.Tolerance.Offset)
		near("pad.bottom", g.Pad.Bottom, want.Pad.Bottom, c.Tolerance.Offset)
	}
	if r := want.SourceRect; r != nil {
		for _, v := range [][2]float64{{g.Window.X, r.X}, {g.Window.Y, r.Y}, {g.Window.W, r.W}, {g.Window.H, r.H}} {
			if math.Abs(v[0]-v[1]) > 0.01+float64(c.Tolerance.Offset) {
				t.Errorf("source_rect = %v, want %v", g.Window, *r)
			}
		}
	}
}
