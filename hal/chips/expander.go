package chips

import (
	"fmt"

	"periph.io/x/conn/v3/i2c"
)

var (
	_ Expander = (*MCP23017)(nil)
	_ Expander = (*TCA9535)(nil)
	_ Expander = (*PCA9685)(nil)
)

// MCP23017 is Microchip's 16-line I²C expander (DS20001952C); lines 0-7 are port A, 8-15 port B. After a reset all lines
// are inputs: the board's pull-downs keep valves shut.
type MCP23017 struct {
	dev
	outputs, levels uint16
}

// NewMCP23017 names the chip at addr (0x20 to 0x27); it talks to nobody yet.
func NewMCP23017(bus i2c.Bus, addr uint16) *MCP23017 { return &MCP23017{dev: dev{bus, addr}} }

// Registers with IOCON.BANK = 0: A and B side by side, the address counting on.
const (
	mcpIODIR = 0x00
	mcpIPOL  = 0x02
	mcpIOCON = 0x0A
	mcpGPPU  = 0x0C
	mcpOLAT  = 0x14
)

// Init implements Expander.
func (c *MCP23017) Init(outputs, levels uint16) error {
	c.outputs = outputs
	// A disturbed IOCON may have put the registers elsewhere: with BANK = 1 it is at 0x05, which is GPINTENB otherwise.
	for _, w := range [][]byte{{0x05, 0}, {mcpIOCON, 0, 0}, {mcpIPOL, 0, 0}, {mcpGPPU, 0, 0}} {
		if err := c.tx(w, nil); err != nil {
			return fmt.Errorf("set up mcp23017 at %#02x: %w", c.addr, err)
		}
	}
	if err := c.Write(levels); err != nil {
		return err
	}
	if err := c.tx([]byte{mcpIODIR, byte(^outputs), byte(^outputs >> 8)}, nil); err != nil {
		return fmt.Errorf("set directions of mcp23017 at %#02x: %w", c.addr, err)
	}
	return nil
}

// Write implements Expander.
func (c *MCP23017) Write(levels uint16) error {
	if err := c.tx([]byte{mcpOLAT, byte(levels), byte(levels >> 8)}, nil); err != nil {
		return fmt.Errorf("write mcp23017 at %#02x: %w", c.addr, err)
	}
	c.levels = levels
	return nil
}

// Intact implements Expander.
func (c *MCP23017) Intact() (bool, error) {
	var r [0x16]byte
	if err := c.tx([]byte{0}, r[:]); err != nil {
		return false, fmt.Errorf("read mcp23017 at %#02x: %w", c.addr, err)
	}
	return word(r[mcpIODIR:]) == ^c.outputs && word(r[mcpIPOL:]) == 0 && r[mcpIOCON] == 0 && word(r[mcpOLAT:]) == c.levels, nil
}

func word(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

// TCA9535 is TI's 16-line I²C expander (SCPS201); PCA9535 and PCA9555 have the same registers. After a reset all lines are
// inputs and the output latch holds ones.
type TCA9535 struct {
	dev
	outputs, levels uint16
}

// NewTCA9535 names the chip at addr (0x20 to 0x27); it talks to nobody yet.
func NewTCA9535(bus i2c.Bus, addr uint16) *TCA9535 { return &TCA9535{dev: dev{bus, addr}} }

const (
	tcaOutput   = 2
	tcaPolarity = 4
	tcaConfig   = 6
)

// Init implements Expander.
func (c *TCA9535) Init(outputs, levels uint16) error {
	c.outputs = outputs
	if err := c.Write(levels); err != nil {
		return err
	}
	for _, w := range [][]byte{{tcaPolarity, 0, 0}, {tcaConfig, byte(^outputs), byte(^outputs >> 8)}} {
		if err := c.tx(w, nil); err != nil {
			return fmt.Errorf("set up tca9535 at %#02x: %w", c.addr, err)
		}
	}
	return nil
}

// Write implements Expander.
func (c *TCA9535) Write(levels uint16) error {
	if err := c.tx([]byte{tcaOutput, byte(levels), byte(levels >> 8)}, nil); err != nil {
		return fmt.Errorf("write tca9535 at %#02x: %w", c.addr, err)
	}
	c.levels = levels
	return nil
}

// Intact implements Expander.
func (c *TCA9535) Intact() (bool, error) {
	var v [3]uint16
	for i, reg := range []byte{tcaOutput, tcaPolarity, tcaConfig} {
		var r [2]byte
		if err := c.tx([]byte{reg}, r[:]); err != nil {
			return false, fmt.Errorf("read tca9535 at %#02x: %w", c.addr, err)
		}
		v[i] = word(r[:])
	}
	return v == [3]uint16{c.levels, 0, ^c.outputs}, nil
}

// PCA9685 is NXP's 16-channel PWM driver (rev. 4), used as 16 switches: fully on or fully off. After a reset all outputs
// are driven low, so only active-high loads may hang on it.
type PCA9685 struct {
	dev
	outputs, levels uint16
}

// NewPCA9685 names the chip at addr (0x40 to 0x7F); it talks to nobody yet.
func NewPCA9685(bus i2c.Bus, addr uint16) *PCA9685 { return &PCA9685{dev: dev{bus, addr}} }

const (
	pcaMode1    = 0x00
	pcaMode2    = 0x01
	pcaLED0     = 0x06
	pcaAI       = 0x20 // the register counts on by itself
	pcaSleep    = 0x10
	pcaTotem    = 0x04 // outputs drive both levels
	pcaFull     = 0x10 // in the high byte of ON or OFF
	pcaChannels = 16
)

// Init implements Expander: channels that are no outputs stay fully off.
func (c *PCA9685) Init(outputs, levels uint16) error {
	c.outputs = outputs
	// Auto-increment first, for the group write needs it. Waking a chip that was asleep takes 500 µs; its outputs are
	// steady, not modulated, so nothing has to wait for the oscillator.
	for _, w := range [][]byte{{pcaMode1, pcaAI | pcaSleep}, {pcaMode2, pcaTotem}} {
		if err := c.tx(w, nil); err != nil {
			return fmt.Errorf("set up pca9685 at %#02x: %w", c.addr, err)
		}
	}
	if err := c.Write(levels); err != nil {
		return err
	}
	if err := c.tx([]byte{pcaMode1, pcaAI}, nil); err != nil {
		return fmt.Errorf("wake pca9685 at %#02x: %w", c.addr, err)
	}
	return nil
}

func (c *PCA9685) image(levels uint16) (w [1 + 4*pcaChannels]byte) {
	w[0] = pcaLED0
	for n := range pcaChannels {
		if levels&c.outputs&(1<<n) != 0 {
			w[1+4*n+1] = pcaFull
		} else {
			w[1+4*n+3] = pcaFull
		}
	}
	return w
}

// Write implements Expander: the outputs change together at the end of the transfer.
func (c *PCA9685) Write(levels uint16) error {
	w := c.image(levels)
	if err := c.tx(w[:], nil); err != nil {
		return fmt.Errorf("write pca9685 at %#02x: %w", c.addr, err)
	}
	c.levels = levels
	return nil
}

// Intact implements Expander.
func (c *PCA9685) Intact() (bool, error) {
	var r [pcaLED0 + 4*pcaChannels]byte
	if err := c.tx([]byte{pcaMode1}, r[:2]); err != nil {
		return false, fmt.Errorf("read pca9685 at %#02x: %w", c.addr, err)
	}
	if r[pcaMode1] != pcaAI || r[pcaMode2] != pcaTotem {
		return false, nil // without auto-increment the channels cannot be read at once either
	}
	if err := c.tx([]byte{pcaLED0}, r[pcaLED0:]); err != nil {
		return false, fmt.Errorf("read pca9685 at %#02x: %w", c.addr, err)
	}
	w := c.image(c.levels)
	return string(w[1:]) == string(r[pcaLED0:]), nil
}
