//go:build linux

// Package drm draws on a device's panel through the kernel's mode setting: one connector, two dumb buffers, page flips.
// No graphics library, no cgo. It may import touchui/display, touchui/display/vt, internal/problem and x/sys.
//
//	painter's frame ──Present──► back buffer ──PAGE_FLIP──► panel        buffers are written, never read;
//	   (shadow)      dirty + what this buffer missed          │          the frame stays the painter's
//	VBlank ◄──────── flip event ◄──── watch (goroutine) ◄─────┘
//	                                    └── unplugged, master lost: tell; every second or at a hot-plug message: try again
//
// A Display owns its card, buffers and one goroutine. When the panel is gone or another program took the display over,
// Present says so and goes on keeping the buffers whole: what is shown again afterwards is the newest picture.
package drm

import (
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/internal/logkey"
	"fountain/touchui/display"
	"fountain/touchui/display/vt"
)

// Config says where to draw. The zero value takes the first panel in its own mode.
type Config struct {
	Path          string // of the card; "" takes the first with a connected panel
	Connector     string // such as HDMI-A-1; "" takes the first with a panel
	Width, Height int    // wanted mode; 0 takes the panel's preferred one
	Log           *slog.Logger
}

var (
	// ErrClosed is returned by Present after Close.
	ErrClosed = errors.New("the display is closed")
	// ErrUnplugged is returned by Present while no panel is connected.
	ErrUnplugged = errors.New("the panel is not connected")
	// ErrTaken is returned by Present while another program holds the display.
	ErrTaken = errors.New("another program has taken the display")
	// ErrGone is returned by Present when the card itself is gone: only a new Open can help. Gone tells it too.
	ErrGone = errors.New("the display's card is gone")
)

const (
	flipLimit  = 100 * time.Millisecond // a flip takes a frame; the kernel that owes one for so long has lost it
	busyLimit  = 50 * time.Millisecond  // how long a busy flip is tried again
	retryEvery = time.Second            // how often a lost panel is looked for
)

// Display is an open panel.
type Display struct {
	cfg    Config
	log    *slog.Logger
	card   card
	out    output
	saved  modeCRTC
	leave  func() // gives the text console back
	vblank chan time.Time
	gone   chan struct{}
	quit   chan struct{} // closed by Close
	ended  chan struct{} // the watch has returned
	flip   chan struct{} // a value for each flip that Present may wait for

	mu      sync.Mutex
	bufs    [2]*buffer
	missed  [2]region // what each buffer lacks of the newest picture
	front   int       // the newest
	pending bool      // a flip is on its way
	lost    error     // why the panel does not show our buffers now
	closed  bool
}

var (
	_ display.Display  = (*Display)(nil)
	_ display.Measured = (*Display)(nil)
)

// Open takes the display and shows black. The error is a problem with a remedy.
func Open(cfg Config) (*Display, error) {
	if cfg.Path == "" {
		cfg.Path = cards + "/card0"
		if p, ok := Connected(); ok {
			cfg.Path = p
		}
	}
	c, err := openCard(cfg.Path)
	if err != nil {
		return nil, openProblem(cfg.Path, err)
	}
	d, err := start(cfg, c)
	if err != nil {
		_ = c.close()
		return nil, err
	}
	d.leave = vt.Graphics(d.log)
	return d, nil
}

// start sets the mode on an open card, which stays the caller's when it fails.
func start(cfg Config, c card) (*Display, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Display{
		cfg: cfg, log: cfg.Log, card: c, leave: func() {},
		vblank: make(chan time.Time, 1), gone: make(chan struct{}), quit: make(chan struct{}), ended: make(chan struct{}), flip: make(chan struct{}, 1),
	}
	_ = c.takeMaster() // the first to open a card is master already; what counts is whether the mode can be set
	var err error
	if d.out, err = choose(c, cfg); err != nil {
		return nil, err
	}
	d.saved, _ = c.crtc(d.out.crtc) // the zero value switches it off
	d.saved.crtcID = d.out.crtc
	w, h := d.Size()
	for i := range d.bufs {
		if d.bufs[i], err = c.newBuffer(w, h); err != nil {
			d.free()
			return nil, fmt.Errorf("%s: %w", cfg.Path, err)
		}
		d.missed[i] = region{image.Rect(0, 0, w, h)}
	}
	if err := c.show(d.out.crtc, d.bufs[0].fb, d.out.connector.id, d.out.mode); err != nil {
		d.free()
		if refused(err) {
			return nil, heldProblem(cfg.Path, err)
		}
		return nil, fmt.Errorf("%s: set mode %dx%d on %s: %w", cfg.Path, w, h, d.out.connector.name, err)
	}
	go d.watch()
	return d, nil
}

func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// Size is the mode's.
func (d *Display) Size() (w, h int)            { return int(d.out.mode.HDisplay), int(d.out.mode.VDisplay) }
func (d *Display) Format() display.PixelFormat { return display.XRGB8888 }
func (d *Display) VBlank() <-chan time.Time    { return d.vblank }

// PanelMM is the size the panel says it has; (0,0) when it says none.
func (d *Display) PanelMM() (w, h int) { return d.out.connector.mmW, d.out.connector.mmH }

// Name says where it draws, such as /dev/dri/card0 HDMI-A-1.
func (d *Display) Name() string { return d.cfg.Path + " " + d.out.connector.name }

// Gone is closed when the card itself is gone.
func (d *Display) Gone() <-chan struct{} { return d.gone }

// Present copies what the back buffer lacks and asks for a flip. It waits for the previous flip.
func (d *Display) Present(f *display.Frame, dirty []image.Rectangle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awaitFlip()
	if d.closed {
		return ErrClosed
	}
	back := 1 - d.front
	d.missed[d.front].add(dirty...)
	d.missed[back].add(dirty...)
	d.bufs[back].write(f, d.missed[back])
	d.missed[back] = d.missed[back][:0]
	d.front = back
	if d.lost != nil {
		return d.lost
	}
	return d.turn()
}

// awaitFlip waits for the flip on its way. It releases the lock meanwhile.
func (d *Display) awaitFlip() {
	if !d.pending {
		return
	}
	t := time.NewTimer(flipLimit)
	defer t.Stop()
	for d.pending && !d.closed {
		d.mu.Unlock()
		select {
		case <-d.flip:
		case <-t.C:
			d.mu.Lock()
			d.pending = false // the next flip will tell whether the kernel still has it
			return
		}
		d.mu.Lock()
	}
}

// turn shows the front buffer. Called with the lock held.
func (d *Display) turn() error {
	select {
	case <-d.flip: // of a flip nobody waited for
	default:
	}
	err := d.card.flip(d.out.crtc, d.bufs[d.front].fb)
	for end := time.Now().Add(busyLimit); errors.Is(err, unix.EBUSY) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		err = d.card.flip(d.out.crtc, d.bufs[d.front].fb)
	}
	if err == nil {
		d.pending = true
		return nil
	}
	// A card that cannot flip, or whose mode was taken off by an unplugged cable, can still be set anew.
	if !refused(err) && !errors.Is(err, unix.ENODEV) {
		err = d.card.show(d.out.crtc, d.bufs[d.front].fb, d.out.connector.id, d.out.mode)
	}
	if err == nil {
		d.told()
		return nil
	}
	d.lose(err)
	return d.lost
}

// told delivers a vblank; one that nobody has read yet serves as well.
func (d *Display) told() {
	select {
	case d.vblank <- time.Now():
	default:
	}
}

// lose notes why the panel does not show us. Called with the lock held.
func (d *Display) lose(err error) {
	was := d.lost
	switch {
	case errors.Is(was, ErrGone):
		return
	case errors.Is(err, unix.ENODEV):
		d.lost = ErrGone
		close(d.gone)
	case refused(err):
		d.lost = ErrTaken
	case errors.Is(err, ErrUnplugged):
		d.lost = ErrUnplugged
	default:
		d.lost = fmt.Errorf("show a picture on %s: %w", d.Name(), err)
	}
	d.pending = false
	if was == nil {
		d.log.Warn("the display shows nothing now", logkey.Path, d.Name(), logkey.Reason, d.lost.Error())
		d.card.wake() // the watch begins to look for it
	}
}

// Close gives the display back as it was. It waits until the kernel has the old picture.
func (d *Display) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		<-d.ended
		return nil
	}
	d.closed = true
	close(d.quit)
	d.mu.Unlock()
	d.card.wake()
	<-d.ended
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost == nil {
		// when the console's buffer is gone, off is all that is left
		if err := d.card.restore(d.saved, d.out.connector.id); err != nil {
			_ = d.card.restore(modeCRTC{crtcID: d.out.crtc}, 0)
		}
	}
	d.free()
	d.leave()
	return d.card.close()
}

func (d *Display) free() {
	for i, b := range d.bufs {
		if b != nil {
			d.card.freeBuffer(b)
			d.bufs[i] = nil
		}
	}
}
