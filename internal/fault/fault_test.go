package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestOf(t *testing.T) {
	cause := errors.New("password=hunter2")
	for _, tt := range []struct {
		name   string
		err    error
		kind   Kind
		public string
	}{
		{"a fault is found through wrapping", fmt.Errorf("store: %w", New(NotFound, "No image %q", "a")), NotFound, `No image "a"`},
		{"a foreign error keeps its text to itself", cause, Internal, "Internal error"},
		{"an ended context is canceled", fmt.Errorf("read: %w", context.DeadlineExceeded), Canceled, "The request was ended before the image was ready"},
		{"a wrapped cause stays private", Wrap(FetchFailed, cause, "Could not fetch"), FetchFailed, "Could not fetch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Of(tt.err)
			if got.Kind != tt.kind || got.Public != tt.public {
				t.Errorf("Of(%v) = %v %q, want %v %q", tt.err, got.Kind, got.Public, tt.kind, tt.public)
			}
			if !Is(tt.err, tt.kind) {
				t.Errorf("Is(%v, %v) = false", tt.err, tt.kind)
			}
		})
	}
	if Of(nil) != nil || Is(nil, Internal) {
		t.Error("nil is taken for a fault")
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]Kind{}
	for _, k := range Kinds() {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
		if other, ok := seen[k.String()]; ok {
			t.Errorf("kinds %d and %d share the name %q", k, other, k)
		}
		seen[k.String()] = k
	}
}
