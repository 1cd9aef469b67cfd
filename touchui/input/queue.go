package input

import "sync"

// crowded is the backlog above which movements of one finger are merged: a reader that hangs gets the latest place of
// a finger, and every Down, Up and Cancel.
const crowded = 64

// Queue is an unbounded, ordered queue with a channel at its end. Senders never wait for the reader. All methods may
// be called from any goroutine.
type Queue[T any] struct {
	out  chan T
	fold func(list []T, t T) bool // takes t into the list by itself; nil: never
	done chan struct{}            // closed by close
	gone chan struct{}            // closed when the pump has ended

	mu     sync.Mutex
	list   []T
	wake   chan struct{}
	closed bool
}

// NewQueue returns an empty queue. It owns a goroutine until Close.
func NewQueue[T any]() *Queue[T] {
	s := &Queue[T]{out: make(chan T), done: make(chan struct{}), gone: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.pump()
	return s
}

// NewTouches returns a queue of touches that merges the movements of a finger while its reader hangs.
func NewTouches() *Queue[Touch] {
	s := NewQueue[Touch]()
	s.fold = foldMove
	return s
}

func foldMove(list []Touch, t Touch) bool {
	if t.Phase != Move || len(list) <= crowded {
		return false
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].ID == t.ID {
			if list[i].Phase == Move {
				list[i] = t
				return true
			}
			break
		}
	}
	return false
}

// Push appends t; after Close it is dropped.
func (s *Queue[T]) Push(t T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.fold != nil && s.fold(s.list, t) {
		return
	}
	s.list = append(s.list, t)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Out delivers what was pushed, in order. It is closed by Close.
func (s *Queue[T]) Out() <-chan T { return s.out }

// pump moves touches to the channel and closes it at the end; what is queued when Close is called is dropped.
func (s *Queue[T]) pump() {
	defer close(s.gone)
	defer close(s.out)
	for {
		s.mu.Lock()
		l := s.list
		s.list = nil
		s.mu.Unlock()
		for _, t := range l {
			select {
			case s.out <- t:
			case <-s.done:
				return
			}
		}
		if len(l) > 0 {
			continue
		}
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
	}
}

// Close drops what is queued and closes the channel. It may be called again.
func (s *Queue[T]) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	<-s.gone
}
