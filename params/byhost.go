package params

import (
	"fmt"
	"iter"
	"strings"
)

// ByHost finds what belongs to the host that a request names. The zero value has
// nothing. It is read only once made and then safe for concurrent use; a look-up does
// not allocate, and takes no longer the more hosts there are.
type ByHost[T any] struct {
	exact  map[string]T
	within map[string]T // the host and all below it
}

// Add keeps value for a name: a host, or *.host, which is the host and all below it.
// It fails for anything else, ports included, and for a name that is there already.
func (b *ByHost[T]) Add(name string, value T) error {
	plain, wild := strings.CutPrefix(name, "*.")
	host, err := canonicalHost(plain, "https")
	if err != nil || strings.ContainsAny(plain, "*:/?#%[]") {
		return fmt.Errorf("expected a host such as www.example.com or *.example.com, received %q", name)
	}
	all := &b.exact
	if wild {
		all = &b.within
	}
	if _, taken := (*all)[host]; taken {
		return fmt.Errorf("expected every host once, received %q again", name)
	}
	if *all == nil {
		*all = map[string]T{}
	}
	(*all)[host] = value
	return nil
}

// Empty reports whether nothing was added.
func (b *ByHost[T]) Empty() bool { return len(b.exact)+len(b.within) == 0 }

// All are the values that were added, in any order.
func (b *ByHost[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, values := range []map[string]T{b.exact, b.within} {
			for _, value := range values {
				if !yield(value) {
					return
				}
			}
		}
	}
}

// Of returns what belongs to host, a Host header: what is kept for the host itself, or
// else for the nearest one above it.
func (b *ByHost[T]) Of(host string) (value T, ok bool) {
	if b.Empty() {
		return value, false
	}
	host = hostname(host)
	if value, ok = b.exact[host]; ok || len(b.within) == 0 {
		return value, ok
	}
	for more := true; more; _, host, more = strings.Cut(host, ".") {
		if value, ok = b.within[host]; ok {
			return value, true
		}
	}
	return value, false
}
