package guard

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/hal"
)

// fakeRig is a rig of the guard's whose writes and inputs fail as told, with a heartbeat. It notes what reached the line.
type fakeRig struct {
	mu       sync.Mutex
	now      func() time.Duration
	open     bool
	writes   int // Apply calls that reached the line
	fail     func(open bool) error
	inputs   hal.Interlocks
	inErr    error
	beats    int
	beatErr  error
	lastBeat time.Duration
}

func (r *fakeRig) Parts() []hal.Part {
	return []hal.Part{{ID: hal.Master, Kind: hal.KindValve, Owner: hal.OwnerGuard, MaxOpen: time.Minute}}
}
func (r *fakeRig) Outputs() hal.Outputs                   { return r }
func (r *fakeRig) Interlocks() hal.InterlockBank          { return (*fakeInputs)(r) }
func (r *fakeRig) Meter(string) (hal.FlowMeter, error)    { return nil, hal.ErrUnknownPart }
func (r *fakeRig) Pump(string) (hal.Pump, error)          { return nil, hal.ErrUnknownPart }
func (r *fakeRig) Slot(string) (hal.CartridgeSlot, error) { return nil, hal.ErrUnknownPart }
func (r *fakeRig) Sensor(string) (hal.Sensor, error)      { return nil, hal.ErrUnknownPart }
func (r *fakeRig) Health() []hal.Fault                    { return nil }
func (r *fakeRig) Close() error                           { return r.Safe(nil) }
func (r *fakeRig) Safe(error) error                       { return r.Apply(1, 0) }
func (r *fakeRig) Bit(string) (uint64, error)             { return 1, nil }
func (r *fakeRig) Commanded() uint64                      { return 0 }
func (r *fakeRig) set(f func())                           { r.mu.Lock(); defer r.mu.Unlock(); f() }
func (r *fakeRig) get() (open bool, writes int, beats int) {
	r.set(func() { open, writes, beats = r.open, r.writes, r.beats })
	return
}

func (r *fakeRig) Apply(_, bits uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(bits != 0); err != nil {
			return err
		}
	}
	r.open = bits != 0
	r.writes++
	return nil
}

func (r *fakeRig) Beat() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.beatErr == nil {
		r.beats++
		r.lastBeat = r.now()
	}
	return r.beatErr
}

type fakeInputs fakeRig

func (i *fakeInputs) Now() (hal.Interlocks, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inputs, i.inErr
}

// fakePacer is package time, and can hold the loop up once.
type fakePacer struct {
	start time.Time
	mu    sync.Mutex
	stall time.Duration
}

func (p *fakePacer) Now() time.Duration { return time.Second + time.Since(p.start) }

func (p *fakePacer) SleepUntil(t time.Duration) {
	p.mu.Lock()
	t += p.stall
	p.stall = 0
	p.mu.Unlock()
	time.Sleep(t - p.Now())
}

// fakeDog counts the food.
type fakeDog struct {
	mu  sync.Mutex
	fed []time.Duration
	now func() time.Duration
	err error
}

func (d *fakeDog) Feed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.fed = append(d.fed, d.now())
	}
	return d.err
}

func (d *fakeDog) last() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.fed) == 0 {
		return 0
	}
	return d.fed[len(d.fed)-1]
}

// lines keeps what was logged.
type lines struct {
	mu sync.Mutex
	is []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is = append(l.is, r.Message)
	return nil
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.is {
		if strings.Contains(m, part) {
			n++
		}
	}
	return n
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.is)
}

// yard is a guard on a fake rig, with an agent made of a slice of packets.
type yard struct {
	bench
	rig   *fakeRig
	clock *fakePacer
	dog   *fakeDog
	log   *lines
	g     *Guard
}

func newYard(t *testing.T, resets Resets) *yard {
	t.Helper()
	y := &yard{clock: &fakePacer{start: time.Now()}, log: &lines{}}
	y.pacer = y.clock
	y.state = beat.Connected
	y.rig = &fakeRig{now: y.clock.Now}
	y.dog = &fakeDog{now: y.clock.Now}
	g, err := New(Deps{Rig: y.rig, Pacer: y.clock, Beats: &y.bench, Memory: &y.bench, Log: slog.New(y.log), Dog: y.dog, Resets: resets}, 0)
	if err != nil {
		t.Fatal(err)
	}
	y.g = g
	return y
}

// start runs the guard until the test ends it by y.cancel; the error comes on y.done.
func (y *yard) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	y.cancel, y.done = cancel, make(chan error, 1)
	go func() { y.done <- y.g.Run(ctx) }()
}

func (y *yard) stop(t *testing.T) {
	t.Helper()
	y.cancel()
	if err := <-y.done; err != nil {
		t.Errorf("guard ended with %v", err)
	}
}
