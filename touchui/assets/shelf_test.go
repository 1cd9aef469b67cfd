package assets

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func shelved(t *testing.T, s *Shelf, m Meta, pause func(context.Context) error) (*Pack, error) {
	t.Helper()
	keys, draw := pictures(5)
	return s.Build(t.Context(), m, keys, pause, func(key string) *image.RGBA {
		im, err := draw(t.Context(), key)
		if err != nil {
			t.Error(err)
		}
		return im
	})
}

func goOn(context.Context) error { return nil }

func TestShelfKeepsTheLastUsed(t *testing.T) {
	s := &Shelf{Dir: filepath.Join(t.TempDir(), "packs"), Keep: 2}
	metas := make([]Meta, 3)
	for i := range metas {
		metas[i] = testMeta
		metas[i].Look = fmt.Sprint("look ", i)
		if _, err := s.Open(metas[i]); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("look %d: %v", i, err)
		}
	}
	past := time.Now().Add(-2 * day)
	for i, m := range metas[:2] {
		p, err := shelved(t, s, m, goOn)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p.Path(), past, past.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(metas[0]); err != nil { // used now: the second is the oldest
		t.Fatal(err)
	}
	killed := filepath.Join(s.Dir, ".0123.pack.99")
	if err := errors.Join(os.WriteFile(killed, nil, 0o600), os.Chtimes(killed, past, past.Add(-2*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if _, err := shelved(t, s, metas[2], goOn); err != nil {
		t.Fatal(err)
	}
	for i, m := range metas {
		if _, err := s.Open(m); (err == nil) != (i != 1) {
			t.Errorf("look %d: %v", i, err)
		}
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("what a killed build left is still there")
	}
}

// A build stands still while somebody needs the machine, and gives up when told, leaving nothing.
func TestShelfWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Shelf{Dir: t.TempDir()}
		gate, asked, done := make(chan struct{}), 0, false
		go func() {
			if _, err := shelved(t, s, testMeta, func(context.Context) error { asked++; <-gate; return nil }); err != nil {
				t.Error(err)
			}
			done = true
		}()
		for i := range 5 {
			time.Sleep(time.Minute)
			synctest.Wait()
			if asked != i+1 || done {
				t.Fatalf("%d pictures begun, %d let through", asked, i)
			}
			gate <- struct{}{}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !done {
			t.Error("not built")
		}
		stop := errors.New("somebody pours")
		m := testMeta
		m.Look = "dark"
		if _, err := shelved(t, s, m, func(context.Context) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("gave up with %v", err)
		}
		if l, _ := os.ReadDir(s.Dir); len(l) != 1 {
			t.Errorf("left over: %v", l)
		}
	})
}

func TestShelfDiscards(t *testing.T) {
	s := &Shelf{Dir: t.TempDir()}
	p, err := shelved(t, s, testMeta, goOn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Picture("tile/0")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Discard(p), s.Discard(p)); err != nil {
		t.Error(err)
	}
	im := noise(30, 41, 0)
	if string(b.Pix) != string(im.Pix) {
		t.Error("a shown picture changed")
	}
	if _, err := s.Open(testMeta); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := (&Shelf{}).Open(testMeta); err == nil {
		t.Error("opened without a directory")
	}
}
