package beat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SocketName is the guard's socket under the run directory.
const SocketName = "guard.sock"

// ErrGone is wrapped by Send and Poll when there is no guard, or none that answers, on the other side.
var ErrGone = errors.New("guard is gone")

// maxPath is the longest path of a unix socket on Linux, without the closing zero byte.
const maxPath = 107

// Link is the agent's end of the beat. Send and Poll never block; after the guard went away Send tries to connect
// again, so the control loop needs no other goroutine. Not safe for concurrent use: it belongs to the control loop.
type Link struct {
	addr unix.SockaddrUnix
	fd   int
	buf  [Size]byte
}

// Dial prepares a link to the guard's socket at path. A guard that is not there yet is no error: Send tells.
func Dial(path string) (*Link, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("connect to guard: socket path is longer than %d bytes: %s", maxPath, path)
	}
	return &Link{addr: unix.SockaddrUnix{Name: path}, fd: -1}, nil
}

// Send sends one packet. An error wraps ErrGone: shut everything.
func (l *Link) Send(p Packet) error {
	if l.fd < 0 {
		if err := l.connect(); err != nil {
			return err
		}
	}
	p.Encode(&l.buf)
	if err := unix.Sendto(l.fd, l.buf[:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); err != nil {
		_ = l.Close() // the link is dead; the next Send starts anew
		return fmt.Errorf("%w: send: %w", ErrGone, err)
	}
	return nil
}

// Poll returns the oldest reply not yet read, or false when there is none. An error wraps ErrGone.
func (l *Link) Poll() (Reply, bool, error) {
	if l.fd < 0 {
		return Reply{}, false, ErrGone
	}
	n, _, err := unix.Recvfrom(l.fd, l.buf[:], unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return Reply{}, false, nil
	case err != nil:
		_ = l.Close()
		return Reply{}, false, fmt.Errorf("%w: receive: %w", ErrGone, err)
	case n == 0:
		_ = l.Close()
		return Reply{}, false, ErrGone
	}
	r, err := DecodeReply(l.buf[:n])
	if err != nil {
		_ = l.Close()
		return Reply{}, false, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return r, true, nil
}

// Close ends the connection; the guard shuts MASTER at once. A later Send connects again.
func (l *Link) Close() error {
	if l.fd < 0 {
		return nil
	}
	fd := l.fd
	l.fd = -1
	return unix.Close(fd)
}

func (l *Link) connect() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err := unix.Connect(fd, &l.addr); err != nil {
		_ = unix.Close(fd) // never connected
		return fmt.Errorf("%w: connect to %s: %w", ErrGone, l.addr.Name, err)
	}
	l.fd = fd
	return nil
}

// Listener is the guard's end of the beat: one agent at a time. No method blocks. It belongs to the guard's loop.
type Listener struct {
	path  string
	fd    int
	conn  int  // -1 = no agent
	fresh bool // conn has not been reported yet
	buf   [Size]byte
}

// Listen creates the socket at path, mode 0660. A socket nobody listens on any more is replaced; a live one is an
// error that wraps unix.EADDRINUSE.
func Listen(path string) (*Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("listen for beats: socket path is longer than %d bytes: %s", maxPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen for beats: %w", err)
	}
	probe := Link{addr: unix.SockaddrUnix{Name: path}, fd: -1}
	if probe.connect() == nil {
		_ = probe.Close()
		return nil, fmt.Errorf("listen for beats on %s: another guard runs there: %w", path, unix.EADDRINUSE)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("listen for beats: %w", err)
	}
	l := &Listener{path: path, fd: fd, conn: -1}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen for beats on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen for beats: %w", err)
	}
	if err := unix.Listen(fd, 4); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen for beats on %s: %w", path, err)
	}
	return l, nil
}

// Event is what Next found.
type Event int

// Events of a Listener.
const (
	Nothing   Event = iota
	Connected       // an agent connected
	Beaten          // a packet arrived
	Lost            // the agent's connection ended, or it sent something that is no packet
)

// Next returns the next event without waiting. A second agent is turned away while one is connected.
func (l *Listener) Next() (Event, Packet) {
	l.accept()
	if l.conn < 0 {
		return Nothing, Packet{}
	}
	if l.fresh {
		l.fresh = false
		return Connected, Packet{}
	}
	n, _, err := unix.Recvfrom(l.conn, l.buf[:], unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return Nothing, Packet{}
	}
	if err == nil && n > 0 {
		if p, err := DecodePacket(l.buf[:n]); err == nil {
			return Beaten, p
		}
	}
	l.Drop()
	return Lost, Packet{}
}

func (l *Listener) accept() {
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return // nobody there; accept has no other error the loop could act on
	}
	if l.conn >= 0 {
		_ = unix.Close(fd) // turned away
		return
	}
	l.conn, l.fresh = fd, true
}

// Reply sends r to the agent. A full or dead connection is dropped: Next reports nothing more of it.
func (l *Listener) Reply(r Reply) {
	if l.conn < 0 {
		return
	}
	r.Encode(&l.buf)
	if unix.Sendto(l.conn, l.buf[:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil) != nil {
		l.Drop()
	}
}

// Drop ends the agent's connection.
func (l *Listener) Drop() {
	if l.conn >= 0 {
		_ = unix.Close(l.conn)
		l.conn = -1
	}
}

// Close ends the connection and removes the socket.
func (l *Listener) Close() error {
	l.Drop()
	_ = os.Remove(l.path) // a leftover is replaced by the next Listen
	return unix.Close(l.fd)
}
