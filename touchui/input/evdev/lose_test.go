//go:build linux

package evdev

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/touchui/input"
)

// TestUnplugged: a device that is pulled from under a finger and a key ends both, and tells that it is gone. The device is a
// pipe; its end is the cable.
func TestUnplugged(t *testing.T) {
	var cable [2]int
	s := &Source{log: slog.New(slog.DiscardHandler), touches: input.NewTouches(), keys: input.NewQueue[input.Key](), done: make(chan struct{}), refused: map[string]string{}}
	s.cfg.Dir = t.TempDir()
	for _, p := range []*[2]int{&s.poke, &cable} {
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.notify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	d := &device{fd: cable[0], path: "event0", keys: true, dec: newTap(recordSize, true).decoder}
	d.dec.touch, d.dec.key = s.touches.Push, s.keys.Push
	s.devices = []*device{d}
	go s.run()
	if _, err := unix.Write(cable[1], encode(recordSize, packet(slot(0), track(7), at(5, 6), rec{evKey, 28, 1})...)); err != nil {
		t.Fatal(err)
	}
	late := time.After(time.Minute)
	got := ""
	next := func() {
		select {
		case e := <-s.Events():
			got += fmt.Sprintf("%v %d; ", e.Phase, e.ID)
		case k := <-s.Keys():
			got += fmt.Sprintf("%v %v; ", k.Phase, k.Code)
		case <-late:
			t.Fatalf("only %q", got)
		}
	}
	next()
	next()
	if err := unix.Close(cable[1]); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		next()
	}
	for _, want := range []string{"down 1; ", "cancel 1; ", "cancel -1; ", "down select; ", "cancel select; ", "cancel unknown; "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
