package input_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/touchui/input"
)

func key(p input.Phase, k input.KeyCode) []input.RemoteEvent {
	return []input.RemoteEvent{{Phase: p, Key: k}}
}

// Keys of a browser follow the rules of its fingers: the one that controls, silence and a lost stream cancel.
func TestRemoteKeys(t *testing.T) {
	remote(t, func(t *testing.T, r *input.Remote, l *log) {
		var mu sync.Mutex
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for k := range r.Keys() {
				mu.Lock()
				got = append(got, fmt.Sprint(k.Phase, " ", k.Code))
				mu.Unlock()
			}
		}()
		wantKeys := func(when, text string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if s := strings.Join(got, "; "); s != text {
				t.Errorf("%s: got %q, want %q", when, s, text)
			}
			got = nil
		}
		r.Join("a")
		r.Join("b")
		r.Report("b", key(input.Down, input.KeyNext))
		wantKeys("a watcher", "")
		r.Report("a", key(input.Down, input.KeySelect))
		r.Report("a", key(input.Down, input.KeySelect))
		wantKeys("a key that repeats itself", "down select")
		if r.Take("b") {
			t.Error("control changes under a key that is down")
		}
		for range 10 {
			time.Sleep(200 * time.Millisecond)
			r.Report("a", key(input.Move, input.KeySelect))
		}
		wantKeys("held", "")
		time.Sleep(input.Silence)
		wantKeys("silent", "cancel select")
		r.Report("a", key(input.Up, input.KeySelect))
		wantKeys("up after silence", "")
		r.Report("a", key(input.Down, input.KeyBack))
		r.Report("a", key(input.Up, input.KeyBack))
		wantKeys("pressed", "down back; up back")
		r.Report("a", key(input.Down, input.KeySelect))
		r.Leave("a")
		wantKeys("the stream is lost", "down select; cancel select")
		r.Report("b", key(input.Down, input.KeyPrevious))
		wantKeys("the next to press controls", "down previous")
		want(t, l, "fingers", "cancel -1 0,0")
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}
