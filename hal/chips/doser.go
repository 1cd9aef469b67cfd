package chips

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// DoserChannels is how many pumps one driver has.
const DoserChannels = 16

// Doser is our pump driver: a microcontroller on the pump board that gives strokes on its own time and counts them by a
// sensor. Its registers, numbers high byte first:
//
//	0x00     4  R   "FDS1": who it is and the version of this protocol
//	0x04     1  R   number of channels, 16
//	0x05     1  R   status: 1 reset since the last clear, 2 stopped because the host fell silent, 4 a write was refused,
//	                8 strokes are left
//	0x06     1  W   'S' stop all channels (the strokes under way complete), 'C' clear status
//	0x10+2n  2  RW  channel n: least time between two strokes in 100 µs; 0 = no strokes
//	0x40+4n  4  RW  channel n: target, the strokes asked for since reset, modulo 2³²
//	0x80+4n  4  R   channel n: strokes given since reset
//	0xC0+4n  4  R   channel n: strokes its sensor confirmed since reset
//
// A read starts at the register that was written first in the transfer and counts on. A write sets one register; writes of
// 0x10 to 0x7F end with a CRC-8 (x⁸+x²+x+1, as the SMBus packet error code) over register and data, and a write with a
// wrong one is refused.
//
// The target is absolute, so a write that is repeated because nobody knows whether the first arrived does no harm. A target
// behind the strokes given stops the channel at once; one more than 20,000 ahead is refused, as is every target while status
// 1 or 2 stands: the host must have noticed. After 250 ms without a transfer the chip stops all channels that have strokes
// left and sets status 2: a host that died does not empty a cartridge.
type Doser struct {
	dev
}

// NewDoser names the driver at addr; it talks to nobody yet.
func NewDoser(bus i2c.Bus, addr uint16) *Doser { return &Doser{dev{bus, addr}} }

// DoserSilence is how long the chip runs on without hearing from its host.
const DoserSilence = 250 * time.Millisecond

// DoserWindow is how many strokes ahead a target may be.
const DoserWindow = 20_000

// DoserStatus is the chip's status register.
type DoserStatus uint8

// Bits of DoserStatus.
const (
	DoserReset   DoserStatus = 1 << iota // its counters started again
	DoserSilent                          // it stopped because it heard nothing
	DoserRefused                         // a write was damaged or out of bounds
	DoserRunning                         // strokes are left
)

// ErrNotDoser is what Identify returns for another chip or an unknown version.
var ErrNotDoser = errors.New("the chip is no pump driver of ours")

// ErrRefused is what SetTarget and SetInterval return when the chip did not take the value.
var ErrRefused = errors.New("the pump driver refused the write")

func (c *Doser) wrap(what string, err error) error {
	return fmt.Errorf("%s of the pump driver at %#02x: %w", what, c.addr, err)
}

// Identify reads who it is.
func (c *Doser) Identify() error {
	var r [5]byte
	if err := c.tx([]byte{0x00}, r[:]); err != nil {
		return c.wrap("identification", err)
	}
	if string(r[:4]) != "FDS1" || r[4] != DoserChannels {
		return c.wrap("identification", ErrNotDoser)
	}
	return nil
}

// Status reads the status; it also tells the chip that the host lives.
func (c *Doser) Status() (DoserStatus, error) {
	var r [1]byte
	if err := c.tx([]byte{0x05}, r[:]); err != nil {
		return 0, c.wrap("status", err)
	}
	return DoserStatus(r[0]), nil
}

// StopAll drops the strokes left on all channels.
func (c *Doser) StopAll() error {
	if err := c.tx([]byte{0x06, 'S'}, nil); err != nil {
		return c.wrap("stop", err)
	}
	return nil
}

// Clear takes note of the status: targets are taken again.
func (c *Doser) Clear() error {
	if err := c.tx([]byte{0x06, 'C'}, nil); err != nil {
		return c.wrap("clear", err)
	}
	return nil
}

// SetInterval sets the least time between two strokes, rounded up to 100 µs, at most 6.5535 s.
func (c *Doser) SetInterval(channel int, every time.Duration) error {
	units := max(1, (every+99*time.Microsecond)/(100*time.Microsecond))
	w := []byte{byte(0x10 + 2*channel), byte(min(units, 0xFFFF) >> 8), byte(min(units, 0xFFFF)), 0}
	w[3] = crc8(w[:3])
	var r [2]byte
	if err := c.tx(w, r[:]); err != nil {
		return c.wrap("interval", err)
	}
	if r[0] != w[1] || r[1] != w[2] {
		return c.wrap("interval", ErrRefused)
	}
	return nil
}

// SetTarget asks for strokes up to target and reads back whether the chip took it.
func (c *Doser) SetTarget(channel int, target uint32) error {
	w := make([]byte, 6)
	w[0] = byte(0x40 + 4*channel)
	binary.BigEndian.PutUint32(w[1:], target)
	w[5] = crc8(w[:5])
	var r [4]byte
	if err := c.tx(w, r[:]); err != nil {
		return c.wrap("target", err)
	}
	if binary.BigEndian.Uint32(r[:]) != target {
		return c.wrap("target", ErrRefused)
	}
	return nil
}

// Issued reads the strokes given by channels first to first+len(out)−1.
func (c *Doser) Issued(first int, out []uint32) error { return c.counters("issued", 0x80, first, out) }

// Confirmed reads the strokes confirmed on channels first to first+len(out)−1.
func (c *Doser) Confirmed(first int, out []uint32) error {
	return c.counters("confirmed", 0xC0, first, out)
}

func (c *Doser) counters(what string, base, first int, out []uint32) error {
	r := make([]byte, 4*len(out))
	if err := c.tx([]byte{byte(base + 4*first)}, r); err != nil {
		return c.wrap(what, err)
	}
	for i := range out {
		out[i] = binary.BigEndian.Uint32(r[4*i:])
	}
	return nil
}

func crc8(b []byte) byte {
	var crc byte
	for _, v := range b {
		crc ^= v
		for range 8 {
			top := crc & 0x80
			crc <<= 1
			if top != 0 {
				crc ^= 0x07
			}
		}
	}
	return crc
}
