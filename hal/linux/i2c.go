package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"fountain/internal/problem"
)

// From linux/i2c.h and linux/i2c-dev.h.
const (
	i2cFuncs    = 0x0705
	i2cRdwr     = 0x0707
	i2cFuncI2C  = 1
	i2cRead     = 1
	i2cMaxBytes = 8192 // a message the kernel takes
)

type i2cMessage struct {
	addr, flags, n uint16
	buf            unsafe.Pointer
}

type i2cTransfer struct {
	msgs *i2cMessage
	n    uint32
}

// Bus is an I²C adapter of the kernel, /dev/i2c-N, as periph's i2c.Bus. It makes combined transfers (I2C_RDWR) whose buffers
// and messages are its own and live on the heap: periph's own adapter keeps addresses of stack variables over two calls.
// Safe for use by several goroutines; a transfer blocks for the time the wire takes, so the control loop makes none.
type Bus struct {
	path string

	mu   sync.Mutex // the buffers are shared; the adapter does one transfer at a time anyway
	fd   int        // −1: closed
	buf  []byte
	msgs *[2]i2cMessage
	tr   *i2cTransfer
}

var _ i2c.BusCloser = (*Bus)(nil)

// OpenI2C opens the adapter /dev/i2c-<bus>, as the rig file's chips name it. The bus may be used by several goroutines;
// a transaction may block for the time the wire needs, so it is never called from the control loop. Its speed is set by
// the device tree, not here.
//
// Errors are *problem.Problem: CodeBadConfig when there is no such bus or it is no I²C adapter, CodeNotWritable when
// this user may not open it.
func OpenI2C(bus int) (i2c.BusCloser, error) {
	path := fmt.Sprintf("/dev/i2c-%d", bus)
	bad := func(what, remedy string) error {
		return &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: what, Remedy: remedy}
	}
	st, err := os.Stat(path)
	switch {
	case bus < 0, errors.Is(err, fs.ErrNotExist):
		return nil, bad("there is no such I²C bus", "enable the bus (dtparam=i2c_arm=on, module i2c-dev) or correct bus: in the rig file")
	case err != nil:
		return nil, bad("the I²C bus cannot be looked at: "+err.Error(), "check the device")
	case st.Mode()&fs.ModeCharDevice == 0:
		return nil, bad("this is no device", "remove the file and enable the bus")
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // not by os: Go's poller must not touch device files
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, &problem.Problem{Code: problem.CodeNotWritable, Where: path, What: "this user may not use the I²C bus", Remedy: "add the user to the group i2c"}
	case err != nil:
		return nil, bad("the I²C bus cannot be opened: "+err.Error(), "check the adapter's driver")
	}
	funcs := new(uint64) // the kernel writes an unsigned long
	if err := ioctl(fd, i2cFuncs, unsafe.Pointer(funcs)); err != nil || *funcs&i2cFuncI2C == 0 {
		_ = unix.Close(fd)
		return nil, bad("this is no I²C adapter that makes combined transfers", "check bus: in the rig file and the adapter's driver")
	}
	return &Bus{path: path, fd: fd, msgs: new([2]i2cMessage), tr: new(i2cTransfer)}, nil
}

// String implements i2c.Bus.
func (b *Bus) String() string { return b.path }

// SetSpeed implements i2c.Bus: Linux has no call for it.
func (b *Bus) SetSpeed(physic.Frequency) error {
	return fmt.Errorf("set the speed of %s: it is set by the device tree", b.path)
}

// Close implements i2c.BusCloser. It waits for a transfer under way.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fd < 0 {
		return nil
	}
	err := unix.Close(b.fd)
	b.fd = -1
	return err
}

// Tx implements i2c.Bus: w is written, then after a repeated start r is read; either may be empty. An address nobody
// acknowledges is ENXIO or EREMOTEIO, by the adapter.
func (b *Bus) Tx(addr uint16, w, r []byte) error {
	switch {
	case len(w) == 0 && len(r) == 0:
		return nil
	case len(w) > i2cMaxBytes || len(r) > i2cMaxBytes:
		return fmt.Errorf("transfer on %s: %d and %d bytes, at most %d", b.path, len(w), len(r), i2cMaxBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fd < 0 {
		return fmt.Errorf("transfer on %s: %w", b.path, fs.ErrClosed)
	}
	if need := len(w) + len(r); len(b.buf) < need {
		b.buf = make([]byte, need)
	}
	copy(b.buf, w)
	n := 0
	if len(w) > 0 {
		b.msgs[n] = i2cMessage{addr: addr, n: uint16(len(w)), buf: unsafe.Pointer(&b.buf[0])}
		n++
	}
	if len(r) > 0 {
		b.msgs[n] = i2cMessage{addr: addr, flags: i2cRead, n: uint16(len(r)), buf: unsafe.Pointer(&b.buf[len(w)])}
		n++
	}
	*b.tr = i2cTransfer{msgs: &b.msgs[0], n: uint32(n)}
	err := ioctl(b.fd, i2cRdwr, unsafe.Pointer(b.tr))
	runtime.KeepAlive(b)
	if err != nil {
		return fmt.Errorf("transfer with %#02x on %s: %w", addr, b.path, err)
	}
	copy(r, b.buf[len(w):len(w)+len(r)])
	return nil
}
