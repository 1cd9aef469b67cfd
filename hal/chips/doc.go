// Package chips drives the I²C chips a dispenser board may carry, register by register, over periph's i2c.Bus.
//
//	hal/linux (worker of a bus, sensor, slot) ──► driver ──Tx──► i2c.Bus (hal/linux, or chipmodel.Bus in tests)
//
// Outputs: MCP23017, TCA9535 and PCA9685 behind the interface Expander. Analogue inputs: ADS1115. Cartridge tags: PN532
// and the tag's layout (EncodeTag, DecodeTag). Dosing pumps: Doser, our own register protocol of a stroke-counting driver.
//
// Drivers block for the time the wire takes, retry nothing and hold no goroutine; whoever calls decides what an error
// means. A driver belongs to one goroutine at a time. The package may import hal, internal packages and periph.
package chips

import "periph.io/x/conn/v3/i2c"

// Expander is a chip with up to 16 output lines.
type Expander interface {
	// Init makes the lines in outputs outputs with the given levels, all others inputs (or off), whatever the chip's state
	// was before. Levels are written before directions, so that no line shows a level it was not told.
	Init(outputs, levels uint16) error
	// Write sets the levels of all output lines in one transfer.
	Write(levels uint16) error
	// Intact reads the chip's configuration and levels back: false when they are not what Init and Write last set, so it
	// was reset or disturbed. It changes nothing.
	Intact() (bool, error)
}

// dev is one address of a bus.
type dev struct {
	bus  i2c.Bus
	addr uint16
}

func (d dev) tx(w, r []byte) error { return d.bus.Tx(d.addr, w, r) }
