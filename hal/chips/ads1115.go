package chips

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// ADS1115 is TI's 16-bit ADC with four inputs (SBAS444), read in single shots against ground. Unlike other drivers it may
// be shared by goroutines: each conversion is done for one caller at a time.
type ADS1115 struct {
	dev
	mu sync.Mutex
}

// NewADS1115 names the chip at addr (0x48 to 0x4B); it talks to nobody yet.
func NewADS1115(bus i2c.Bus, addr uint16) *ADS1115 { return &ADS1115{dev: dev{bus, addr}} }

// ErrSlow is what Read returns when a conversion does not end.
var ErrSlow = errors.New("the conversion does not end")

const (
	adsConversion = 0
	adsConfig     = 1
	adsStart      = 0x8000
	adsIdle       = 0x8000 // read: no conversion under way
	adsSingle     = 0x0100
	adsRate128    = 0x0080 // 128 conversions/s: 7.8 ms each, 50 Hz hum mostly gone
	adsNoCompare  = 0x0003
	adsGain4096   = 0x0200                 // ±4.096 V
	adsStep       = 125 * physic.MicroVolt // of a count at ±4.096 V
	adsWait       = 9 * time.Millisecond
	adsPolls      = 5
)

// Read converts one input (0 to 3): −4.096 to 4.095875 V in steps of 125 µV; the input is never above the chip's supply.
func (c *ADS1115) Read(ctx context.Context, channel int) (physic.ElectricPotential, error) {
	if channel < 0 || channel > 3 {
		return 0, fmt.Errorf("ads1115 has inputs 0 to 3, not %d", channel)
	}
	c.mu.Lock() // held over the conversion: the chip does one at a time
	defer c.mu.Unlock()
	config := uint16(adsStart | adsSingle | adsRate128 | adsNoCompare | adsGain4096 | (4+channel)<<12)
	if err := c.tx([]byte{adsConfig, byte(config >> 8), byte(config)}, nil); err != nil {
		return 0, c.wrap("start", err)
	}
	for range adsPolls {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(adsWait):
		}
		var r [2]byte
		if err := c.tx([]byte{adsConfig}, r[:]); err != nil {
			return 0, c.wrap("poll", err)
		}
		got := uint16(r[0])<<8 | uint16(r[1])
		if got&^adsIdle != config&^adsStart {
			return 0, c.wrap("poll", fmt.Errorf("configuration %#04x instead of %#04x: it was reset or someone else uses it", got, config))
		}
		if got&adsIdle == 0 {
			continue
		}
		if err := c.tx([]byte{adsConversion}, r[:]); err != nil {
			return 0, c.wrap("read", err)
		}
		return physic.ElectricPotential(int16(uint16(r[0])<<8|uint16(r[1]))) * adsStep, nil
	}
	return 0, c.wrap("poll", ErrSlow)
}

func (c *ADS1115) wrap(what string, err error) error {
	return fmt.Errorf("%s ads1115 at %#02x: %w", what, c.addr, err)
}
