//go:build linux

package drm

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// fakeCard is a card as the kernel behaves: a flip is told once a frame by tick, one at a time, and only to the master.
type fakeCard struct {
	mu       sync.Mutex
	list     []connector
	encoders map[uint32]getEncoder
	screens  []uint32
	before   modeCRTC
	master   bool
	gone     bool
	noFlip   error // what every flip answers
	setFails error

	next    uint32
	bufs    map[uint32]*buffer // by frame buffer
	shown   uint32             // frame buffer on the panel
	asked   uint32             // of the flip on its way, 0 for none
	flips   int
	sets    int
	events  happened
	kick    chan struct{}
	isOpen  bool
	current modeCRTC
}

func newFake(list ...connector) *fakeCard {
	return &fakeCard{
		list: list, master: true, isOpen: true, bufs: map[uint32]*buffer{}, kick: make(chan struct{}, 1), screens: []uint32{40, 41},
		encoders: map[uint32]getEncoder{7: {encoderID: 7, possibleCRTCs: 2}}, before: modeCRTC{crtcID: 41, fbID: 99, valid: 1},
	}
}

func (c *fakeCard) takeMaster() error                { return nil }
func (c *fakeCard) connectors() ([]connector, error) { return c.list, nil }
func (c *fakeCard) crtcs() ([]uint32, error)         { return c.screens, nil }
func (c *fakeCard) encoder(id uint32) (getEncoder, error) {
	e, ok := c.encoders[id]
	if !ok {
		return e, unix.ENOENT
	}
	return e, nil
}

func (c *fakeCard) connector(id uint32) (connector, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.list {
		if k.id == id {
			return k, nil
		}
	}
	return connector{}, unix.ENOENT
}

func (c *fakeCard) crtc(uint32) (modeCRTC, error) { return c.before, nil }

func (c *fakeCard) show(crtc, fb, _ uint32, m modeInfo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return unix.ENODEV
	case !c.master:
		return unix.EACCES
	case c.setFails != nil:
		return c.setFails
	}
	c.sets++
	c.shown, c.asked = fb, 0
	c.current = modeCRTC{crtcID: crtc, fbID: fb, valid: 1, mode: m}
	return nil
}

func (c *fakeCard) restore(m modeCRTC, _ uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = m
	return nil
}

func (c *fakeCard) newBuffer(w, h int) (*buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	pitch := w*4 + 64 // rows are padded
	b := &buffer{fb: c.next, handle: c.next, pitch: uint32(pitch), mem: make([]byte, pitch*h)}
	c.bufs[b.fb] = b
	return b, nil
}

func (c *fakeCard) freeBuffer(b *buffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bufs, b.fb)
}

func (c *fakeCard) flip(_, fb uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return unix.ENODEV
	case !c.master:
		return unix.EACCES
	case c.noFlip != nil:
		return c.noFlip
	case c.asked != 0:
		return unix.EBUSY
	}
	c.asked = fb
	c.flips++
	return nil
}

// tick is the panel's next frame.
func (c *fakeCard) tick() {
	c.mu.Lock()
	if c.asked != 0 {
		c.shown, c.asked = c.asked, 0
		c.events.flips++
	}
	c.mu.Unlock()
	c.wake()
}

// plug puts the panel on or off, and tells.
func (c *fakeCard) plug(on bool) {
	c.mu.Lock()
	for i := range c.list {
		c.list[i].on = on
	}
	c.events.changed = true
	c.mu.Unlock()
	c.wake()
}

func (c *fakeCard) set(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	c.wake()
}

func (c *fakeCard) wait(limit time.Duration) (happened, error) {
	var timeout <-chan time.Time
	if limit >= 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-c.kick:
	case <-timeout:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.events
	c.events = happened{}
	if c.gone {
		return h, unix.ENODEV
	}
	return h, nil
}

func (c *fakeCard) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *fakeCard) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isOpen = false
	return nil
}
