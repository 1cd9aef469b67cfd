package art

import (
	"container/list"
	"image"
	"sync"
)

// Cache keeps composed pictures up to a budget of bytes and drops the longest unused. Safe for concurrent use, so that
// a background goroutine can compose ahead.
type Cache struct {
	mu     sync.Mutex
	budget int
	used   int
	byKey  map[string]*list.Element
	order  list.List // front: most recently used
}

type cached struct {
	key string
	img *image.RGBA
}

// NewCache makes a cache of at most budget bytes (one picture may be larger; it is then the only one).
func NewCache(budget int) *Cache { return &Cache{budget: budget, byKey: map[string]*list.Element{}} }

// Get returns the picture of key, making it when it is not there.
func (c *Cache) Get(key string, make func() *image.RGBA) *image.RGBA {
	c.mu.Lock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(cached).img
	}
	c.mu.Unlock()
	img := make() // outside the lock: two callers may compose the same picture, the first to return stays
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		return e.Value.(cached).img
	}
	c.byKey[key] = c.order.PushFront(cached{key, img})
	c.used += len(img.Pix)
	for c.used > c.budget && c.order.Len() > 1 {
		last := c.order.Back()
		c.used -= len(last.Value.(cached).img.Pix)
		delete(c.byKey, last.Value.(cached).key)
		c.order.Remove(last)
	}
	return img
}

// Used is the number of bytes held.
func (c *Cache) Used() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Clear forgets every picture.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byKey)
	c.order.Init()
	c.used = 0
}
