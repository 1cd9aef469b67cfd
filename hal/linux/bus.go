package linux

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/internal/logkey"
)

// Times of the worker of a bus.
const (
	checkEvery = 250 * time.Millisecond  // an expander's registers are read back
	retryGone  = 250 * time.Millisecond  // a chip that does not answer is asked again
	tries      = 3                       // of a transfer, before a chip counts as gone: one bit of noise is no fault
	noteFor    = 1500 * time.Millisecond // how long Health tells of a failure that is over: the machine asks once a second
	resetPulse = time.Millisecond
	slowAfter  = 40 * time.Millisecond // a transfer takes 6 ms at most (65 bytes at 100 kHz)
	slowRow    = 3                     // so many in a row: one late transfer is the host's
)

// bus is the worker of one I²C bus: the only goroutine that talks to its expanders and pump drivers.
//
//	control loop ──Apply, Dose, Stop──► wish (under mu) ──kick──► run ──Tx──► chips
//	Safe, any goroutine ─────────────►      ▲                       └──► state, confirmed strokes (under mu)
//
// mu is never held over a transfer. What a transfer found out is written back under it.
type bus struct {
	n   int
	log *slog.Logger

	mu        sync.Mutex
	expanders []*expander
	dosers    []*doser
	ended     bool

	kick chan struct{} // capacity 1: that something changed is all there is to say
	wg   sync.WaitGroup
	base time.Time
}

func newBus(n int, log *slog.Logger) *bus {
	return &bus{n: n, log: log, kick: make(chan struct{}, 1), base: time.Now()}
}

func (b *bus) now() time.Duration { return time.Since(b.base) }

func (b *bus) poke() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

func (b *bus) start() { b.wg.Go(b.run) }

func (b *bus) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-b.kick:
		}
		b.mu.Lock()
		ended := b.ended
		b.mu.Unlock()
		if ended {
			return
		}
		next := b.now() + time.Hour
		for _, d := range b.dosers { // stopping comes first
			d.halt()
		}
		for _, e := range b.expanders {
			next = min(next, e.service())
		}
		for _, d := range b.dosers {
			next = min(next, d.service())
		}
		timer.Reset(max(0, next-b.now()))
	}
}

// close ends the worker; unless abandoned, it makes the chips safe first, on the caller's goroutine.
func (b *bus) close(abandon bool) error {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.poke()
	b.wg.Wait()
	if abandon {
		return nil
	}
	var failed error
	for _, e := range b.expanders {
		if err := e.shutNow(); err != nil {
			failed = err
		}
	}
	for _, d := range b.dosers {
		if err := attempt(d.chip.StopAll); err != nil {
			failed = err
		}
	}
	return failed
}

// attempt does a transfer a few times until it works.
func attempt(f func() error) error {
	var err error
	for range tries {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

// try is attempt for one transfer, and keeps in mind how the chip took it.
func (b *bus) try(h *health, f func() error) error {
	start, asked := b.now(), 0
	err := attempt(func() error { asked++; return f() })
	took := b.now() - start
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || asked == 1 && took < slowAfter {
		h.slow = 0
		return err
	}
	if h.slow++; h.slow >= slowRow {
		h.late, h.lateAt = fmt.Sprintf("the chip answers late or only when asked again: %v, asked %d times", took.Round(time.Millisecond), asked), b.now()
	}
	return nil
}

// health is what is wrong with one chip, and what was until a while ago. Guarded by bus.mu.
type health struct {
	gone   bool
	why    string
	note   string
	noteAt time.Duration
	late   string
	lateAt time.Duration
	slow   int // transfers in a row that were late or repeated
}

func (h *health) faults(id string, now time.Duration) []hal.Fault {
	switch {
	case h.gone:
		return []hal.Fault{{Part: id, What: "the chip does not answer: " + h.why, Kind: hal.FaultGone}}
	case h.note != "" && now-h.noteAt < noteFor:
		return []hal.Fault{{Part: id, What: h.note, Kind: hal.FaultReset}}
	case h.late != "" && now-h.lateAt < noteFor:
		return []hal.Fault{{Part: id, What: h.late, Kind: hal.FaultSlow}}
	}
	return nil
}

// expander is one expander with the outputs and pumps of its owner on it.
//
// The control loop states a wish; the worker writes it. When the chip stops answering or is found reset, all its outputs are
// wished shut; while anything was open then, every call that touches the chip returns hal.ErrGone until one has shut all of
// its outputs: who renews a valve every tick must notice, and nothing opens again by itself.
type expander struct {
	bus   *bus
	id    string
	chip  chips.Expander
	reset func(assert bool) error // nil: no reset line
	lines []expanderLine
	used  uint16 // lines that are outputs
	low   uint16 // of these, active low
	own   uint64 // the owner's bits on it
	shut  func(mask uint64)

	// guarded by bus.mu
	wish    uint16 // lines that shall be active: valves and agitators
	strokes []*expanderPump
	lost    bool // something was open when the chip failed, and nobody has taken note
	health

	// owned by the worker
	wrote   uint16
	checkAt time.Duration
	retryAt time.Duration
}

type expanderLine struct{ bit, line uint8 }

func (e *expander) mask() uint64 { return e.own }

// apply implements sink: it changes the wish.
func (e *expander) apply(mask, bits uint64) error {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	broken := e.gone || e.lost
	for _, l := range e.lines {
		switch {
		case mask>>l.bit&1 == 0:
		case bits>>l.bit&1 == 0:
			e.wish &^= 1 << l.line
		case !broken:
			e.wish |= 1 << l.line
		}
	}
	if broken {
		if e.wish == 0 && bits == 0 {
			e.lost = false
		}
		e.bus.poke()
		return hal.ErrGone
	}
	e.bus.poke()
	return nil
}

// safe implements sink.
func (e *expander) safe() error {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	e.wish, e.lost = 0, false
	for _, p := range e.strokes {
		p.left = 0
	}
	e.bus.poke()
	if e.gone {
		return hal.ErrGone
	}
	return nil
}

func (e *expander) levels(active uint16) uint16 { return active ^ e.low }

// service does what is due and returns when to come again.
func (e *expander) service() time.Duration {
	now := e.bus.now()
	e.bus.mu.Lock()
	isGone := e.gone
	e.bus.mu.Unlock()
	if isGone {
		if now < e.retryAt {
			return e.retryAt
		}
		if err := e.init(); err != nil {
			e.retryAt = e.bus.now() + retryGone
			return e.retryAt
		}
		e.back("the chip did not answer for a while; all its outputs were shut")
		return e.bus.now()
	}
	if now >= e.checkAt {
		intact := true
		err := e.bus.try(&e.health, func() (err error) { intact, err = e.chip.Intact(); return err })
		if err != nil {
			return e.fail(err)
		}
		if !intact {
			e.lose("it is being set up again")
			if err := attempt(e.init); err != nil {
				return e.fail(err)
			}
			e.back("the chip was reset or disturbed; all its outputs were shut")
		}
		e.checkAt = e.bus.now() + checkEvery
	}
	active, next := e.active()
	if active != e.wrote {
		if err := e.bus.try(&e.health, func() error { return e.chip.Write(e.levels(active)) }); err != nil {
			return e.fail(err)
		}
		e.wrote = active
	}
	return min(next, e.checkAt)
}

// active is what the lines shall be now: the wish and the pulses of pumps.
func (e *expander) active() (uint16, time.Duration) {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	now := e.bus.now()
	active, first := e.wish, now+time.Hour
	for _, p := range e.strokes {
		level, next, ok := p.step(now)
		if level {
			active |= 1 << p.line
		}
		if ok {
			first = min(first, next)
		}
	}
	return active, first
}

// init makes the chip known again, everything shut.
func (e *expander) init() error {
	if e.reset != nil {
		if err := e.reset(true); err != nil {
			return err
		}
		time.Sleep(resetPulse)
		if err := e.reset(false); err != nil {
			return err
		}
		time.Sleep(resetPulse)
	}
	if err := e.chip.Init(e.used, e.levels(0)); err != nil {
		return err
	}
	e.wrote = 0
	return nil
}

// lose takes back every wish, and takes none until the chip is back: the outputs are not what was asked for, and what opened
// meanwhile would be open without the dead-man's knowledge.
func (e *expander) lose(why string) {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	busy := false
	for _, p := range e.strokes {
		busy = busy || p.left > 0 || p.high
		p.left, p.high = 0, false
	}
	e.lost = e.lost || e.wish != 0 || busy
	e.wish, e.gone, e.why = 0, true, why
}

// fail marks the chip gone. Its reset line, where there is one, shuts the outputs without the bus.
func (e *expander) fail(err error) time.Duration {
	e.lose(err.Error())
	if e.reset != nil {
		_ = e.reset(true) // the chip is gone already: nothing more can be said than that
	}
	e.bus.log.Warn("an I²C chip does not answer", slog.String(logkey.Line, e.id), slog.Any(logkey.Err, err))
	e.retryAt = e.bus.now() + retryGone
	return e.retryAt
}

func (e *expander) back(what string) {
	e.shut(e.own)
	e.bus.mu.Lock()
	e.gone, e.note, e.noteAt = false, what, e.bus.now()
	e.bus.mu.Unlock()
	e.checkAt = e.bus.now() + checkEvery
	e.bus.log.Warn("an I²C chip is back", slog.String(logkey.Line, e.id), slog.String(logkey.Reason, what))
}

// shutNow shuts all outputs, when the worker has ended. The reset line stays asserted.
func (e *expander) shutNow() error {
	err := attempt(func() error { return e.chip.Write(e.levels(0)) })
	if e.reset != nil {
		if rerr := e.reset(true); rerr == nil {
			return nil // the chip's outputs are off whatever it answered
		}
	}
	if err != nil {
		return fmt.Errorf("shut the outputs of %s: %w: %w", e.id, hal.ErrGone, err)
	}
	return nil
}

// takes tells why strokes for a chip are refused. Called with mu held.
func (b *bus) takes(dead bool) error {
	switch {
	case b.ended:
		return hal.ErrClosed
	case dead:
		return hal.ErrGone
	}
	return nil
}

// expanderPump is a pump on a line of an expander. Guarded by bus.mu.
type expanderPump struct {
	e     *expander
	line  uint8
	sense *counter
	stroker
}

var _ hal.Pump = (*expanderPump)(nil)

// Dose implements hal.Pump.
func (p *expanderPump) Dose(strokes int, every time.Duration) error {
	b := p.e.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.takes(p.e.gone || p.e.lost); err != nil || strokes <= 0 {
		return err
	}
	p.dose(b.now(), strokes, every)
	b.poke()
	return nil
}

// Delivered implements hal.Pump.
func (p *expanderPump) Delivered() uint64 {
	if p.sense != nil {
		return p.sense.Count().Pulses
	}
	p.e.bus.mu.Lock()
	defer p.e.bus.mu.Unlock()
	return p.given
}

// Stop implements hal.Pump.
func (p *expanderPump) Stop() error {
	p.e.bus.mu.Lock()
	defer p.e.bus.mu.Unlock()
	p.left = 0
	if p.e.gone {
		return hal.ErrGone
	}
	return nil
}
