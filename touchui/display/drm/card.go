//go:build linux

package drm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connector is a socket a panel hangs on.
type connector struct {
	id       uint32
	name     string // as in /sys/class/drm: HDMI-A-1, DSI-1
	on       bool   // a panel is connected
	mmW, mmH int
	modes    []modeInfo
	encoder  uint32 // the one in use, 0 for none
	encoders []uint32
}

// buffer is one dumb buffer with its frame buffer object. It is written, never read: reads are slow on real cards.
type buffer struct {
	fb, handle, pitch uint32
	mem               []byte
}

// happened is what a wait saw.
type happened struct {
	flips   int
	changed bool // something was plugged or unplugged somewhere
}

// card is what a Display needs of the kernel. Its one real implementation is kernelCard.
type card interface {
	takeMaster() error
	connectors() ([]connector, error)
	connector(id uint32) (connector, error) // looks anew whether a panel is there
	crtcs() ([]uint32, error)
	encoder(id uint32) (getEncoder, error)
	crtc(id uint32) (modeCRTC, error)
	show(crtc uint32, fb uint32, connector uint32, m modeInfo) error // sets mode and buffer, at once
	restore(c modeCRTC, connector uint32) error
	newBuffer(w, h int) (*buffer, error)
	freeBuffer(*buffer)
	flip(crtc, fb uint32) error
	wait(limit time.Duration) (happened, error) // limit < 0: until something happens or wake is called
	wake()
	close() error
}

// kernelCard is /dev/dri/cardN.
type kernelCard struct {
	fd, events int // events is a netlink socket of the kernel's hot-plug messages, -1 without
	poke       [2]int
}

func openCard(path string) (*kernelCard, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	c := &kernelCard{fd: fd, events: -1}
	if err := unix.Pipe2(c.poke[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT); err == nil {
		if unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}) == nil {
			c.events = s
		} else {
			_ = unix.Close(s)
		}
	}
	return c, nil
}

func (c *kernelCard) takeMaster() error { return ioctl(c.fd, ioSetMaster, nil) }

func (c *kernelCard) resources() (connectors, crtcs []uint32, err error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	for {
		r := cardRes{
			connectors: pinned(&pin, connectors), countConnectors: uint32(len(connectors)),
			crtcs: pinned(&pin, crtcs), countCRTCs: uint32(len(crtcs)),
		}
		if err := ioctl(c.fd, ioResources, unsafe.Pointer(&r)); err != nil {
			return nil, nil, fmt.Errorf("read the card's resources: %w", err)
		}
		if int(r.countConnectors) <= len(connectors) && int(r.countCRTCs) <= len(crtcs) {
			return connectors[:r.countConnectors], crtcs[:r.countCRTCs], nil
		}
		connectors, crtcs = make([]uint32, r.countConnectors), make([]uint32, r.countCRTCs)
	}
}

func (c *kernelCard) crtcs() ([]uint32, error) {
	_, crtcs, err := c.resources()
	return crtcs, err
}

func (c *kernelCard) connectors() (out []connector, err error) {
	ids, _, err := c.resources()
	for _, id := range ids {
		if k, err := c.connector(id); err == nil { // one that has just gone is none
			out = append(out, k)
		}
	}
	return out, err
}

func (c *kernelCard) connector(id uint32) (connector, error) {
	var (
		pin      runtime.Pinner
		modes    []modeInfo
		encoders []uint32
	)
	defer pin.Unpin()
	for {
		// without room for modes the kernel asks the panel again
		k := getConnector{
			connectorID: id, modes: pinned(&pin, modes), countModes: uint32(len(modes)),
			encoders: pinned(&pin, encoders), countEncoders: uint32(len(encoders)),
		}
		if err := ioctl(c.fd, ioGetConnector, unsafe.Pointer(&k)); err != nil {
			return connector{}, fmt.Errorf("read connector %d: %w", id, err)
		}
		if int(k.countModes) <= len(modes) && int(k.countEncoders) <= len(encoders) {
			return connector{
				id: id, name: connectorName(k.kind, k.kindID), on: k.connection == connected, mmW: int(k.mmWidth), mmH: int(k.mmHeight),
				modes: modes[:k.countModes], encoder: k.encoderID, encoders: encoders[:k.countEncoders],
			}, nil
		}
		modes, encoders = make([]modeInfo, k.countModes), make([]uint32, k.countEncoders)
	}
}

func (c *kernelCard) encoder(id uint32) (getEncoder, error) {
	e := getEncoder{encoderID: id}
	err := ioctl(c.fd, ioGetEncoder, unsafe.Pointer(&e))
	return e, err
}

func (c *kernelCard) crtc(id uint32) (modeCRTC, error) {
	m := modeCRTC{crtcID: id}
	err := ioctl(c.fd, ioGetCRTC, unsafe.Pointer(&m))
	return m, err
}

func (c *kernelCard) show(crtc, fb, connector uint32, m modeInfo) error {
	return c.restore(modeCRTC{crtcID: crtc, fbID: fb, valid: 1, mode: m}, connector)
}

func (c *kernelCard) restore(m modeCRTC, connector uint32) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	if m.valid != 0 {
		m.connectors, m.countConnectors = pinned(&pin, []uint32{connector}), 1
	} else {
		m.connectors, m.countConnectors = 0, 0
	}
	return ioctl(c.fd, ioSetCRTC, unsafe.Pointer(&m))
}

func (c *kernelCard) newBuffer(w, h int) (*buffer, error) {
	d := createDumb{width: uint32(w), height: uint32(h), bpp: 32}
	if err := ioctl(c.fd, ioCreateDumb, unsafe.Pointer(&d)); err != nil {
		return nil, fmt.Errorf("create buffer: %w", err)
	}
	b := &buffer{handle: d.handle, pitch: d.pitch}
	fb := fbCmd{width: d.width, height: d.height, pitch: d.pitch, bpp: 32, depth: 24, handle: d.handle}
	if err := ioctl(c.fd, ioAddFB, unsafe.Pointer(&fb)); err != nil {
		c.freeBuffer(b)
		return nil, fmt.Errorf("add buffer: %w", err)
	}
	b.fb = fb.fbID
	m := mapDumb{handle: d.handle}
	err := ioctl(c.fd, ioMapDumb, unsafe.Pointer(&m))
	if err == nil {
		b.mem, err = unix.Mmap(c.fd, int64(m.offset), int(d.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		c.freeBuffer(b)
		return nil, fmt.Errorf("map buffer: %w", err)
	}
	return b, nil
}

// freeBuffer gives back what there is of b. Errors have no remedy: closing the card frees all of it.
func (c *kernelCard) freeBuffer(b *buffer) {
	if b.mem != nil {
		_ = unix.Munmap(b.mem)
		b.mem = nil
	}
	if b.fb != 0 {
		fb := b.fb
		_ = ioctl(c.fd, ioRemoveFB, unsafe.Pointer(&fb))
	}
	handle := b.handle
	_ = ioctl(c.fd, ioDestroyDumb, unsafe.Pointer(&handle))
}

func (c *kernelCard) flip(crtc, fb uint32) error {
	p := pageFlip{crtcID: crtc, fbID: fb, flags: flipWithEvent}
	return ioctl(c.fd, ioPageFlip, unsafe.Pointer(&p))
}

func (c *kernelCard) wait(limit time.Duration) (h happened, err error) {
	ms := -1
	if limit >= 0 {
		ms = int(limit.Milliseconds())
	}
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}, {Fd: int32(c.poke[0]), Events: unix.POLLIN}, {Fd: int32(c.events), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, ms); err != nil {
		if errors.Is(err, unix.EINTR) {
			return h, nil
		}
		return h, err
	}
	var b [4096]byte
	if fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		return h, unix.ENODEV
	}
	if fds[0].Revents != 0 {
		n, err := unix.Read(c.fd, b[:])
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return h, err
		}
		h.flips = flipsIn(b[:max(0, n)])
	}
	if fds[1].Revents != 0 {
		_, _ = unix.Read(c.poke[0], b[:]) // a poke has no content
	}
	if fds[2].Revents != 0 {
		n, _, err := unix.Recvfrom(c.events, b[:], 0)
		// lost messages (ENOBUFS) may have been about us
		h.changed = errors.Is(err, unix.ENOBUFS) || err == nil && aboutDisplays(string(b[:n]))
	}
	return h, nil
}

func (c *kernelCard) wake() { _, _ = unix.Write(c.poke[1], []byte{0}) } // a full pipe wakes as well

func (c *kernelCard) close() error {
	if c.events >= 0 {
		_ = unix.Close(c.events)
	}
	_ = unix.Close(c.poke[0])
	_ = unix.Close(c.poke[1])
	return unix.Close(c.fd)
}

// flipsIn counts the page flips told by what was read from a card: records that begin with a kind and a length, each a
// 32-bit number (struct drm_event).
func flipsIn(b []byte) (n int) {
	for len(b) >= 8 {
		kind, length := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
		if length < 8 || uint64(length) > uint64(len(b)) {
			return n
		}
		if kind == eventFlip {
			n++
		}
		b = b[length:]
	}
	return n
}

// aboutDisplays tells whether a message of the kernel says that something of a display changed.
func aboutDisplays(message string) bool {
	return strings.Contains(message, "\x00SUBSYSTEM=drm\x00") && strings.HasPrefix(message, "change@")
}

// connectorName is the name a connector has in /sys/class/drm and in the kernel's messages.
func connectorName(kind, id uint32) string {
	names := []string{
		"Unknown", "VGA", "DVI-I", "DVI-D", "DVI-A", "Composite", "SVIDEO", "LVDS", "Component", "DIN", "DP", "HDMI-A", "HDMI-B",
		"TV", "eDP", "Virtual", "DSI", "DPI", "Writeback", "SPI", "USB",
	}
	if int(kind) >= len(names) {
		kind = 0
	}
	return fmt.Sprintf("%s-%d", names[kind], id)
}
