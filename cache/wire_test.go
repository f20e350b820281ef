package cache

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
)

func frames() map[string]*Entry {
	return map[string]*Entry{
		"everything": {
			Body: []byte("\x00\xff body"), Type: "image/avif", ETag: "\"cf-\xff\"", Modified: time.Unix(1_700_000_000, 5),
			Fields: []Field{{"Vary", "Accept"}, {"", "\xfe"}}, Tags: []string{"image:h/a", ""},
			Fresh: time.Hour, Stale: -time.Second, Grace: 1, Filled: time.Unix(0, 7),
		},
		"nothing":  {},
		"negative": {Fault: &fault.Error{Kind: fault.OriginRefused, Public: "No", Hint: "look", Status: 451, Relayed: 9422}, Tags: []string{"x"}},
	}
}

func TestAFrameComesBackWhole(t *testing.T) {
	for name, want := range frames() {
		t.Run(name, func(t *testing.T) {
			key, got, err := ReadFrame(want.AppendFrame([]byte("before"), "key/ä")[len("before"):])
			if err != nil || key != "key/ä" {
				t.Fatalf("key %q, error %v", key, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestATornOrRottenFrameIsRefused(t *testing.T) {
	whole := frames()["everything"].AppendFrame(nil, "key")
	for n := range whole {
		if _, _, err := ReadFrame(whole[:n]); !errors.Is(err, ErrFrame) {
			t.Errorf("cut at %d: %v", n, err)
		}
		rotten := bytes.Clone(whole)
		rotten[n] ^= 0x10
		if _, _, err := ReadFrame(rotten); !errors.Is(err, ErrFrame) {
			t.Errorf("a bit of byte %d turned: %v", n, err)
		}
	}
	if _, _, err := ReadFrame(append(whole, 0)); !errors.Is(err, ErrFrame) {
		t.Errorf("with a byte too many: %v", err)
	}
}

// FuzzHead feeds what follows a checksum that is right: a head may be the work of
// another version, or of somebody who knows the checksum.
func FuzzHead(f *testing.F) {
	for _, e := range frames() {
		head, _, err := split(e.AppendFrame(nil, "key"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		key, e, err := readHead(head)
		if err != nil {
			return
		}
		key2, again, err := ReadFrame(e.AppendFrame(nil, key))
		if err != nil || key2 != key {
			t.Fatalf("key %q became %q, error %v", key, key2, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}
