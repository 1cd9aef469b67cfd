package chipmodel

import "sync"

// ADS1115 is TI's 16-bit ADC (data sheet SBAS444). Only the single-ended inputs of the multiplexer are modelled.
type ADS1115 struct {
	// Polls is how many times the configuration reads "converting" before a conversion is done; at least the first read
	// after a start does.
	Polls int

	mu     sync.Mutex
	config uint16
	result int16
	ptr    byte
	left   int
	mv     [4]float64
}

// NewADS1115 returns the chip as it is after power-on, all inputs at 0 V.
func NewADS1115() *ADS1115 { return &ADS1115{config: 0x8583, Polls: 1} }

// Set puts a voltage on an input.
func (c *ADS1115) Set(channel int, mv float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mv[channel] = mv
}

// fullScale of the amplifier settings, mV.
var fullScale = [8]float64{6144, 4096, 2048, 1024, 512, 256, 256, 256}

// Tx implements Device: registers of two bytes, high byte first.
func (c *ADS1115) Tx(w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) > 0 {
		c.ptr = w[0] & 3
	}
	if len(w) >= 3 && c.ptr == 1 {
		c.config = uint16(w[1])<<8 | uint16(w[2])
		if c.config&0x8000 != 0 {
			c.convert()
		}
	}
	var v uint16
	switch c.ptr {
	case 0:
		v = uint16(c.result)
	case 1:
		v = c.config &^ 0x8000
		if c.left > 0 {
			c.left--
		} else {
			v |= 0x8000
		}
	case 2:
		v = 0x8000
	case 3:
		v = 0x7FFF
	}
	for i := range r {
		r[i] = byte(v >> (8 * (1 - i&1)))
	}
	return nil
}

func (c *ADS1115) convert() {
	c.left = c.Polls
	mux := c.config >> 12 & 7
	if mux < 4 {
		c.result = 0 // differential: no board of ours uses it
		return
	}
	counts := c.mv[mux-4] / fullScale[c.config>>9&7] * 32768
	c.result = int16(max(-32768, min(32767, counts)))
}
