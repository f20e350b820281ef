package main

import "container/list"

// lru is a cache that forgets what was asked for longest ago: what most caches do,
// and so what a hit ratio is compared with.
type lru struct {
	capacity, used int64
	order          *list.List // of lruItem; the front was asked for last
	items          map[int]*list.Element
}

type lruItem struct {
	key  int
	size int64
}

func newLRU(capacity int64) *lru {
	return &lru{capacity: capacity, order: list.New(), items: map[int]*list.Element{}}
}

// ask reports whether key was there, and makes it so. What is larger than the cache
// is not kept.
func (c *lru) ask(key int, size int64) bool {
	if at, ok := c.items[key]; ok {
		c.order.MoveToFront(at)
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.used+size > c.capacity {
		last := c.order.Remove(c.order.Back()).(lruItem)
		delete(c.items, last.key)
		c.used -= last.size
	}
	c.items[key] = c.order.PushFront(lruItem{key, size})
	c.used += size
	return false
}
