package kiosk

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// queue carries functions from any goroutine to the Fyne thread. It is unbounded: fyne.Do must never block a caller,
// least of all the Fyne thread itself.
type queue struct {
	wake chan struct{} // holds one token while there may be something to do
	quit chan struct{} // closed by close: Run shall end
	done chan struct{} // closed when Run has ended: nothing more will be run

	once  sync.Once
	owner atomic.Uint64 // goroutine that is the Fyne thread
	mu    sync.Mutex
	list  []func()
	spare []func()
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	q.owner.Store(goroutine())
	return q
}

func (q *queue) close() { q.once.Do(func() { close(q.quit) }) }

// poke makes the loop turn once.
func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) push(f func()) {
	q.mu.Lock()
	q.list = append(q.list, f)
	q.mu.Unlock()
	q.poke()
}

// take returns what is queued, in order. The slice is valid until the next call.
func (q *queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.list
	clear(q.spare)
	q.list, q.spare = q.spare[:0], l
	return l
}

// call runs f on the Fyne thread and waits for it; on the Fyne thread itself it runs f at once. After an error f has
// not run and will not.
func (q *queue) call(ctx context.Context, f func()) error {
	if q.owner.Load() == goroutine() {
		f()
		return nil
	}
	var claimed atomic.Bool // by whoever comes first: the loop to run f, or the caller to give up
	ran := make(chan struct{})
	q.push(func() {
		if claimed.CompareAndSwap(false, true) {
			defer close(ran)
			f()
		}
	})
	err := ErrStopped
	select {
	case <-ran:
		return nil
	case <-q.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if claimed.CompareAndSwap(false, true) {
		return err
	}
	<-ran // f is running now; it ends soon
	return nil
}

// goroutine returns the number of the current goroutine. Only waiting calls need it, to notice that they are on the
// Fyne thread already; Go offers no other way.
func goroutine() uint64 {
	var buf [40]byte
	n := runtime.Stack(buf[:], false)
	var id uint64
	for _, c := range buf[len("goroutine "):n] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + uint64(c-'0')
	}
	return id
}
