//go:build linux

// Package fbdev draws on a plain frame buffer (/dev/fb0), where the kernel has no mode setting for the panel. It may
// import touchui/display, touchui/display/vt, internal/problem and x/sys.
//
//	painter's frame ──Present: dirty rows──► mapped memory (XRGB, RGBA, or RGB565 with ordered dither) ──► panel
//	VBlank ◄── FBIO_WAITFORVSYNC in a goroutine, where the driver has it; else the kiosk's timer
//
// There is one buffer: a row may tear. Package drm is the better choice wherever it works.
package fbdev

import (
	"errors"
	"image"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/touchui/display"
	"fountain/touchui/display/vt"
)

// DefaultPath is the first frame buffer.
const DefaultPath = "/dev/fb0"

// ErrClosed is returned by Present after Close.
var ErrClosed = errors.New("the display is closed")

// Config says where to draw.
type Config struct {
	Path string // "" is DefaultPath
	Log  *slog.Logger
}

// Display is an open frame buffer.
type Display struct {
	layout
	path   string
	log    *slog.Logger
	fd     int
	leave  func()
	vblank chan time.Time // nil without FBIO_WAITFORVSYNC
	frame  chan struct{}  // a frame was presented
	done   chan struct{}
	ended  chan struct{}

	mu     sync.Mutex
	mem    []byte
	closed bool
}

var (
	_ display.Display  = (*Display)(nil)
	_ display.Measured = (*Display)(nil)
)

// Exists tells whether the machine has a frame buffer.
func Exists() bool {
	_, err := os.Stat(DefaultPath)
	return err == nil
}

// Open maps the frame buffer, wakes the panel and keeps the text console off it. The error is a problem with a remedy.
func Open(cfg Config) (*Display, error) {
	if cfg.Path == "" {
		cfg.Path = DefaultPath
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	fd, err := unix.Open(cfg.Path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openProblem(cfg.Path, err)
	}
	d := &Display{
		path: cfg.Path, log: cfg.Log, fd: fd,
		frame: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := d.mapMemory(); err != nil {
		_ = unix.Close(fd)
		return nil, &problem.Problem{
			Code: problem.CodeBadConfig, Where: cfg.Path, What: "the frame buffer cannot be used: " + err.Error(),
			Remedy: "use --display drm, or give the kernel another mode for it (video=… on its command line)",
		}
	}
	if err := unix.IoctlSetInt(fd, ioBlank, unblank); err != nil {
		cfg.Log.Debug("wake the panel", logkey.Path, cfg.Path, logkey.Err, err) // many drivers cannot sleep
	}
	d.leave = vt.Graphics(cfg.Log)
	clear(d.mem)
	if d.waitVSync() == nil {
		d.vblank = make(chan time.Time, 1)
		go d.pace()
	} else {
		close(d.ended)
	}
	return d, nil
}

func openProblem(path string, err error) error {
	p := &problem.Problem{Code: problem.CodeUnreachable, Where: path, What: "the frame buffer cannot be opened: " + err.Error()}
	switch {
	case errors.Is(err, fs.ErrPermission):
		p.Code, p.What = problem.CodeForbidden, "this user may not open the frame buffer"
		p.Remedy = "add it to the group video (usermod -aG video USER) or start fountain-ui by its unit file"
	case errors.Is(err, fs.ErrNotExist):
		p.What, p.Remedy = "there is no such frame buffer", "use --display drm, or --display web"
	}
	return p
}

// mapMemory reads what the frame buffer is, asks for 32 bits a pixel where it has a format of its own, and maps it.
func (d *Display) mapMemory() error {
	var v varInfo
	var f fixInfo
	ask := func() error {
		if err := ioctl(d.fd, ioGetVar, unsafe.Pointer(&v)); err != nil {
			return err
		}
		return ioctl(d.fd, ioGetFix, unsafe.Pointer(&f))
	}
	if err := ask(); err != nil {
		return err
	}
	l, length, err := layoutOf(v, f)
	if err != nil {
		v.bitsPerPixel, v.red, v.green, v.blue, v.transp = 32, bitfield{16, 8, 0}, bitfield{8, 8, 0}, bitfield{0, 8, 0}, bitfield{}
		if ioctl(d.fd, ioPutVar, unsafe.Pointer(&v)) != nil || ask() != nil {
			return err
		}
		if l, length, err = layoutOf(v, f); err != nil {
			return err
		}
	}
	d.layout = l
	d.mem, err = unix.Mmap(d.fd, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

func (d *Display) Size() (w, h int)            { return d.size.X, d.size.Y }
func (d *Display) Format() display.PixelFormat { return d.format }
func (d *Display) VBlank() <-chan time.Time    { return d.vblank }

// PanelMM is the size the driver tells; (0,0) when it tells none.
func (d *Display) PanelMM() (w, h int) { return d.mm.X, d.mm.Y }

// Name says where it draws.
func (d *Display) Name() string { return d.path }

// Present writes the dirty rows.
func (d *Display) Present(f *display.Frame, dirty []image.Rectangle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	for _, r := range dirty {
		d.write(d.mem, f, r)
	}
	select {
	case d.frame <- struct{}{}:
	default:
	}
	return nil
}

func (d *Display) waitVSync() error {
	crtc := uint32(0)
	return ioctl(d.fd, ioWaitVSync, unsafe.Pointer(&crtc))
}

// pace tells the vblank after each presented frame.
func (d *Display) pace() {
	defer close(d.ended)
	for {
		select {
		case <-d.done:
			return
		case <-d.frame:
		}
		if err := d.waitVSync(); err != nil {
			d.log.Debug("wait for the vertical blank", logkey.Path, d.path, logkey.Err, err) // the kiosk paces itself then
		}
		select {
		case d.vblank <- time.Now():
		default:
		}
	}
}

// Close gives the frame buffer back to the console.
func (d *Display) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.done)
	d.mu.Unlock()
	<-d.ended
	clear(d.mem)
	err := unix.Munmap(d.mem)
	d.leave()
	return errors.Join(err, unix.Close(d.fd))
}
