package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/distro"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// Option is a rare knob of Open.
type Option func(*options)

type options struct {
	log  *slog.Logger
	root string
	prio int
	sys  system
}

// system is what Open asks of the kernel; tests put models in its place.
type system struct {
	model func() string // of the board, by its device tree
	chips func() ([]gpioChip, error)
	bus   func(n int) (i2c.BusCloser, error)
	hold  func(name string) (io.Closer, error) // one process a machine may hold a name; EADDRINUSE otherwise
}

// WithLog gives the rig a logger; without one it is silent.
func WithLog(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithRoot puts another directory in the place of / for /sys and the sensors' files; devices stay in /dev.
func WithRoot(dir string) Option { return func(o *options) { o.root = dir } }

// WithPriority sets the priority (see Realtime) of the rig's own threads, which read edges and give strokes. The default is
// 0, ordinary: they block in system calls, and a real-time thread that comes out of one can wait for Go's own monitor
// thread while that waits for a processor (docs/adr/0020). The kernel stamps edges when they happen and keeps 1024 of them.
// Where the kernel refuses, they stay ordinary and the log says so once.
func WithPriority(prio int) Option { return func(o *options) { o.prio = prio } }

// busyRetry is how long Open waits for a line: a predecessor that was just killed may not be buried yet (13 ms were seen).
const busyRetry = 100 * time.Millisecond

// Open takes all lines of owner and leaves its outputs shut. ctx bounds the opening only; the rig lives until Close.
//
// An I²C chip that does not answer is no reason to refuse: its parts return hal.ErrGone and Health tells, until it does.
//
// Errors: hal.ErrBusy while another process holds a line or chip, hal.ErrNotOwner for an owner that does not exist. All but
// ErrNotOwner carry a *problem.Problem with the part's place in the rig file; CodeUnsafe when the kernel would leave valves
// open after a crash (board.expects: strict_gpiod).
func Open(ctx context.Context, rf *rigfile.Rig, owner hal.Owner, opts ...Option) (hal.Rig, hal.Pacer, error) {
	o := options{log: slog.New(slog.DiscardHandler), root: "/", sys: system{distro.DTModel, openChips, OpenI2C, holdName}}
	for _, f := range opts {
		f(&o)
	}
	if owner != hal.OwnerAgent && owner != hal.OwnerGuard {
		return nil, nil, fmt.Errorf("open the lines of %q: %w", owner, hal.ErrNotOwner)
	}
	if err := checkBoard(rf, o.root, o.sys.model()); err != nil {
		return nil, nil, err
	}
	b, err := newBuilder(ctx, rf, owner, o)
	if err != nil {
		return nil, nil, err
	}
	defer b.closeChips()
	if err := b.build(); err != nil {
		b.undo()
		return nil, nil, err
	}
	b.start()
	return b.rig, b.rig.pacer, nil
}

// holdName binds an abstract socket: the kernel lets go of it when the process dies.
func holdName(name string) (io.Closer, error) {
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@fountain-" + name, Net: "unixgram"})
}

// builder opens a rig step by step; undo takes back what was opened.
type builder struct {
	ctx   context.Context
	opt   options
	rf    *rigfile.Rig
	owner hal.Owner
	rig   *rig
	until time.Time // for lines that are busy

	chipOf map[string]rigfile.Chip
	found  []gpioChip          // all of the machine; nil: not looked yet
	gpio   map[string]gpioChip // by the rig file's chip id
	buses  map[int]*bus
	exp    map[string]*expander
	dosers map[string]*doser
	sinks  []sink
}

func newBuilder(ctx context.Context, rf *rigfile.Rig, owner hal.Owner, o options) (*builder, error) {
	stop, err := newAlarm()
	if err != nil {
		return nil, fmt.Errorf("open the lines of %s: %w", owner, err)
	}
	r := &rig{
		file: rf, owner: owner, log: o.log, pacer: NewPacer(), outs: newOutputs(o.log), stop: stop,
		meters: map[string]*counter{}, pumps: map[string]hal.Pump{}, sensors: map[string]*sensor{}, slots: map[string]*slot{},
		adapters: map[int]i2c.BusCloser{}, cancel: func() {},
	}
	r.bank = &bank{rig: r}
	b := &builder{
		ctx: ctx, opt: o, rf: rf, owner: owner, rig: r, until: time.Now().Add(busyRetry),
		chipOf: map[string]rigfile.Chip{}, gpio: map[string]gpioChip{}, buses: map[int]*bus{},
		exp: map[string]*expander{}, dosers: map[string]*doser{},
	}
	for _, c := range rf.Chips {
		b.chipOf[c.ID] = c
	}
	return b, nil
}

func (b *builder) build() error {
	// Inputs come last among the lines: whoever finds a line busy has opened nothing yet that could miss an edge.
	for _, step := range []func() error{b.outputs, b.linePumps, b.heart, b.counters, b.interlocks, b.chips, b.sensors, b.slots} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// start begins all threads, when nothing can fail any more.
func (b *builder) start() {
	r := b.rig
	r.outs.sinks = b.sinks
	r.outs.start()
	var watch []watcher
	for _, c := range r.counters {
		watch = append(watch, c)
	}
	for _, f := range r.bank.files {
		watch = append(watch, f)
	}
	prio := b.opt.prio
	if prio > 0 {
		if restore, err := Realtime(prio); err != nil {
			r.log.Warn("the HAL's threads run without priority", slog.Any(logkey.Err, err))
			prio = 0
			restore()
		} else {
			restore()
		}
	}
	r.reader.Go(func() {
		restore := quietRealtime(prio)
		defer restore()
		readEdges(r.stop, watch)
	})
	for _, l := range r.lines {
		l.start(prio)
	}
	for _, w := range r.buses {
		w.start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	for _, s := range r.sensors {
		r.pollers.Go(func() { s.run(ctx) })
	}
	for _, t := range r.readers {
		r.pollers.Go(func() { t.watch(ctx) })
	}
}

// undo takes back a build that did not come to its end.
func (b *builder) undo() {
	for i := len(b.rig.release) - 1; i >= 0; i-- {
		_ = b.rig.release[i]() // the reason why is returned already
	}
	_ = b.rig.stop.close()
}

func (b *builder) closeChips() {
	for _, c := range b.found {
		c.close()
	}
}

func (b *builder) keep(close func() error) { b.rig.release = append(b.rig.release, close) }

func (b *builder) where(section, id, key string) string {
	return fmt.Sprintf("%s %s(%s).%s", b.rf.Path, section, id, key)
}

func bad(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: remedy}
}

// granted asks for lines of one chip, waiting a moment while they are busy.
func (b *builder) granted(chip gpioChip, chipID string, w wish) (lineFile, error) {
	w.consumer = "fountain-" + string(b.owner)
	for {
		f, err := chip.request(w)
		switch {
		case err == nil:
			b.keep(f.close)
			return f, nil
		case !errors.Is(err, unix.EBUSY):
			return nil, err
		case b.ctx.Err() != nil || !time.Now().Before(b.until):
			return nil, b.busy(chip, chipID, w)
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (b *builder) busy(chip gpioChip, chipID string, w wish) error {
	what := fmt.Sprintf("a line of %s is held by another process", chip.label())
	for _, o := range w.offsets {
		if _, consumer, used, err := chip.line(o); err == nil && used {
			what = fmt.Sprintf("line %d of %s is held by another process (%q)", o, chip.label(), consumer)
			break
		}
	}
	p := &problem.Problem{Code: problem.CodeBusy, Where: fmt.Sprintf("%s chips(%s)", b.rf.Path, chipID), What: what, Remedy: "stop the other process, or the driver that uses the line", Retry: true}
	return fmt.Errorf("%w (%w)", p, hal.ErrBusy)
}

// refused turns the kernel's no to a request into a problem.
func (b *builder) refused(chipID string, err error) error {
	if errors.Is(err, hal.ErrBusy) {
		return err
	}
	return fmt.Errorf("%w (%w)", bad(fmt.Sprintf("%s chips(%s)", b.rf.Path, chipID), "the kernel does not give the lines: "+err.Error(), "check the lines and their directions in the rig file"), err)
}
