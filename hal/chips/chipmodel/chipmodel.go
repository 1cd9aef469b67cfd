// Package chipmodel is the other side of hal/chips: the registers of each chip as its data sheet describes them.
//
//	driver (hal/chips) ──Tx──► Bus ──address──► Device (registers) ──OnChange, Stroke──► plant
//
// Tests of the drivers put a Bus in the place of the I²C adapter; the emulator puts the same models behind a /dev/i2c-N
// made with CUSE. So that a mistake of a driver cannot cancel out, nothing is shared with hal/chips but the numbers of
// the data sheets. It imports std only. Each model owns its registers and may be used by several goroutines; hooks
// (OnChange, Stroke) are called without a lock held, in the order of the changes.
package chipmodel

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNAK is what an address or a byte gets that nobody acknowledges (ENXIO on a real bus).
var ErrNAK = errors.New("i2c: no acknowledge")

// Device is one chip: a write, then (after a repeated start) a read; either may be empty.
type Device interface {
	Tx(w, r []byte) error
}

// Bus is an I²C bus with chips on it. Its Tx has the shape of periph's i2c.Bus.
type Bus struct {
	mu      sync.Mutex
	devices map[uint16]Device
	fail    map[uint16]error
	latency time.Duration
	calls   int
}

// NewBus returns a bus without chips.
func NewBus() *Bus { return &Bus{devices: map[uint16]Device{}, fail: map[uint16]error{}} }

// Put places a chip at an address; nil takes it away.
func (b *Bus) Put(addr uint16, d Device) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d == nil {
		delete(b.devices, addr)
		return
	}
	b.devices[addr] = d
}

// Fail makes a chip answer every transfer with err until it is called with nil.
func (b *Bus) Fail(addr uint16, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.fail, addr)
		return
	}
	b.fail[addr] = err
}

// Slow makes every transfer take at least d.
func (b *Bus) Slow(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latency = d
}

// Calls counts the transfers so far.
func (b *Bus) Calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// Tx does one transfer.
func (b *Bus) Tx(addr uint16, w, r []byte) error {
	b.mu.Lock()
	b.calls++
	d, err, wait := b.devices[addr], b.fail[addr], b.latency
	b.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	switch {
	case err != nil:
		return err
	case d == nil:
		return fmt.Errorf("address %#02x: %w", addr, ErrNAK)
	}
	return d.Tx(w, r)
}
