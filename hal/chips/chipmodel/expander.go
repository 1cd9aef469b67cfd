package chipmodel

import "sync"

// port is what the two line expanders have in common: lines that somebody watches and drives from outside.
type port struct {
	// OnChange is told the level of the lines that are outputs, and which those are; set it before the first transfer.
	OnChange func(levels, driven uint16)

	mu       sync.Mutex
	inputs   uint16
	seen     [2]uint16
	state    func() (levels, driven uint16) // by the chip's registers
	defaults func()                         // puts the registers as after power-on
}

// Reset is what the RESET pin, a brown-out or a power cycle does.
func (p *port) Reset() {
	p.mu.Lock()
	p.defaults()
	tell := p.changed()
	p.mu.Unlock()
	tell()
}

// Pins returns the levels of the output lines, and which lines are outputs.
func (p *port) Pins() (levels, driven uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state()
}

// Input sets the level the world gives to the lines that are inputs.
func (p *port) Input(levels uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inputs = levels
}

// changed returns what is to be called, without the lock, when a line changed.
func (p *port) changed() func() {
	levels, driven := p.state()
	if now := [2]uint16{levels, driven}; now != p.seen {
		p.seen = now
		if f := p.OnChange; f != nil {
			return func() { f(levels, driven) }
		}
	}
	return func() {}
}

// MCP23017 is Microchip's 16-line expander (data sheet DS20001952C, IOCON.BANK = 0). Reset makes all lines inputs.
type MCP23017 struct {
	port
	reg [0x16]byte
	ptr byte
}

const (
	mcpIODIR = 0x00
	mcpGPIO  = 0x12
	mcpOLAT  = 0x14
)

// NewMCP23017 returns the chip as it is after power-on.
func NewMCP23017() *MCP23017 {
	c := &MCP23017{}
	c.state, c.defaults = c.lines, c.powerOn
	c.defaults()
	return c
}

func (c *MCP23017) powerOn() {
	c.reg = [0x16]byte{mcpIODIR: 0xFF, mcpIODIR + 1: 0xFF}
	c.ptr = 0
}

func (c *MCP23017) lines() (levels, driven uint16) {
	driven = ^pair(c.reg[:], mcpIODIR)
	return pair(c.reg[:], mcpOLAT) & driven, driven
}

// Poke changes a register behind the driver's back, as a disturbance would.
func (c *MCP23017) Poke(reg, value byte) {
	c.mu.Lock()
	c.reg[reg] = value
	tell := c.changed()
	c.mu.Unlock()
	tell()
}

// Tx implements Device: the first byte written is the register, which counts on by itself.
func (c *MCP23017) Tx(w, r []byte) error {
	c.mu.Lock()
	for i, v := range w {
		if i == 0 {
			c.ptr = v % 0x16
			continue
		}
		if c.ptr == mcpGPIO || c.ptr == mcpGPIO+1 {
			c.reg[c.ptr-mcpGPIO+mcpOLAT] = v // writing the port writes the latch
		} else {
			c.reg[c.ptr] = v
		}
		c.ptr = (c.ptr + 1) % 0x16
	}
	for i := range r {
		if c.ptr == mcpGPIO || c.ptr == mcpGPIO+1 {
			levels, driven := c.state()
			r[i] = byte((levels | c.inputs&^driven) >> (8 * (c.ptr - mcpGPIO)))
		} else {
			r[i] = c.reg[c.ptr]
		}
		c.ptr = (c.ptr + 1) % 0x16
	}
	tell := c.changed()
	c.mu.Unlock()
	tell()
	return nil
}

func pair(reg []byte, at byte) uint16 { return uint16(reg[at]) | uint16(reg[at+1])<<8 }

// TCA9535 is TI's 16-line expander (data sheet SCPS201; PCA9535 and PCA9555 are alike). Reset makes all lines inputs, with
// an output latch of ones.
type TCA9535 struct {
	port
	reg [8]byte
	ptr byte
}

const (
	tcaInput  = 0
	tcaOutput = 2
	tcaConfig = 6
)

// NewTCA9535 returns the chip as it is after power-on.
func NewTCA9535() *TCA9535 {
	c := &TCA9535{}
	c.state, c.defaults = c.lines, c.powerOn
	c.defaults()
	return c
}

func (c *TCA9535) powerOn() {
	c.reg = [8]byte{tcaOutput: 0xFF, tcaOutput + 1: 0xFF, tcaConfig: 0xFF, tcaConfig + 1: 0xFF}
	c.ptr = 0
}

func (c *TCA9535) lines() (levels, driven uint16) {
	driven = ^pair(c.reg[:], tcaConfig)
	return pair(c.reg[:], tcaOutput) & driven, driven
}

// Tx implements Device: after the command byte, transfers alternate between the two registers of the pair.
func (c *TCA9535) Tx(w, r []byte) error {
	c.mu.Lock()
	for i, v := range w {
		switch {
		case i == 0:
			c.ptr = v & 7
			continue
		case c.ptr >= tcaOutput: // the input registers cannot be written
			c.reg[c.ptr] = v
		}
		c.ptr ^= 1
	}
	if len(r) > 0 && len(w) == 1 {
		c.ptr = w[0] & 7
	}
	for i := range r {
		r[i] = c.reg[c.ptr]
		if c.ptr < tcaOutput {
			levels, driven := c.state()
			r[i] = byte((levels | c.inputs&^driven) >> (8 * c.ptr))
		}
		c.ptr ^= 1
	}
	tell := c.changed()
	c.mu.Unlock()
	tell()
	return nil
}

// PCA9685 is NXP's 16-channel PWM driver (data sheet rev. 4), used as a switch: a channel is high when it is fully on.
// Reset puts it to sleep with all outputs low.
type PCA9685 struct {
	// OnChange is told the channels that are on; set it before the first transfer.
	OnChange func(levels uint16)

	mu   sync.Mutex
	reg  [256]byte
	ptr  byte
	on   uint16
	seen uint16
}

const (
	pcaMode1 = 0x00
	pcaMode2 = 0x01
	pcaLED0  = 0x06
	pcaAll   = 0xFA
	pcaSleep = 0x10
	pcaAI    = 0x20
	pcaFull  = 0x10
)

// NewPCA9685 returns the chip as it is after power-on.
func NewPCA9685() *PCA9685 {
	c := &PCA9685{}
	c.defaults()
	return c
}

func (c *PCA9685) defaults() {
	c.reg = [256]byte{pcaMode1: 0x11, pcaMode2: 0x04, 0xFE: 0x1E}
	for n := range 16 {
		c.reg[pcaLED0+4*n+3] = pcaFull
	}
	c.ptr, c.on = 0, 0
}

// Reset is what a power cycle does.
func (c *PCA9685) Reset() {
	c.mu.Lock()
	c.defaults()
	tell := c.changed()
	c.mu.Unlock()
	tell()
}

// Pins returns the channels that are high.
func (c *PCA9685) Pins() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.on
}

// Tx implements Device. Outputs change at the end of the transfer, and not while the oscillator sleeps.
func (c *PCA9685) Tx(w, r []byte) error {
	c.mu.Lock()
	for i, v := range w {
		if i == 0 {
			c.ptr = v
			continue
		}
		if c.ptr >= pcaAll && c.ptr < pcaAll+4 {
			for n := range 16 {
				c.reg[pcaLED0+4*n+int(c.ptr-pcaAll)] = v
			}
		} else {
			c.reg[c.ptr] = v
		}
		c.next()
	}
	for i := range r {
		r[i] = c.reg[c.ptr]
		c.next()
	}
	if c.reg[pcaMode1]&pcaSleep == 0 {
		c.on = 0
		for n := range 16 {
			if c.reg[pcaLED0+4*n+1]&pcaFull != 0 && c.reg[pcaLED0+4*n+3]&pcaFull == 0 {
				c.on |= 1 << n
			}
		}
	}
	tell := c.changed()
	c.mu.Unlock()
	tell()
	return nil
}

func (c *PCA9685) next() {
	if c.reg[pcaMode1]&pcaAI == 0 {
		return
	}
	if c.ptr++; c.ptr == 0x46 {
		c.ptr = 0
	}
}

func (c *PCA9685) changed() func() {
	levels := c.on
	if levels != c.seen {
		c.seen = levels
		if f := c.OnChange; f != nil {
			return func() { f(levels) }
		}
	}
	return func() {}
}
