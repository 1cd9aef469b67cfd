package crash

import (
	"math/rand/v2"
	"sync"
)

// Blocks is what happened to a disk since some moment, in order, with the promises given in between. Safe for concurrent
// use.
type Blocks struct {
	mu    sync.Mutex
	start []byte
	steps []blockStep
}

type blockStep struct {
	Off   int64
	Data  []byte // a write
	Flush bool
	Told  string
}

// savedBlocks is Blocks as it goes from one process to another.
type savedBlocks struct {
	Start []byte
	Steps []blockStep
}

func (b *Blocks) add(s blockStep) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steps = append(b.steps, s)
}

// Note notes a promise: everything before it must hold what it says.
func (b *Blocks) Note(what string) { b.add(blockStep{Told: what}) }

// Len is the number of steps; a cut comes after any number of them.
func (b *Blocks) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.steps)
}

// Notes lists the promises given in the first n steps.
func (b *Blocks) Notes(n int) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.steps[:n] {
		if s.Told != "" {
			out = append(out, s.Told)
		}
	}
	return out
}

// After returns the number of steps up to and with a promise; all of them if it was not given.
func (b *Blocks) After(note string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range b.steps {
		if s.Told == note {
			return i + 1
		}
	}
	return len(b.steps)
}

// Counts tells how many writes and flushes there were.
func (b *Blocks) Counts() (writes, flushes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.steps {
		if s.Data != nil {
			writes++
		}
		if s.Flush {
			flushes++
		}
	}
	return writes, flushes
}

// Cut returns the disk as a power cut after n steps may leave it: all before the last flush, of the rest any part.
func (b *Blocks) Cut(n int, rnd *rand.Rand) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	disk := append([]byte(nil), b.start...)
	put := func(off int64, data []byte) { copy(disk[off:], data) }
	flushed := 0
	for i, s := range b.steps[:n] {
		if s.Flush {
			flushed = i
		}
	}
	for _, s := range b.steps[:flushed] {
		put(s.Off, s.Data)
	}
	fate := fates(rnd)
	for _, s := range b.steps[flushed:n] {
		switch fate() {
		case kept:
			put(s.Off, s.Data)
		case torn:
			tear(rnd, s.Off, s.Data, put)
		}
	}
	return disk
}
