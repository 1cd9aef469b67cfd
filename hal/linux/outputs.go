package linux

import (
	"log/slog"
	"sync"
	"time"

	"fountain/hal"
	"fountain/internal/logkey"
)

// sink writes outputs of one chip. Masks are in the owner's bits.
type sink interface {
	mask() uint64
	// apply sets the outputs in mask to bits. It never waits for a wire.
	apply(mask, bits uint64) error
	// safe shuts all.
	safe() error
}

// outputs is the group of valves and agitators of one owner, with its dead-man.
//
//	control loop ──Apply──► mu ──► sinks (one ioctl a chip; a wish for each expander)
//	own goroutine ──deadline──► mu ──► sinks          Safe, any goroutine ──► mu ──► sinks
//
// The mutex is held over the ioctl, which returns at once: whoever shuts must not be overtaken by who opens.
type outputs struct {
	ids     []string
	maxOpen []time.Duration
	sinks   []sink
	log     *slog.Logger
	base    time.Time

	mu        sync.Mutex
	commanded uint64
	deadline  []time.Duration // since base; of the outputs in commanded
	wakeAt    time.Duration   // when the dead-man looks next
	closed    bool

	wake chan struct{} // capacity 1: that it rings is all there is to say
	done chan struct{}
	wg   sync.WaitGroup
}

const (
	never        = time.Duration(1<<63 - 1)
	deadManRetry = 20 * time.Millisecond // a line that could not be shut is tried again
)

func newOutputs(log *slog.Logger) *outputs {
	return &outputs{log: log, base: time.Now(), wakeAt: never, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add gives an output the next bit.
func (o *outputs) add(id string, maxOpen time.Duration) {
	o.ids, o.maxOpen, o.deadline = append(o.ids, id), append(o.maxOpen, maxOpen), append(o.deadline, 0)
}

// start begins to enforce the dead-man times.
func (o *outputs) start() {
	o.wg.Go(o.deadMan)
}

// Apply implements hal.Outputs.
func (o *outputs) Apply(mask, bits uint64) error {
	if n := len(o.ids); n < 64 && mask>>n != 0 {
		return hal.ErrUnknownPart
	}
	bits &= mask
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return hal.ErrClosed
	}
	var failed error
	done := uint64(0)
	for _, s := range o.sinks {
		m := mask & s.mask()
		if m == 0 {
			continue
		}
		if err := s.apply(m, bits&m); err != nil {
			failed = err
			continue
		}
		done |= m
	}
	o.commanded = o.commanded&^done | bits&done
	if bits&done != 0 {
		o.renew(bits & done)
	}
	return failed
}

// renew starts the dead-man time of outputs that were just opened, or opened again.
func (o *outputs) renew(opened uint64) {
	now := time.Since(o.base)
	first := o.wakeAt
	for i := range o.ids {
		if opened&(1<<i) != 0 {
			o.deadline[i] = now + o.maxOpen[i]
			first = min(first, o.deadline[i])
		}
	}
	if first < o.wakeAt {
		o.wakeAt = first
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

// Commanded implements hal.Outputs.
func (o *outputs) Commanded() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.commanded
}

// shut is told by an expander that it shut outputs by itself.
func (o *outputs) shut(mask uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commanded &^= mask
}

func (o *outputs) deadMan() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(o.overdue())
		select {
		case <-timer.C:
		case <-o.wake:
		case <-o.done:
			return
		}
	}
}

// overdue shuts what was not renewed and returns how long until the next deadline.
func (o *outputs) overdue() time.Duration {
	o.mu.Lock()
	now := time.Since(o.base)
	var due uint64
	o.wakeAt = never
	for i := range o.ids {
		switch {
		case o.commanded&(1<<i) == 0:
		case o.deadline[i] <= now:
			due |= 1 << i
		default:
			o.wakeAt = min(o.wakeAt, o.deadline[i])
		}
	}
	var failed error
	for _, s := range o.sinks {
		if m := due & s.mask(); m != 0 && !o.closed {
			if err := s.apply(m, 0); err != nil {
				failed = err
				continue
			}
			o.commanded &^= m
		}
	}
	if failed != nil {
		o.wakeAt = min(o.wakeAt, now+deadManRetry)
	}
	next := min(o.wakeAt-now, time.Hour)
	o.mu.Unlock()
	if due != 0 {
		o.tell(due, failed)
	}
	return next
}

func (o *outputs) tell(due uint64, err error) {
	for i, id := range o.ids {
		if due&(1<<i) == 0 {
			continue
		}
		if err != nil {
			o.log.Debug("output not renewed and not shut", slog.String(logkey.Line, id), slog.Any(logkey.Err, err))
		} else {
			o.log.Warn("output shut, it was not renewed in time", slog.String(logkey.Line, id))
		}
	}
}

// safe shuts everything, without allocation.
func (o *outputs) safe() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return hal.ErrClosed
	}
	return o.safeLocked()
}

func (o *outputs) safeLocked() error {
	var failed error
	for _, s := range o.sinks {
		if err := s.safe(); err != nil {
			failed = err
			continue
		}
		o.commanded &^= s.mask()
	}
	return failed
}

// close shuts everything, unless abandoned, and ends the dead-man.
func (o *outputs) close(abandon bool) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	var err error
	if !abandon {
		err = o.safeLocked()
	}
	o.closed = true
	o.mu.Unlock()
	close(o.done)
	o.wg.Wait()
	return err
}

// gpioSink is the outputs of one owner on one chip of the SoC: one request.
type gpioSink struct {
	file lineFile
	bits []uint8 // line of the request → bit of the owner
	own  uint64
}

func newGPIOSink(file lineFile, bits []uint8) *gpioSink {
	s := &gpioSink{file: file, bits: bits}
	for _, b := range bits {
		s.own |= 1 << b
	}
	return s
}

func (s *gpioSink) mask() uint64 { return s.own }

func (s *gpioSink) apply(mask, bits uint64) error {
	var m, v uint64
	for line, b := range s.bits {
		m |= mask >> b & 1 << line
		v |= bits >> b & 1 << line
	}
	return s.file.set(m, v)
}

func (s *gpioSink) safe() error { return s.file.set(^uint64(0)>>(64-len(s.bits)), 0) }
