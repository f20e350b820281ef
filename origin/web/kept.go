package web

import (
	"container/list"
	"sync"
	"time"

	"github.com/fovea-images/fovea/origin"
)

// kept are sources in memory, so that every size of a picture is made from one
// fetch. The one that was used least lately goes first.
type kept struct {
	mu    sync.Mutex
	most  int64 // bytes; 0 = none are kept
	bytes int64
	all   map[string]*list.Element // of *keptSource, by URL
	order *list.List               // newest first
	age   int                      // grows with every forget
}

type keptSource struct {
	url      string
	source   origin.Source
	etag     string // as the origin spelt it; "" = none
	modified string // Last-Modified, likewise
	until    time.Time
}

func newKept(most int64) *kept {
	return &kept{most: most, all: map[string]*list.Element{}, order: list.New()}
}

// get returns what is kept of url, fresh or not; nil = nothing. put wants the age
// that it was read at.
func (k *kept) get(url string) (*keptSource, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.all[url]
	if at == nil {
		return nil, k.age
	}
	k.order.MoveToFront(at)
	return at.Value.(*keptSource), k.age //nolint:forcetypeassert // the list has no others
}

// forget drops every source whose URL goes, and what is being fetched meanwhile is
// not kept.
func (k *kept) forget(goes func(url string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.age++
	for url := range k.all {
		if goes(url) {
			k.remove(url)
		}
	}
}

// put keeps s, unless something was forgotten since age. It is not changed from then on.
func (k *kept) put(s *keptSource, age int) {
	size := int64(len(s.source.Body))
	if size > k.most/4 { // one must not push out all others
		k.drop(s.url)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(s.url)
	if k.age != age {
		return
	}
	for k.bytes+size > k.most && k.order.Len() > 0 {
		k.remove(k.order.Back().Value.(*keptSource).url) //nolint:forcetypeassert // the list has no others
	}
	k.all[s.url] = k.order.PushFront(s)
	k.bytes += size
}

func (k *kept) drop(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(url)
}

func (k *kept) remove(url string) {
	if at := k.all[url]; at != nil {
		k.bytes -= int64(len(at.Value.(*keptSource).source.Body)) //nolint:forcetypeassert // the list has no others
		k.order.Remove(at)
		delete(k.all, url)
	}
}
