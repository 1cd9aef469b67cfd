package chipmodel

import (
	"encoding/binary"
	"sync"
	"time"
)

// Doser is our stroke-counting pump driver with 16 channels; its registers are described at chips.Doser. It gives the
// strokes itself: each transfer and each Advance do what has become due.
type Doser struct {
	// Now is the chip's clock; nil: since NewDoser. Set it and Stroke before the first transfer.
	Now func() time.Duration
	// Stroke moves a pump once and says whether the stroke sensor saw it; nil: every stroke is seen.
	Stroke func(channel int) bool

	mu     sync.Mutex
	born   time.Time
	ptr    byte
	status byte
	heard  time.Duration
	ch     [16]doserChannel
}

type doserChannel struct {
	interval                  uint16
	target, issued, confirmed uint32
	next                      time.Duration // earliest start of the next stroke
}

const (
	doserReset   = 1 << 0
	doserSilent  = 1 << 1
	doserRefused = 1 << 2
	doserRunning = 1 << 3

	doserSilence = 250 * time.Millisecond
	doserWindow  = 20_000
	doserUnit    = 100 * time.Microsecond
)

// NewDoser returns the chip as it is after power-on.
func NewDoser() *Doser { return &Doser{born: time.Now(), status: doserReset} }

// Reset is what a power cycle does: counters at zero, nothing queued.
func (d *Doser) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ch, d.status, d.ptr = [16]doserChannel{}, doserReset, 0
}

// Advance does what is due; call it about every millisecond.
func (d *Doser) Advance() { d.advance(false) }

// Next is when the next stroke or the silence stop is due; false when nothing is queued.
func (d *Doser) Next() (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, at, ok := d.due()
	return min(at, d.heard+doserSilence), ok
}

func (d *Doser) clock() time.Duration {
	if d.Now != nil {
		return d.Now()
	}
	return time.Since(d.born)
}

// due finds the channel whose stroke is next.
func (d *Doser) due() (ch int, at time.Duration, ok bool) {
	for i := range d.ch {
		c := &d.ch[i]
		if c.target != c.issued && c.interval > 0 && (!ok || c.next < at) {
			ch, at, ok = i, c.next, true
		}
	}
	return ch, at, ok
}

// advance gives the strokes up to now in their order, stopping where the host fell silent. heard: now the host speaks.
func (d *Doser) advance(heard bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	for {
		ch, at, ok := d.due()
		if ok && now > d.heard+doserSilence && at > d.heard+doserSilence {
			d.stopAll()
			d.status |= doserSilent
			break
		}
		if !ok || at > now {
			break
		}
		c := &d.ch[ch]
		c.issued++
		c.next = at + time.Duration(c.interval)*doserUnit
		seen := true
		if f := d.Stroke; f != nil {
			d.mu.Unlock()
			seen = f(ch)
			d.mu.Lock()
		}
		if seen {
			c.confirmed++
		}
	}
	if heard {
		d.heard = now
	}
}

func (d *Doser) stopAll() {
	for i := range d.ch {
		d.ch[i].target = d.ch[i].issued
	}
}

// Tx implements Device: one register is written in a transfer; reading starts at the register named and counts on.
func (d *Doser) Tx(w, r []byte) error {
	d.advance(true)
	defer d.Advance() // the first stroke of a new target starts at once
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(w) > 0 {
		d.ptr = w[0]
		if len(w) > 1 {
			d.write(w)
		}
	}
	for i := range r {
		r[i] = d.read(d.ptr + byte(i))
	}
	return nil
}

func (d *Doser) write(w []byte) {
	reg := w[0]
	switch {
	case reg == 0x06 && len(w) == 2 && w[1] == 'S':
		d.stopAll()
		return
	case reg == 0x06 && len(w) == 2 && w[1] == 'C':
		d.status = 0
		return
	case reg >= 0x10 && reg < 0x30 && reg&1 == 0 && len(w) == 4 && crc8(w) == 0:
		d.ch[(reg-0x10)/2].interval = binary.BigEndian.Uint16(w[1:])
		return
	case reg >= 0x40 && reg < 0x80 && reg&3 == 0 && len(w) == 6 && crc8(w) == 0:
		if d.aim(&d.ch[(reg-0x40)/4], binary.BigEndian.Uint32(w[1:])) {
			return
		}
	}
	d.status |= doserRefused
}

func (d *Doser) aim(c *doserChannel, target uint32) bool {
	ahead := int32(target - c.issued)
	switch {
	case ahead <= 0:
		c.target = c.issued
		return true
	case ahead > doserWindow || d.status&(doserReset|doserSilent) != 0:
		return false
	}
	if c.target == c.issued {
		c.next = max(c.next, d.clock())
	}
	c.target = target
	return true
}

func (d *Doser) read(reg byte) byte {
	var b [4]byte
	switch {
	case reg < 0x04:
		return "FDS1"[reg]
	case reg == 0x04:
		return 16
	case reg == 0x05:
		s := d.status
		if _, _, ok := d.due(); ok {
			s |= doserRunning
		}
		return s
	case reg >= 0x10 && reg < 0x30:
		binary.BigEndian.PutUint16(b[:], d.ch[(reg-0x10)/2].interval)
		return b[reg&1]
	case reg >= 0x40:
		c := &d.ch[reg>>2&15]
		binary.BigEndian.PutUint32(b[:], [...]uint32{c.target, c.issued, c.confirmed}[reg>>6-1])
		return b[reg&3]
	}
	return 0
}

// crc8 has the polynomial x⁸+x²+x+1, as the SMBus packet error code; over a frame with its code it is 0.
func crc8(b []byte) byte {
	var crc byte
	for _, v := range b {
		crc ^= v
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x07
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
