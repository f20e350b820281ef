// Package origintest is the conformance suite of origin.Origin.
package origintest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// Case is an origin and what is in it.
type Case struct {
	Origin  origin.Origin
	Has     params.Target
	Body    []byte // of Has
	Missing params.Target
}

// Origin runs the suite. open returns an origin that nobody else uses.
func Origin(t *testing.T, open func(t *testing.T) Case) {
	t.Run("what is there comes whole, every time", func(t *testing.T) {
		c := open(t)
		first := fetched(t, c)
		if first.Validator == "" || origin.Validator(`"`+first.Validator+`"`) != first.Validator {
			t.Errorf("the validator %q cannot stand in an ETag", first.Validator)
		}
		for range 3 {
			if again := fetched(t, c); again.Validator != first.Validator || !again.Modified.Equal(first.Modified) {
				t.Errorf("received %q of %v, then %q of %v", first.Validator, first.Modified, again.Validator, again.Modified)
			}
		}
	})
	t.Run("many ask at once", func(t *testing.T) {
		c := open(t)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				if i%4 == 0 {
					absent(t, c)
				} else {
					fetched(t, c)
				}
			})
		}
		all.Wait()
	})
	t.Run("what is not there is not found, and stays so", func(t *testing.T) {
		c := open(t)
		for range 3 {
			absent(t, c)
		}
		fetched(t, c)
	})
	t.Run("who has gone is not waited for", func(t *testing.T) {
		c := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Origin.Fetch(ctx, c.Has)
		var known *fault.Error
		if err != nil && !errors.As(err, &known) && !errors.Is(err, context.Canceled) {
			t.Errorf("expected the context's error or a fault, received %v", err)
		}
		fetched(t, c) // and nobody after suffers for it
	})
}

func fetched(t *testing.T, c Case) origin.Source {
	t.Helper()
	got, err := c.Origin.Fetch(t.Context(), c.Has)
	if err != nil || !bytes.Equal(got.Body, c.Body) {
		t.Errorf("expected %d bytes, received %d, %v", len(c.Body), len(got.Body), err)
	}
	return got
}

func absent(t *testing.T, c Case) {
	t.Helper()
	got, err := c.Origin.Fetch(t.Context(), c.Missing)
	var known *fault.Error
	if !errors.As(err, &known) || known.Kind != fault.NotFound || len(got.Body) > 0 {
		t.Errorf("expected nothing and a fault of kind not_found, received %d bytes, %v", len(got.Body), err)
	} else if strings.TrimSpace(known.Public) == "" {
		t.Error("the visitor is told nothing")
	}
}
