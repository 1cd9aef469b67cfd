//go:build linux

// Package evdev reads the kernel's touch screens and keypads (/dev/input/event*), without udev or any library. It may
// import touchui/input, internal/logkey and x/sys.
//
//	/dev/input/eventN ─► decoder (pure: bytes ► touches, keys) ─┐
//	                       axis ranges, calibration ► pixels    ├─► one queue ─► Events(), Keys()
//	inotify: plugged, unplugged ────────────────────────────────┘
//
// Multi-touch devices speak protocol B (slots and tracking ids); others are one finger with BTN_TOUCH or, as emulated
// tablets have, BTN_LEFT. Protocol A, without slots, is read as one finger. A device that is unplugged, or whose events
// the kernel dropped, cancels every finger and key it held; a finger that lies on the panel when a device appears starts
// nothing until it has been lifted. A Source owns its devices and one goroutine.
package evdev

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/internal/logkey"
	"fountain/touchui/input"
)

// Config says what to read. Width and Height are the panel's pixels and required.
type Config struct {
	Dir           string // "" is /dev/input
	Width, Height int
	Calibration   Matrix // zero: none
	Share         bool   // leave the devices to others too; by default they are ours alone (EVIOCGRAB)
	Log           *slog.Logger
}

// Source is every touch screen and keypad of the machine, as they come and go.
type Source struct {
	cfg     Config
	log     *slog.Logger
	touches *input.Queue[input.Touch]
	keys    *input.Queue[input.Key]
	poke    [2]int
	done    chan struct{}
	once    sync.Once

	// the goroutine's
	notify   int
	watching bool // Dir exists and is watched
	devices  []*device
	refused  map[string]string // told why a device was not taken
	lastID   int
}

var _ input.KeySource = (*Source)(nil)

// Open begins to read. That there is no device yet is no error: it may be plugged in later.
func Open(cfg Config) (*Source, error) {
	if cfg.Dir == "" {
		cfg.Dir = "/dev/input"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Source{cfg: cfg, log: cfg.Log, done: make(chan struct{}), refused: map[string]string{}}
	var err error
	if s.notify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return nil, &os.SyscallError{Syscall: "inotify_init1", Err: err}
	}
	if err := unix.Pipe2(s.poke[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		_ = unix.Close(s.notify)
		return nil, &os.SyscallError{Syscall: "pipe2", Err: err}
	}
	s.touches, s.keys = input.NewTouches(), input.NewQueue[input.Key]()
	s.scan()
	if len(s.devices) == 0 {
		s.log.Warn("no touch screen and no keypad yet", logkey.Path, cfg.Dir)
	}
	go s.run()
	return s, nil
}

// Events delivers touches in panel pixels, not rotated.
func (s *Source) Events() <-chan input.Touch { return s.touches.Out() }

// Keys delivers the keys that drive a screen.
func (s *Source) Keys() <-chan input.Key { return s.keys.Out() }

// Close gives the devices back and closes the channels.
func (s *Source) Close() error {
	s.once.Do(func() {
		_, _ = unix.Write(s.poke[1], []byte{0})
		<-s.done
		for _, d := range s.devices {
			_ = unix.Close(d.fd)
		}
		_ = unix.Close(s.notify)
		_ = unix.Close(s.poke[0])
		_ = unix.Close(s.poke[1])
		s.touches.Close()
		s.keys.Close()
	})
	return nil
}

func (s *Source) run() {
	defer close(s.done)
	defer func() { // nobody reads on: nothing stays held
		for _, d := range s.devices {
			d.dec.cancel(time.Now())
		}
	}()
	buf := make([]byte, 64*recordSize)
	for {
		fds := []unix.PollFd{{Fd: int32(s.poke[0]), Events: unix.POLLIN}, {Fd: int32(s.notify), Events: unix.POLLIN}}
		for _, d := range s.devices {
			fds = append(fds, unix.PollFd{Fd: int32(d.fd), Events: unix.POLLIN})
		}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			s.log.Error("wait for touches", logkey.Err, err)
			return
		}
		if fds[0].Revents != 0 {
			return
		}
		for i, d := range slices.Clone(s.devices) {
			if fds[2+i].Revents != 0 && !s.read(d, buf) {
				s.lose(d)
			}
		}
		if fds[1].Revents != 0 {
			_, _ = unix.Read(s.notify, buf) // what it says is found by looking
			s.scan()
		}
	}
}

// read hands on what a device has; false when the device is gone.
func (s *Source) read(d *device, buf []byte) bool {
	n, err := unix.Read(d.fd, buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return true
	case err != nil || n <= 0:
		return false
	}
	if d.dec.feed(buf[:n]) {
		s.log.Info("touch events were dropped", logkey.Path, d.path)
		d.resync()
	}
	return true
}

// lose ends a device that is gone: whatever it held is cancelled.
func (s *Source) lose(d *device) {
	s.log.Warn("input device is gone", logkey.Path, d.path, logkey.State, d.name)
	d.gone(time.Now())
	_ = unix.Close(d.fd)
	s.devices = slices.DeleteFunc(s.devices, func(o *device) bool { return o == d })
}

// scan opens the devices that are new. Permissions often come a moment after the device: the kernel tells that too.
func (s *Source) scan() {
	if !s.watching {
		const changes = unix.IN_CREATE | unix.IN_ATTRIB | unix.IN_DELETE
		_, err := unix.InotifyAddWatch(s.notify, s.cfg.Dir, changes)
		s.watching = err == nil
		if err != nil { // the folder comes with the first device
			_, _ = unix.InotifyAddWatch(s.notify, filepath.Dir(s.cfg.Dir), unix.IN_CREATE)
		}
	}
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		if s.watching = false; !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("look for touch screens", logkey.Path, s.cfg.Dir, logkey.Err, err)
		}
		return
	}
	found := map[string]bool{}
	for _, e := range entries {
		path := filepath.Join(s.cfg.Dir, e.Name())
		found[path] = true
		if !strings.HasPrefix(e.Name(), "event") || slices.ContainsFunc(s.devices, func(d *device) bool { return d.path == path }) {
			continue
		}
		s.open(path)
	}
	for path := range s.refused {
		if !found[path] {
			delete(s.refused, path)
		}
	}
}

func (s *Source) open(path string) {
	d, err := openDevice(path, &s.cfg)
	if err != nil {
		if s.refused[path] == err.Error() {
			return // told before
		}
		s.refused[path] = err.Error()
		if errors.Is(err, errUseless) {
			s.log.Debug("input device not used", logkey.Path, path, logkey.Err, err)
		} else {
			s.log.Warn("input device cannot be used", logkey.Path, path, logkey.Err, err)
		}
		return
	}
	d.dec.newID = func() int { s.lastID++; return s.lastID }
	d.dec.touch, d.dec.key = s.touches.Push, s.keys.Push
	s.devices = append(s.devices, d)
	s.log.Info("input device", logkey.Path, path, logkey.State, d.name, slog.Bool("touch", d.touches()), slog.Int("fingers", max(d.slots, 1)))
}
