package speech

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/touchui/words"
)

// slow is a voice that takes a second for everything.
type slow struct {
	mu    sync.Mutex
	said  []string
	cut   []string
	fails error
}

func (v *slow) Say(ctx context.Context, device, tag, text string) error {
	if v.fails != nil {
		return v.fails
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.said = append(v.said, device+" "+tag+" "+text)
		return nil
	case <-ctx.Done():
		v.mu.Lock()
		defer v.mu.Unlock()
		v.cut = append(v.cut, text)
		return ctx.Err()
	}
}

// The latest wins: what is being said ends, what waits is forgotten, and nobody waits for the voice.
func TestLatestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &slow{}
		s := NewSpeaker(v, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		s.Say("en", "nobody hears this: there is no device")
		synctest.Wait()
		s.Use("hw:1")
		s.Say("en", "home")
		time.Sleep(100 * time.Millisecond)
		start := time.Now()
		for _, w := range []string{"one", "two", "three"} {
			s.Say("de", w)
		}
		if time.Since(start) != 0 {
			t.Error("saying something takes time")
		}
		time.Sleep(2 * time.Second)
		s.Say("en", "bye")
		synctest.Wait()
		s.Use("")
		synctest.Wait()
		cancel()
		wg.Wait()
		if want := []string{"hw:1 de three"}; !slices.Equal(v.said, want) {
			t.Errorf("said %q, want %q", v.said, want)
		}
		if want := []string{"home", "bye"}; !slices.Equal(v.cut, want) {
			t.Errorf("cut short %q, want %q", v.cut, want)
		}
	})
}

// A machine without a voice says so once, in the log.
func TestNoVoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := NewSpeaker(&slow{fails: errors.Join(ErrNoVoice, exec.ErrNotFound)}, slog.New(slog.NewTextHandler(&out, nil)))
		s.Use(Default)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		for range 5 {
			s.Say("en", "home")
			synctest.Wait()
		}
		on := s.On()
		cancel()
		wg.Wait()
		if n := strings.Count(out.String(), "\n"); n != 1 || on {
			t.Errorf("%d lines in the log, on: %v; want one line and silence", n, on)
		}
	})
}

// espeak-ng itself: a sentence of each language becomes sound, and none of the languages is read by the voice of another.
func TestEspeak(t *testing.T) {
	path, err := exec.LookPath("espeak-ng")
	if err != nil {
		if os.Getenv("FOUNTAIN_E2E") != "" {
			t.Fatal("espeak-ng is not installed: apt-get install espeak-ng")
		}
		t.Skip("SKIPPED: espeak-ng is not installed, so that nothing was heard; FOUNTAIN_E2E=1 makes this an error")
	}
	list, err := exec.Command(path, "--voices").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range words.Languages() {
		w := book(t, l.Tag)
		voice := VoiceName(l.Tag)
		if !slices.ContainsFunc(strings.Split(string(list), "\n"), func(line string) bool {
			f := strings.Fields(line)
			return len(f) > 1 && (f[1] == voice || strings.HasPrefix(f[1], voice+"-"))
		}) {
			t.Errorf("%s: espeak-ng lists no voice %s", l.Tag, voice)
		}
		file := filepath.Join(t.TempDir(), l.Tag+".wav")
		text := Page(w, "beverage", drink("ready", "150"))
		if err := (Espeak{File: file}).Say(t.Context(), Default, l.Tag, text); err != nil {
			t.Errorf("%s: %v", l.Tag, err)
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		loud, n := 0, 0
		for i := 44; i+1 < len(b); i += 2 {
			if v := int16(binary.LittleEndian.Uint16(b[i:])); v > 1000 || v < -1000 {
				loud++
			}
			n++
		}
		t.Logf("%s: %.1f s, %d %% of the samples loud: %s", l.Tag, float64(n)/22050, 100*loud/max(n, 1), text)
		if n < 22050 || loud < n/20 {
			t.Errorf("%s: %d samples, %d of them loud: nothing to be heard", l.Tag, n, loud)
		}
	}
	if err := (Espeak{Path: filepath.Join(t.TempDir(), "none")}).Say(t.Context(), Default, "en", "x"); err == nil {
		t.Error("a program that is not there speaks")
	}
}

// A long text ends with its context.
func TestEspeakStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "voice")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	err := (Espeak{Path: path}).Say(ctx, "hw:0", "en", "a long story")
	if took := time.Since(start); err == nil || took > 10*time.Second {
		t.Errorf("stopped after %v with %v", took, err)
	}
}
