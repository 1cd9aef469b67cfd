package machine

import (
	"errors"
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/sync/wire"
)

// still is a rig and a clock that stand still unless the test moves them: for measuring one turn of the loop.
type still struct {
	now   time.Duration
	open  uint64
	count hal.Count
	shots uint64
	safe  int
	boom  bool
	deaf  bool // outputs do not obey
}

func (r *still) Now() time.Duration         { return r.now }
func (r *still) SleepUntil(t time.Duration) { r.now = t }
func (r *still) Parts() []hal.Part {
	return []hal.Part{
		{ID: "v", Kind: hal.KindValve, Owner: hal.OwnerAgent, Carrier: "water.still", MaxOpen: 30 * time.Second},
		{ID: "m", Kind: hal.KindMeter, Owner: hal.OwnerAgent, PulsesPerLitre: 1000, Serves: []string{"v"}},
		{ID: "p", Kind: hal.KindPump, Owner: hal.OwnerAgent, StrokeUL: 10, MaxRate: 1000},
		{ID: "s", Kind: hal.KindSlot, Owner: hal.OwnerAgent, Pump: "p"},
	}
}
func (r *still) Outputs() hal.Outputs                   { return (*stillValves)(r) }
func (r *still) Meter(string) (hal.FlowMeter, error)    { return (*stillMeter)(r), nil }
func (r *still) Pump(string) (hal.Pump, error)          { return (*stillPump)(r), nil }
func (r *still) Interlocks() hal.InterlockBank          { return (*stillLocks)(r) }
func (r *still) Slot(string) (hal.CartridgeSlot, error) { return nil, hal.ErrUnknownPart }
func (r *still) Sensor(string) (hal.Sensor, error)      { return nil, hal.ErrUnknownPart }
func (r *still) Safe(error) error                       { r.open = 0; r.safe++; return nil }
func (r *still) Health() []hal.Fault                    { return nil }
func (r *still) Close() error                           { return nil }

type (
	stillValves still
	stillMeter  still
	stillPump   still
	stillLocks  still
)

func (r *stillValves) Commanded() uint64               { return r.open }
func (r *stillValves) Bit(string) (uint64, error)      { return 1, nil }
func (r *stillMeter) Count() hal.Count                 { return r.count }
func (r *stillPump) Dose(n int, _ time.Duration) error { r.shots += uint64(n); return nil }
func (r *stillPump) Delivered() uint64                 { return r.shots }
func (r *stillPump) Stop() error                       { return nil }
func (r *stillValves) Apply(mask, bits uint64) error {
	if r.deaf {
		return hal.ErrGone
	}
	r.open = r.open&^mask | bits&mask
	return nil
}

func (r *stillLocks) Now() (hal.Interlocks, error) {
	if r.boom {
		panic("boom")
	}
	return 0, nil
}

// echo is a guard that answers every beat at once.
type echo struct {
	r    beat.Reply
	have bool
}

func (e *echo) Send(p beat.Packet) error {
	e.r, e.have = beat.Reply{Session: p.Session, Tick: p.Tick, MasterOpen: p.WantMaster}, true
	return nil
}

func (e *echo) Poll() (beat.Reply, bool, error) { ok := e.have; e.have = false; return e.r, ok, nil }

func stillMachine(t *testing.T, r *still) *Machine {
	t.Helper()
	c := &beverage.Catalogue{
		Ingredients: []beverage.Ingredient{{ID: "water.still", Kind: beverage.KindCarrier}, {ID: "base", Kind: beverage.KindMicro}},
		Brands: []beverage.Brand{{ID: "b", Beverages: []beverage.Beverage{{ID: "b.v", Recipe: beverage.Recipe{
			Parts: []beverage.RecipePart{{Ingredient: "water.still", Parts: 9}, {Ingredient: "base", Parts: 1}},
		}}}}},
	}
	m, err := New(Config{}, Deps{
		Rig: r, Pacer: r, Guard: &echo{}, Journal: &book{}, Catalogue: c, Log: quiet(),
		Planogram: &beverage.Planogram{Slots: []beverage.Slot{{Slot: "s", Ingredient: "base"}}},
		Stock:     &shelf{slots: map[beverage.IngredientID][]string{"base": {"s"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLoopDoesNotAllocate measures whole turns of the loop while water flows: reading, rule, doses, beat, publishing.
func TestLoopDoesNotAllocate(t *testing.T) {
	r := &still{now: time.Second}
	m := stillMachine(t, r)
	lo := newLoop(m, newClerk(m))
	turn := func() {
		r.now += time.Millisecond
		if r.open != 0 && r.now/(12*time.Millisecond) != (r.now-time.Millisecond)/(12*time.Millisecond) {
			r.count = hal.Count{Pulses: r.count.Pulses + 1, Last: r.now, Period: 12 * time.Millisecond}
		}
		if lo.lease != nil {
			lo.lease.beats.Add(1)
		}
		lo.once(r.now, false)
		lo.next(r.now, r.now)
	}
	for range 100 {
		turn()
	}
	l, err := m.newLease(StartRequest{Beverage: "b.v", TargetUL: 500_000, Source: wire.SourceTouch})
	if err != nil {
		t.Fatal(err)
	}
	m.current.Store(l)
	turn()
	if err := <-l.answer; err != nil {
		t.Fatal(err)
	}
	l.begun.Store(&receipt{})
	for range 500 {
		turn()
	}
	if s := m.State(); s.Phase != pour.Flow || r.shots == 0 {
		t.Fatalf("phase %s, %d strokes, reason %q", s.Phase, r.shots, s.Reason)
	}
	before, beats := r.shots, lo.guard.packet.Tick
	if n := testing.AllocsPerRun(2000, turn); n != 0 {
		t.Errorf("%v allocations per turn while flowing", n)
	}
	if r.shots == before || lo.guard.packet.Tick == beats || m.State().Phase != pour.Flow {
		t.Error("nothing happened while measuring")
	}
}

// TestPanic: a bug in the loop makes everything safe before it crashes.
func TestPanic(t *testing.T) {
	r := &still{now: time.Second, open: 1, boom: true}
	m := stillMachine(t, r)
	defer func() {
		if v := recover(); v != "boom" {
			t.Errorf("recovered %v", v)
		}
		if r.safe == 0 || r.open != 0 {
			t.Errorf("safe called %d times, outputs %b", r.safe, r.open)
		}
	}()
	_ = m.Run(t.Context())
}

// TestCalibration: pulses per litre by meter replace the rig file's.
func TestCalibration(t *testing.T) {
	r := &still{now: time.Second}
	m := stillMachine(t, r)
	if _, err := New(Config{Calibration: map[string]float64{"m": -1}}, m.deps); !isProblem(err, "bad_config") {
		t.Errorf("negative calibration: %v", err)
	}
	m, err := New(Config{Calibration: map[string]float64{"m": 987}}, m.deps)
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.newLease(StartRequest{Beverage: "b.v", TargetUL: 200_000, Source: wire.SourceTouch})
	if err != nil {
		t.Fatal(err)
	}
	if l.plan.Carrier.PulsesPerLitre != 987 {
		t.Errorf("%v pulses per litre", l.plan.Carrier.PulsesPerLitre)
	}
}

// brokenLags is a lag store that cannot be read.
type brokenLags struct{}

func (brokenLags) Load() (map[string]pour.Lag, error) { return nil, errors.New("damaged") }
func (brokenLags) Save(map[string]pour.Lag) error     { return nil }

func TestLagsAreLoaded(t *testing.T) {
	m := stillMachine(t, &still{now: time.Second})
	m.deps.Lags = brokenLags{}
	if _, err := New(Config{}, m.deps); err == nil {
		t.Error("a damaged lag store went unnoticed")
	}
}
