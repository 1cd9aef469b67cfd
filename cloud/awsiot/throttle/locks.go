package throttle

import (
	"hash/fnv"
	"sync"
)

// Locks has a lock for each thing, which some things share. The zero value is ready.
type Locks struct{ stripes [64]sync.Mutex }

// Of is the lock of a thing.
func (l *Locks) Of(thing string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(thing)) // never fails
	return &l.stripes[h.Sum32()%uint32(len(l.stripes))]
}
