package input

import "sync"

// crowded is the backlog above which movements of one finger are merged: a reader that hangs gets the latest place of
// a finger, and every Down, Up and Cancel.
const crowded = 64

// stream is an unbounded, ordered queue of touches with a channel at its end. Senders never wait for the reader.
type stream struct {
	out  chan Touch
	done chan struct{} // closed by close
	gone chan struct{} // closed when the pump has ended

	mu     sync.Mutex
	list   []Touch
	wake   chan struct{}
	closed bool
}

func newStream() *stream {
	s := &stream{out: make(chan Touch), done: make(chan struct{}), gone: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.pump()
	return s
}

func (s *stream) push(t Touch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if t.Phase == Move && len(s.list) > crowded {
		for i := len(s.list) - 1; i >= 0; i-- {
			if s.list[i].ID == t.ID {
				if s.list[i].Phase == Move {
					s.list[i] = t
					return
				}
				break
			}
		}
	}
	s.list = append(s.list, t)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pump moves touches to the channel and closes it at the end; what is queued when close is called is dropped.
func (s *stream) pump() {
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

func (s *stream) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	<-s.gone
}
