package input_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/touchui/input"
)

// log collects the events of a source.
type log struct {
	mu   sync.Mutex
	list []input.Touch
	done chan struct{}
}

func read(s input.Source) *log {
	l := &log{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for t := range s.Events() {
			l.mu.Lock()
			l.list = append(l.list, t)
			l.mu.Unlock()
		}
	}()
	return l
}

// take returns what came since the last call, as text.
func (l *log) take() string {
	var b []string
	for _, t := range l.all() {
		b = append(b, fmt.Sprintf("%v %d %d,%d", t.Phase, t.ID, t.X, t.Y))
	}
	return strings.Join(b, "; ")
}

func (l *log) all() []input.Touch {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

func want(t *testing.T, l *log, when, text string) {
	t.Helper()
	if got := l.take(); got != text {
		t.Errorf("%s: got %q, want %q", when, got, text)
	}
}

func ev(p input.Phase, id, x, y int) input.RemoteEvent {
	return input.RemoteEvent{Phase: p, ID: id, X: x, Y: y}
}

func remote(t *testing.T, f func(t *testing.T, r *input.Remote, l *log)) {
	synctest.Test(t, func(t *testing.T) {
		r := input.NewRemote(0)
		l := read(r)
		f(t, r, l)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		<-l.done
	})
}

func TestSilenceCancels(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		r.Join("a")
		r.Report("a", []input.RemoteEvent{ev(input.Down, 7, 10, 20), ev(input.Down, 8, 30, 40)})
		want(t, l, "down", "down 1 10,20; down 2 30,40")
		for range 20 { // the page repeats the state every 100 ms
			time.Sleep(100 * time.Millisecond)
			r.Report("a", []input.RemoteEvent{ev(input.Move, 7, 10, 20), ev(input.Move, 8, 30, 40)})
		}
		if s := l.take(); strings.Contains(s, "cancel") {
			t.Error("cancelled while reporting")
		}
		time.Sleep(299 * time.Millisecond)
		want(t, l, "after 299 ms", "")
		time.Sleep(2 * time.Millisecond)
		want(t, l, "after 301 ms", "cancel 1 10,20; cancel 2 30,40")
		r.Report("a", []input.RemoteEvent{ev(input.Move, 7, 11, 20), ev(input.Up, 7, 11, 20)})
		want(t, l, "late events of a cancelled finger", "")
		r.Report("a", []input.RemoteEvent{ev(input.Down, 7, 10, 20), ev(input.Up, 7, 10, 20)})
		want(t, l, "a new press", "down 3 10,20; up 3 10,20")
		time.Sleep(time.Hour)
		want(t, l, "nothing is down", "")
	})
}

func TestStreamGoneCancels(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		r.Join("a")
		r.Report("a", []input.RemoteEvent{ev(input.Down, 1, 5, 5)})
		l.take()
		r.Leave("a")
		want(t, l, "stream gone", "cancel 1 5,5; cancel -1 0,0")
		if r.Controls("a") {
			t.Error("who is gone still controls")
		}
	})
}

func TestOneControlsOthersWatch(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		if !r.Join("a") || r.Join("b") || r.Join("c") {
			t.Fatal("the first must control, the others not")
		}
		if r.Report("b", []input.RemoteEvent{ev(input.Down, 1, 1, 1)}) {
			t.Error("a watcher's touch was taken")
		}
		r.Report("a", []input.RemoteEvent{ev(input.Down, 1, 2, 2)})
		want(t, l, "only the first", "down 1 2,2")
		if r.Take("b") {
			t.Error("control was taken from under a finger")
		}
		r.Leave("b")
		want(t, l, "a watcher gone", "")
		r.Join("b")
		r.Leave("a")
		want(t, l, "first gone", "cancel 1 2,2; cancel -1 0,0")
		if r.Controls("b") || r.Controls("c") {
			t.Error("control passed to someone who did not touch")
		}
		if !r.Report("c", []input.RemoteEvent{ev(input.Down, 1, 3, 3), ev(input.Up, 1, 3, 3)}) || !r.Controls("c") {
			t.Error("who touches next must control")
		}
		want(t, l, "next", "down 2 3,3; up 2 3,3")
		if !r.Take("b") || !r.Controls("b") || r.Controls("c") {
			t.Error("control could not be taken over")
		}
		if r.Take("stranger") {
			t.Error("control went to someone without a stream")
		}
	})
}

func TestClientWithoutStream(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		if !r.Report("script", []input.RemoteEvent{ev(input.Down, 1, 1, 1)}) {
			t.Fatal("nobody controls, but the touch was refused")
		}
		want(t, l, "down", "down 1 1,1")
		time.Sleep(time.Second)
		want(t, l, "silent", "cancel 1 1,1")
		if !r.Join("a") {
			t.Error("a script that is done keeps control")
		}
	})
}

func TestClockKeepsDistances(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		at := func(ms int, p input.Phase) input.RemoteEvent {
			return input.RemoteEvent{Phase: p, ID: 1, Clock: time.Duration(ms) * time.Millisecond}
		}
		r.Report("a", []input.RemoteEvent{at(1000, input.Down)})
		time.Sleep(50 * time.Millisecond)
		r.Report("a", []input.RemoteEvent{at(1016, input.Move), at(1033, input.Move), at(1049, input.Up)}) // in a bunch
		list := l.all()
		for i, ms := range []int{0, 16, 33, 49} {
			if d := list[i].At.Sub(list[0].At); d != time.Duration(ms)*time.Millisecond {
				t.Errorf("event %d is %v after the first, want %d ms", i, d, ms)
			}
		}
	})
}

// A reader that hangs gets every begin and end, and not a million movements.
func TestStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := input.NewScript()
		s.Down(1, 0, 0)
		for i := range 100_000 {
			s.Move(1, i, 0)
		}
		s.Up(1, 99_999, 0)
		l := read(s)
		list := l.all()
		if n := len(list); n > 200 || list[0].Phase != input.Down || list[n-1].Phase != input.Up || list[n-2].X != 99_999 {
			t.Errorf("%d events", n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-l.done
	})
}

func TestFuzzRemote(t *testing.T) {
	for seed := range uint64(30) {
		remote(t, func(t *testing.T, r *input.Remote, l *log) {
			rng := rand.New(rand.NewPCG(seed, 1))
			joined := map[string]int{}
			names := []string{"a", "b", "c"}
			for range 300 {
				n := names[rng.IntN(3)]
				switch rng.IntN(10) {
				case 0:
					r.Join(n)
					joined[n]++
				case 1:
					if joined[n] > 0 {
						r.Leave(n)
						joined[n]--
					}
				case 2:
					r.Take(n)
				case 3:
					time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
				default:
					var e []input.RemoteEvent
					for range rng.IntN(4) {
						e = append(e, ev(input.Phase(rng.IntN(4)), rng.IntN(3), rng.IntN(9), rng.IntN(9)))
					}
					r.Report(n, e)
				}
			}
			time.Sleep(time.Second) // silence ends what is left
			down := map[int]bool{}
			for _, e := range l.all() {
				if e.ID == input.Gone {
					continue // belongs to no finger
				}
				switch e.Phase {
				case input.Down:
					if down[e.ID] {
						t.Fatalf("seed %d: a second down of %d", seed, e.ID)
					}
					down[e.ID] = true
				default:
					if !down[e.ID] {
						t.Fatalf("seed %d: %v of %d, which is not down", seed, e.Phase, e.ID)
					}
					if e.Phase != input.Move {
						delete(down, e.ID)
					}
				}
			}
			if len(down) > 0 {
				t.Errorf("seed %d: left down: %v", seed, down)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := input.NewScript()
		l := read(s)
		start := time.Now()
		err := s.Replay(t.Context(), []input.Touch{
			{Phase: input.Down, ID: 1, X: 1, At: time.Unix(0, 0)},
			{Phase: input.Up, ID: 1, X: 2, At: time.Unix(2, 0)},
		})
		if err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("replay took %v: %v", time.Since(start), err)
		}
		want(t, l, "replayed", "down 1 1,0; up 1 2,0")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-l.done
	})
}
