//go:build linux

package lines

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"syscall"

	"golang.org/x/sys/unix"

	"fountain/hal/chips/chipmodel"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// bus is an I²C bus of chip models behind a character device in user space (CUSE): the kernel hands the ioctls on
// /dev/i2c-N to this process. Only what hal/linux and periph need is answered: I2C_FUNCS and I2C_RDWR.
//
// The protocol is FUSE's (include/uapi/linux/fuse.h). An ioctl comes first with nothing but its argument's address; the
// answer "retry" names the memory to fetch, until the messages and their bytes are there.
type bus struct {
	number int
	model  *chipmodel.Bus
	fd     int // never in Go's poller: opening the device polls this server within the poller's own lock
	stop   int // an eventfd that ends serve
	log    *slog.Logger
	done   chan struct{}
}

const (
	opCuseInit  = 4096
	opOpen      = 14
	opRelease   = 18
	opFlush     = 25
	opInterrupt = 36
	opIoctl     = 39

	inHead    = 40 // struct fuse_in_header
	ioctlRead = 0x705
	ioctlRDWR = 0x707

	i2cRead    = 1         // flag of a message: the chip sends
	funcsI2C   = 1         // I2C_FUNC_I2C
	mostAtOnce = 64 << 10  // bytes of one transfer
	buffer     = 128 << 10 // of a request
	unlimited  = 1         // CUSE_UNRESTRICTED_IOCTL
	fetchAgain = 1 << 2    // FUSE_IOCTL_RETRY
	mostMsgs   = 42        // I2C_RDWR_IOCTL_MAX_MSGS
	msgSize    = 16        // struct i2c_msg on a 64-bit kernel
	rdwrSize   = 16        // struct i2c_rdwr_ioctl_data
)

// newBus makes /dev/i2c-<number>. It appears a moment later, when the kernel has the answer.
func newBus(number int, model *chipmodel.Bus, log *slog.Logger) (*bus, error) {
	fd, err := unix.Open("/dev/cuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &problem.Problem{
			Code: problem.CodeBadConfig, Where: "/dev/cuse", What: "character devices in user space are not to be had: " + err.Error(),
			Remedy: "load the module cuse, as root",
		}
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make i2c-%d: %w", number, err), unix.Close(fd))
	}
	b := &bus{number: number, model: model, fd: fd, stop: stop, log: log, done: make(chan struct{})}
	req := make([]byte, buffer)
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n := 0
	if _, err = unix.Poll(wait, 1000); err == nil {
		n, err = unix.Read(fd, req)
	}
	if err == nil && (n < inHead || binary.LittleEndian.Uint32(req[4:]) != opCuseInit) {
		err = errors.New("the kernel does not begin with CUSE_INIT")
	}
	if err == nil {
		le := binary.LittleEndian
		var out []byte
		for _, v := range []uint32{7, 31, 0, unlimited, mostAtOnce, mostAtOnce, 0, 0} {
			out = le.AppendUint32(out, v)
		}
		out = append(out, make([]byte, 40)...)
		out = append(out, fmt.Sprintf("DEVNAME=i2c-%d\x00", number)...)
		err = b.reply(le.Uint64(req[8:]), 0, out)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make i2c-%d: %w", number, err), unix.Close(fd), unix.Close(stop))
	}
	go b.serve(req)
	return b, nil
}

// close takes the device away.
func (b *bus) close() error {
	if b.fd < 0 {
		return nil
	}
	_, err := unix.Write(b.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-b.done
	err = errors.Join(err, unix.Close(b.fd), unix.Close(b.stop))
	b.fd = -1
	return err
}

func (b *bus) reply(unique uint64, errno syscall.Errno, body []byte) error {
	le := binary.LittleEndian
	h := make([]byte, 0, 16+len(body))
	h = le.AppendUint32(h, uint32(16+len(body)))
	h = le.AppendUint32(h, uint32(-int32(errno)))
	h = le.AppendUint64(h, unique)
	_, err := unix.Write(b.fd, append(h, body...))
	if errors.Is(err, unix.ENOENT) {
		return nil // who asked was interrupted or has died
	}
	return err
}

func (b *bus) serve(req []byte) {
	defer close(b.done)
	le := binary.LittleEndian
	for {
		wait := []unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}, {Fd: int32(b.stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, -1); err != nil && !errors.Is(err, unix.EINTR) {
			b.log.Error("i2c bus stops", slog.Int("bus", b.number), slog.Any(logkey.Err, err))
			return
		}
		if wait[1].Revents != 0 {
			return
		}
		n, err := unix.Read(b.fd, req)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAGAIN):
			continue // the request was taken back
		case err != nil || n < inHead:
			b.log.Error("i2c bus stops", slog.Int("bus", b.number), slog.Any(logkey.Err, err))
			return
		}
		op, unique, in := le.Uint32(req[4:]), le.Uint64(req[8:]), req[inHead:n]
		switch op {
		case opOpen:
			err = b.reply(unique, 0, make([]byte, 16))
		case opRelease, opFlush:
			err = b.reply(unique, 0, nil)
		case opInterrupt:
			err = nil // the answer is on its way
		case opIoctl:
			err = b.ioctl(unique, in)
		default:
			err = b.reply(unique, syscall.ENOSYS, nil)
		}
		if err != nil {
			b.log.Error("i2c bus answers", slog.Int("bus", b.number), slog.Any(logkey.Err, err))
		}
	}
}

// span is a piece of the caller's memory.
type span struct{ base, size uint64 }

// fetch asks the kernel to call again with the caller's memory at hand.
func (b *bus) fetch(unique uint64, in, out []span) error {
	le := binary.LittleEndian
	var o []byte
	for _, v := range []uint32{0, fetchAgain, uint32(len(in)), uint32(len(out))} {
		o = le.AppendUint32(o, v)
	}
	for _, list := range [][]span{in, out} {
		for _, s := range list {
			o = le.AppendUint64(le.AppendUint64(o, s.base), s.size)
		}
	}
	return b.reply(unique, 0, o)
}

func (b *bus) answer(unique uint64, result int, out []byte) error {
	o := binary.LittleEndian.AppendUint32(nil, uint32(result))
	return b.reply(unique, 0, append(append(o, make([]byte, 12)...), out...))
}

func (b *bus) ioctl(unique uint64, in []byte) error {
	le := binary.LittleEndian
	if len(in) < 32 {
		return b.reply(unique, syscall.EIO, nil)
	}
	arg, inSize, outSize, data := le.Uint64(in[16:]), uint64(le.Uint32(in[24:])), le.Uint32(in[28:]), in[32:]
	switch le.Uint32(in[12:]) {
	case ioctlRead:
		if outSize < 8 {
			return b.fetch(unique, nil, []span{{arg, 8}})
		}
		return b.answer(unique, 0, le.AppendUint64(nil, funcsI2C))
	case ioctlRDWR:
		return b.transfer(unique, arg, inSize, outSize, data)
	}
	return b.reply(unique, syscall.ENOTTY, nil)
}

// message is one part of a transfer.
type message struct {
	addr uint16
	read bool
	size uint64
	body []byte // of a write
}

func (b *bus) transfer(unique, arg, inSize uint64, outSize uint32, data []byte) error {
	le := binary.LittleEndian
	in := []span{{arg, rdwrSize}}
	if inSize < rdwrSize {
		return b.fetch(unique, in, nil)
	}
	n := uint64(le.Uint32(data[8:]))
	if n == 0 || n > mostMsgs {
		return b.reply(unique, syscall.EINVAL, nil)
	}
	in = append(in, span{le.Uint64(data), n * msgSize})
	if inSize < rdwrSize+n*msgSize {
		return b.fetch(unique, in, nil)
	}
	var out []span
	msgs := make([]message, n)
	want := rdwrSize + n*msgSize
	for i := range msgs {
		raw := data[rdwrSize+i*msgSize:]
		m := message{addr: le.Uint16(raw), read: le.Uint16(raw[2:])&i2cRead != 0, size: uint64(le.Uint16(raw[4:]))}
		s := span{le.Uint64(raw[8:]), m.size}
		if m.read {
			out = append(out, s)
		} else {
			in = append(in, s)
			want += m.size
		}
		msgs[i] = m
	}
	if inSize < want || len(out) > 0 && outSize == 0 {
		return b.fetch(unique, in, out)
	}
	at := data[rdwrSize+n*msgSize:]
	for i := range msgs {
		if !msgs[i].read {
			msgs[i].body, at = at[:msgs[i].size], at[msgs[i].size:]
		}
	}
	read, err := b.exchange(msgs)
	if err != nil {
		errno := syscall.EIO
		if errors.Is(err, chipmodel.ErrNAK) {
			errno = syscall.ENXIO
		}
		return b.reply(unique, errno, nil)
	}
	return b.answer(unique, int(n), read)
}

// exchange carries messages out on the models: a write and the read after it, to the same chip, are one transfer.
func (b *bus) exchange(msgs []message) (read []byte, err error) {
	for i := 0; i < len(msgs); i++ {
		m := msgs[i]
		var w, r []byte
		if m.read {
			r = make([]byte, m.size)
		} else {
			w = m.body
			if i+1 < len(msgs) && msgs[i+1].read && msgs[i+1].addr == m.addr {
				i++
				r = make([]byte, msgs[i].size)
			}
		}
		if err := b.model.Tx(m.addr, w, r); err != nil {
			return nil, err
		}
		read = append(read, r...)
	}
	return read, nil
}
