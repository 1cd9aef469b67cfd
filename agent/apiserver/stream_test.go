package apiserver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

func TestEventsReconnect(t *testing.T) {
	f := newFake()
	dir, err := os.MkdirTemp("", "fapi")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := api.NewClient(filepath.Join(dir, api.AgentSocket))
	defer c.Close()
	enough := errors.New("enough")
	lost := make(chan error, 64)
	done := make(chan error, 1)
	go func() {
		done <- c.Events(t.Context(), func(s api.Snapshot) error { return enough }, func(err error) {
			select {
			case lost <- err:
			default:
			}
		})
	}()
	var p *problem.Problem
	if err := <-lost; !errors.As(err, &p) || p.Code != problem.CodeUnreachable {
		t.Errorf("lost: %v", err)
	}
	start(t, f, dir)
	if err := <-done; err != enough {
		t.Errorf("events: %v", err)
	}
}

// The stream in virtual time: one at once, changes at most 30 a second, one a second without any.
func TestStreamPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := apiserver.New(apiserver.Config{Log: slog.New(slog.DiscardHandler)}, f, f).Handler(false)
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://fountain/v1/events", nil)
		var at []time.Duration
		began := time.Now()
		var mu sync.Mutex
		w := newRecorder(func() {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began))
		})
		done := make(chan struct{})
		go func() { defer close(done); h.ServeHTTP(w, r) }()
		seen := func() int { mu.Lock(); defer mu.Unlock(); return len(at) }
		synctest.Wait()
		if n := seen(); n != 1 {
			t.Fatalf("%d snapshots at once, want 1", n)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if n := seen(); n != 6 {
			t.Errorf("%d snapshots in 5 quiet seconds, want 6", n)
		}
		before := seen()
		for range 1000 {
			f.change()
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if n := seen() - before; n < 28 || n > 31 {
			t.Errorf("%d snapshots in a busy second, want about 30", n)
		}
		time.Sleep(50 * time.Millisecond)
		cancel()
		<-done
		if !strings.Contains(w.body.String(), `"rev":1000`) {
			t.Error("the last change was not sent")
		}
	})
}

// recorder is a ResponseWriter that tells each flush.
type recorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	flushed func()
}

func newRecorder(flushed func()) *recorder {
	return &recorder{header: http.Header{}, status: 200, flushed: flushed}
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) Flush() {
	if r.flushed != nil {
		r.flushed()
	}
}
