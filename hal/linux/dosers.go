package linux

import (
	"errors"
	"log/slog"
	"time"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/internal/logkey"
)

// Times of the polling of a pump driver. It stops by itself after chips.DoserSilence.
const (
	doserBusy   = 10 * time.Millisecond // while strokes are left, and a moment after
	doserIdle   = 100 * time.Millisecond
	doserMoment = 100 * time.Millisecond
	doserAhead  = chips.DoserWindow / 2 // strokes the chip is given at most beyond those it has done
)

// doser is one pump driver with the pumps of its owner.
type doser struct {
	bus  *bus
	id   string
	chip *chips.Doser

	// guarded by bus.mu
	pumps [chips.DoserChannels]*doserPump
	stop  bool // stop all channels first of all
	lost  bool // strokes were dropped by a failure, and nobody has taken note
	health

	// owned by the worker
	known     bool // its counters were read since Open
	pollAt    time.Duration
	busyUntil time.Duration
	retryAt   time.Duration
}

// doserPump is one channel as hal.Pump. Guarded by bus.mu.
type doserPump struct {
	d        *doser
	ch       int
	shortest time.Duration

	left      uint64 // asked for, not yet handed to the chip
	every     time.Duration
	stop      bool
	delivered uint64

	// owned by the worker
	target    uint32 // the chip's
	given     uint32 // of these, known to be given: nothing is left on the chip up to here
	confirmed uint32 // the chip's, when last read
	interval  time.Duration
}

var _ hal.Pump = (*doserPump)(nil)

// Dose implements hal.Pump.
func (p *doserPump) Dose(strokes int, every time.Duration) error {
	b := p.d.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.takes(p.d.gone || p.d.lost); err != nil || strokes <= 0 {
		return err
	}
	p.left += uint64(strokes)
	p.every = max(every, p.shortest)
	b.poke()
	return nil
}

// Delivered implements hal.Pump.
func (p *doserPump) Delivered() uint64 {
	p.d.bus.mu.Lock()
	defer p.d.bus.mu.Unlock()
	return p.delivered
}

// Stop implements hal.Pump.
func (p *doserPump) Stop() error {
	b := p.d.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	p.left, p.stop, p.d.lost = 0, true, false
	b.poke()
	if p.d.gone {
		return hal.ErrGone
	}
	return nil
}

// safe stops all its pumps.
func (d *doser) safe() error {
	d.bus.mu.Lock()
	defer d.bus.mu.Unlock()
	d.stop, d.lost = true, false
	for _, p := range d.pumps {
		if p != nil {
			p.left = 0
		}
	}
	d.bus.poke()
	if d.gone {
		return hal.ErrGone
	}
	return nil
}

// open finds the chip, stops what a predecessor may have left and takes its counters as the start.
func (d *doser) open() error {
	if err := d.chip.Identify(); err != nil {
		return err
	}
	if err := d.chip.StopAll(); err != nil {
		return err
	}
	if err := d.chip.Clear(); err != nil {
		return err
	}
	return d.sync()
}

// rejoin opens it again after a failure; strokes it confirmed meanwhile count, unless it was reset.
func (d *doser) rejoin() error {
	status, err := d.chip.Status()
	if err != nil {
		return err
	}
	if d.known && status&chips.DoserReset == 0 {
		if err := d.confirm(); err != nil {
			return err
		}
	}
	return d.open()
}

// sync takes over the chip's counters after anything that moved them.
func (d *doser) sync() error {
	var issued, confirmed [chips.DoserChannels]uint32
	if err := d.chip.Issued(0, issued[:]); err != nil {
		return err
	}
	if err := d.chip.Confirmed(0, confirmed[:]); err != nil {
		return err
	}
	d.known = true
	for i, p := range d.pumps {
		if p != nil {
			p.target, p.given, p.confirmed, p.interval = issued[i], issued[i], confirmed[i], 0
		}
	}
	return nil
}

// halt sends the stops that were asked for, before anything else on the bus.
func (d *doser) halt() {
	d.bus.mu.Lock()
	all, isGone := d.stop, d.gone
	var one [chips.DoserChannels]bool
	any := all
	for i, p := range d.pumps {
		if p != nil && p.stop {
			one[i], any = true, true
		}
	}
	d.bus.mu.Unlock()
	if !any || isGone {
		return
	}
	err := attempt(func() error {
		if all {
			if err := d.chip.StopAll(); err != nil {
				return err
			}
		}
		for i, p := range d.pumps {
			if p == nil || !all && !one[i] {
				continue
			}
			var issued [1]uint32
			if err := d.chip.Issued(i, issued[:]); err != nil {
				return err
			}
			if !all { // a target behind what was given stops the channel, and reads back as another one
				if err := d.chip.SetTarget(i, issued[0]); err != nil && !errors.Is(err, chips.ErrRefused) {
					return err
				}
				if err := d.chip.Issued(i, issued[:]); err != nil {
					return err
				}
			}
			p.target, p.given = issued[0], issued[0]
		}
		return nil
	})
	if err != nil {
		d.fail(err)
		return
	}
	d.bus.mu.Lock()
	d.stop = d.stop && !all
	for i, p := range d.pumps {
		if p != nil && (all || one[i]) {
			p.stop = false
		}
	}
	d.bus.mu.Unlock()
	d.pollAt, d.busyUntil = 0, d.bus.now()+doserMoment
}

// service hands over new strokes, reads what was confirmed, and returns when to come again.
func (d *doser) service() time.Duration {
	d.bus.mu.Lock()
	isGone := d.gone
	d.bus.mu.Unlock()
	now := d.bus.now()
	if isGone {
		if now < d.retryAt {
			return d.retryAt
		}
		if err := d.rejoin(); err != nil {
			d.retryAt = d.bus.now() + retryGone
			return d.retryAt
		}
		d.back("the pump driver did not answer for a while; its strokes were dropped")
	}
	if err := d.hand(); err != nil {
		return d.fail(err)
	}
	if now >= d.pollAt {
		if err := d.poll(); err != nil {
			return d.fail(err)
		}
		d.pollAt = d.bus.now() + doserIdle
		if now < d.busyUntil {
			d.pollAt = d.bus.now() + doserBusy
		}
	}
	return d.pollAt
}

// hand gives the chip the strokes that were asked for.
func (d *doser) hand() error {
	for i, p := range d.pumps {
		if p == nil {
			continue
		}
		d.bus.mu.Lock()
		every := p.every
		room := uint64(doserAhead) - min(doserAhead, uint64(p.target-p.given))
		n := uint32(min(p.left, room))
		d.bus.mu.Unlock()
		if n == 0 {
			continue
		}
		if every != p.interval {
			if err := d.bus.try(&d.health, func() error { return d.chip.SetInterval(i, every) }); err != nil {
				return err
			}
			p.interval = every
		}
		d.bus.mu.Lock()
		if n = uint32(min(uint64(n), p.left)); n == 0 || p.stop || d.stop {
			d.bus.mu.Unlock()
			continue // stopped meanwhile
		}
		p.left -= uint64(n)
		target := p.target + n
		d.bus.mu.Unlock()
		if err := d.bus.try(&d.health, func() error { return d.chip.SetTarget(i, target) }); err != nil {
			if errors.Is(err, chips.ErrRefused) { // it was reset, fell silent, or is out of its mind
				p.target = target
				return d.again("the pump driver refused strokes; they were dropped")
			}
			return err
		}
		p.target = target
		d.pollAt, d.busyUntil = 0, d.bus.now()+doserMoment
	}
	return nil
}

// poll reads the status and, while there is something to see, what was confirmed.
func (d *doser) poll() error {
	var status chips.DoserStatus
	if err := d.bus.try(&d.health, func() (err error) { status, err = d.chip.Status(); return err }); err != nil {
		return err
	}
	switch {
	case status&chips.DoserReset != 0:
		return d.again("the pump driver was reset; its strokes were dropped")
	case status&chips.DoserSilent != 0:
		return d.again("the pump driver heard nothing from here for a while and dropped its strokes")
	case status&chips.DoserRefused != 0: // a damaged write; it was repeated
		if err := attempt(d.chip.Clear); err != nil {
			return err
		}
	}
	now := d.bus.now()
	if status&chips.DoserRunning != 0 {
		d.busyUntil = now + doserMoment
	} else {
		for _, p := range d.pumps {
			if p != nil {
				p.given = p.target
			}
		}
	}
	if now < d.busyUntil {
		return d.confirm()
	}
	return nil
}

// again starts anew with a chip that dropped its strokes.
func (d *doser) again(what string) error {
	d.lose()
	if err := attempt(d.rejoin); err != nil {
		return err
	}
	d.back(what)
	return nil
}

// confirm reads the counters of the stroke sensors.
func (d *doser) confirm() error {
	var c [chips.DoserChannels]uint32
	first, last := -1, -1
	for i, p := range d.pumps {
		if p != nil {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return nil
	}
	if err := d.bus.try(&d.health, func() error { return d.chip.Confirmed(first, c[first:last+1]) }); err != nil {
		return err
	}
	d.bus.mu.Lock()
	defer d.bus.mu.Unlock()
	for i, p := range d.pumps {
		if p == nil {
			continue
		}
		if more := c[i] - p.confirmed; more <= chips.DoserWindow { // beyond it the reading is damaged: the next one is right
			p.delivered += uint64(more)
			p.confirmed = c[i]
		}
	}
	return nil
}

// lose drops what was asked for: the chip has not given it.
func (d *doser) lose() {
	d.bus.mu.Lock()
	defer d.bus.mu.Unlock()
	for _, p := range d.pumps {
		if p != nil {
			d.lost = d.lost || p.left > 0 || p.target != p.given
			p.left = 0
		}
	}
}

func (d *doser) fail(err error) time.Duration {
	d.lose()
	d.bus.mu.Lock()
	d.gone, d.why = true, err.Error()
	d.bus.mu.Unlock()
	d.bus.log.Warn("a pump driver does not answer", slog.String(logkey.Line, d.id), slog.Any(logkey.Err, err))
	d.retryAt = d.bus.now() + retryGone
	return d.retryAt
}

func (d *doser) back(what string) {
	d.bus.mu.Lock()
	d.gone, d.note, d.noteAt = false, what, d.bus.now()
	d.bus.mu.Unlock()
	d.bus.log.Warn("a pump driver is back", slog.String(logkey.Line, d.id), slog.String(logkey.Reason, what))
}
