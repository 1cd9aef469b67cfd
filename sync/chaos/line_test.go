package chaos

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// line is one TCP connection in memory, with a delay each way and a buffer that fills up. It can be reset, closed in
// order by somebody in between, or fall silent.
type line struct{ up, down *way }

// bufferSize is what the two kernels hold of one direction.
const bufferSize = 64 * 1024

func newLine(delay time.Duration) (l *line, near, far net.Conn) {
	l = &line{newWay(delay), newWay(delay)}
	return l, &end{in: l.down, out: l.up}, &end{in: l.up, out: l.down}
}

// end ends the line without a word from either side: what is under way is lost, or with keep still arrives at the far
// side.
func (l *line) end(err error, keep bool) {
	l.up.stop(err, keep)
	l.down.stop(err, false)
}

// silence makes the line half-open: what is written vanishes and nobody is told.
func (l *line) silence() {
	l.up.set(func(w *way) { w.silent, w.chunks = true, nil })
	l.down.set(func(w *way) { w.silent, w.chunks = true, nil })
}

func (l *line) slow(delay time.Duration) {
	l.up.set(func(w *way) { w.delay = delay })
	l.down.set(func(w *way) { w.delay = delay })
}

// way is one direction.
type way struct {
	mu       sync.Mutex
	changed  chan struct{}
	chunks   []chunk
	held     int
	delay    time.Duration
	silent   bool
	err      error // what the reader gets once the chunks are read; the writer at once
	gone     bool  // the reader has closed
	closed   bool  // the writer has closed
	readBy   time.Time
	writeBy  time.Time
	lastSent time.Time
}

type chunk struct {
	b  []byte
	at time.Time
}

func newWay(delay time.Duration) *way { return &way{changed: make(chan struct{}), delay: delay} }

func (w *way) set(f func(*way)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *way) stop(err error, keep bool) {
	w.set(func(w *way) {
		if w.err == nil {
			w.err = err
		}
		if !keep {
			w.chunks = nil
		}
	})
}

func (w *way) read(p []byte) (int, error) {
	for {
		w.mu.Lock()
		now, wait := time.Now(), time.Time{}
		switch {
		case w.gone:
			w.mu.Unlock()
			return 0, net.ErrClosed
		case passed(w.readBy, now):
			w.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(w.chunks) > 0 && !w.chunks[0].at.After(now):
			n := copy(p, w.chunks[0].b)
			if w.chunks[0].b = w.chunks[0].b[n:]; len(w.chunks[0].b) == 0 {
				w.chunks = w.chunks[1:]
			}
			w.held -= n
			w.mu.Unlock()
			w.set(func(*way) {})
			return n, nil
		case len(w.chunks) > 0:
			wait = w.chunks[0].at
		case w.err != nil:
			err := w.err
			w.mu.Unlock()
			return 0, err
		}
		w.await(wait, w.readBy)
	}
}

func (w *way) write(p []byte) (n int, err error) {
	for len(p) > 0 {
		w.mu.Lock()
		now := time.Now()
		room := bufferSize - w.held
		switch {
		case w.closed:
			err = net.ErrClosed
		case w.err != nil, w.gone && !w.silent:
			err = syscall.EPIPE
		case passed(w.writeBy, now):
			err = os.ErrDeadlineExceeded
		case room > 0:
			m := min(room, len(p))
			w.held += m
			if !w.silent {
				at := now.Add(w.delay)
				if at.Before(w.lastSent) {
					at = w.lastSent // TCP keeps the order
				}
				w.lastSent = at
				w.chunks = append(w.chunks, chunk{append([]byte(nil), p[:m]...), at})
			}
			n, p = n+m, p[m:]
			w.mu.Unlock()
			w.set(func(*way) {})
			continue
		default:
			w.await(time.Time{}, w.writeBy)
			continue
		}
		w.mu.Unlock()
		return n, err
	}
	return n, nil
}

// await unlocks w and returns when something has changed or one of the times has come.
func (w *way) await(times ...time.Time) {
	changed := w.changed
	w.mu.Unlock()
	var timer <-chan time.Time
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		tm := time.NewTimer(time.Until(first))
		defer tm.Stop()
		timer = tm.C
	}
	select {
	case <-changed:
	case <-timer:
	}
}

func passed(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// end is one side of a line.
type end struct {
	in, out *way
	once    sync.Once
}

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }

func (e *end) Close() error {
	e.once.Do(func() {
		e.out.set(func(w *way) {
			if w.closed = true; w.err == nil && !w.silent {
				w.err = io.EOF
			}
		})
		e.in.set(func(w *way) { w.gone = true })
	})
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.set(func(w *way) { w.readBy = t })
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.set(func(w *way) { w.writeBy = t })
	return nil
}

func (e *end) LocalAddr() net.Addr  { return nowhere{} }
func (e *end) RemoteAddr() net.Addr { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "memory" }
func (nowhere) String() string  { return "memory" }
