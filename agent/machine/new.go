package machine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/problem"
)

// GuardLink is the way to the guard; *beat.Link is the real one. No method blocks. An error means that the guard is
// gone; a later Send may find it again.
type GuardLink interface {
	Send(beat.Packet) error
	Poll() (beat.Reply, bool, error)
}

// Stock knows what the cartridges hold. Source is called on the goroutine that calls Start; SetEmpty from the clerk,
// never from the control loop. Both must be safe for concurrent use.
type Stock interface {
	recipe.Stock
	// SetEmpty says that the cartridge in the slot ran dry although the books said otherwise.
	SetEmpty(slot string)
}

// LagStore keeps the learned close lags over restarts. Save is never called from the control loop.
type LagStore interface {
	Load() (map[string]pour.Lag, error) // by valve
	Save(map[string]pour.Lag) error
}

// Config tunes a machine; the zero value means the defaults.
type Config struct {
	Limits recipe.Limits // zero: recipe.DefaultLimits
	// Lease is how long a pour flows without a Beat; 0 means 300 ms.
	Lease time.Duration
	// IdleTick is the loop's period while nothing flows; 0 means 5 ms, at most 10 ms.
	IdleTick time.Duration
	// Drain bounds how long Run waits at its end for settling and for the journal; 0 means 5 s.
	Drain time.Duration
	// Calibration replaces pulses per litre by meter id.
	Calibration map[string]float64
	// GuardReply is how long the guard may take to answer a beat; 0 means beat.Limit, the patience it has with us.
	GuardReply time.Duration
	// SupplyMA is what the valve supply delivers, mA; 0 takes the rig's figure (hal.Part.SupplyMA of MASTER). When neither
	// is known no budget is kept. MASTER, a carrier's valve, pumps and agitators never draw more together: pumps wait
	// their turn.
	SupplyMA int64
}

// Deps is what a machine works on. The rig must have been opened as hal.OwnerAgent; its owner closes it after Run.
type Deps struct {
	Rig       hal.Rig
	Pacer     hal.Pacer
	Guard     GuardLink
	Journal   Journal
	Stock     Stock
	Lags      LagStore  // nil: learned anew at every start
	Ready     Ready     // nil: nothing but the machine's own rules refuses a pour
	Locks     LockStore // nil: lock-outs end with the process
	Catalogue *beverage.Catalogue
	Planogram *beverage.Planogram
	Log       *slog.Logger
}

// menu is what Start reads; it is replaced as a whole.
type menu struct {
	catalogue *beverage.Catalogue
	lineup    *recipe.Lineup
}

// Machine is one unit's control loop. All methods may be called from any goroutine.
type Machine struct {
	cfg   Config
	deps  Deps
	parts []hal.Part // calibrated

	valves map[string]uint64 // carrier valve -> mask
	all    uint64            // every valve and agitator of the agent
	lines  []line            // carriers' lines, in the order of the rig file
	stirs  []stir            // agitators
	cups   bool              // the rig has a cup sensor
	meters map[string]hal.FlowMeter
	pumps  map[string]hal.Pump

	drives  map[string]uint64     // agitator -> mask
	sensors map[string]hal.Sensor // what service work looks at

	config    sync.Mutex // held while menu is made anew
	plates    []hal.Part // as the rig file has them, before SetCalibration
	planogram *beverage.Planogram

	menu    atomic.Pointer[menu]
	current atomic.Pointer[lease]             // the pour that is starting, flowing or being recorded
	rinse   atomic.Pointer[rinseLease]        // a rinse that a person asked for
	last    atomic.Pointer[ended]             // the newest pour that ended, for a top-off
	service atomic.Pointer[Session]           // the service operation under way
	barred  atomic.Pointer[map[string]string] // lines under cleaning: they must not pour -> why
	state   atomic.Pointer[shared]            // what State composes
	changed chan struct{}
	ready   chan struct{} // closed when Run has begun
	begin   sync.Once
	clear   atomic.Bool // ClearFault was called
	stopped chan struct{}

	slots map[string]*atomic.Uint32 // cartridge slot -> SlotState
	asks  chan *ask                 // few people ask at the same time
	gate  *gate

	ticks    ticks
	emptyRev atomic.Uint64 // grows with every change of emptied

	mu      sync.Mutex // held for map operations only
	lags    map[string]pour.Lag
	emptied map[string]string // slot -> cartridge that ran dry
	locked  map[string]string // scope -> code of a lock-out

	kept []Fault // lock-outs of the process before; read when Run begins
}

// line is one carrier's valve with its meter.
type line struct {
	valve    string
	carrier  string
	id       string // of the meter
	meter    hal.FlowMeter
	perLitre float64
	shortest time.Duration // between two pulses that water can make
	mask     uint64
}

// stir is one agitator and its schedule.
type stir struct {
	id    string
	mask  uint64
	every time.Duration
	run   time.Duration
}

// New checks that rig, catalogue and planogram fit together. Nothing moves before Run.
func New(cfg Config, deps Deps) (*Machine, error) {
	if cfg.Limits == (recipe.Limits{}) {
		cfg.Limits = recipe.DefaultLimits()
	}
	if cfg.Lease <= 0 {
		cfg.Lease = 300 * time.Millisecond
	}
	if cfg.IdleTick <= 0 || cfg.IdleTick > 10*time.Millisecond {
		cfg.IdleTick = 5 * time.Millisecond
	}
	if cfg.GuardReply <= 0 {
		cfg.GuardReply = beat.Limit
	}
	for _, p := range deps.Rig.Parts() {
		if p.ID == hal.Master && cfg.SupplyMA == 0 {
			cfg.SupplyMA = p.SupplyMA
		}
	}
	cfg.Limits.SupplyMA = cfg.SupplyMA
	if cfg.Drain <= 0 {
		cfg.Drain = 5 * time.Second
	}
	m := &Machine{
		cfg: cfg, deps: deps, valves: map[string]uint64{}, meters: map[string]hal.FlowMeter{}, pumps: map[string]hal.Pump{},
		changed: make(chan struct{}, 1), ready: make(chan struct{}), stopped: make(chan struct{}), lags: map[string]pour.Lag{},
		emptied: map[string]string{}, slots: map[string]*atomic.Uint32{}, asks: make(chan *ask, 8), gate: newGate(),
		locked: map[string]string{},
	}
	if err := m.bind(); err != nil {
		return nil, err
	}
	m.plates = slices.Clone(m.parts)
	if err := m.bindService(); err != nil {
		return nil, err
	}
	if err := m.SetMenu(deps.Catalogue, deps.Planogram); err != nil {
		return nil, err
	}
	if deps.Lags != nil {
		lags, err := deps.Lags.Load()
		if err != nil {
			return nil, fmt.Errorf("load learned close lags: %w", err)
		}
		for v, l := range lags {
			m.lags[v] = l
		}
	}
	if err := m.loadLocks(); err != nil {
		return nil, err
	}
	m.state.Store(&shared{base: State{Fault: FaultStarting}})
	return m, nil
}

// bind finds the agent's parts in the rig.
func (m *Machine) bind() error {
	for _, p := range m.deps.Rig.Parts() {
		if pl, ok := m.cfg.Calibration[p.ID]; ok && p.Kind == hal.KindMeter {
			if !(pl > 0) {
				return &problem.Problem{Code: problem.CodeBadConfig, Where: p.ID, What: "the calibration is not a positive number of pulses per litre", Remedy: "calibrate the meter again"}
			}
			p.PulsesPerLitre = pl
		}
		m.parts = append(m.parts, p)
		m.cups = m.cups || p.Kind == hal.KindInterlock && p.Signal&hal.NoCup != 0
		if p.Kind == hal.KindSlot {
			m.slots[p.ID] = &atomic.Uint32{}
		}
		if p.Owner != hal.OwnerAgent {
			continue
		}
		if err := m.bindPart(p); err != nil {
			return fmt.Errorf("bind %s %s: %w", p.Kind, p.ID, err)
		}
	}
	m.bindLines()
	return nil
}

func (m *Machine) bindPart(p hal.Part) (err error) {
	var mask uint64
	switch p.Kind {
	case hal.KindValve:
		if mask, err = m.deps.Rig.Outputs().Bit(p.ID); err == nil {
			m.valves[p.ID] = mask
			m.all |= mask
		}
	case hal.KindAgitator:
		if mask, err = m.deps.Rig.Outputs().Bit(p.ID); err != nil {
			return err
		}
		m.all |= mask
		if s := m.cfg.SupplyMA; s > 0 && p.CurrentMA > s {
			return &problem.Problem{
				Code: problem.CodeBadConfig, Where: p.ID, What: fmt.Sprintf("the agitator draws %d mA of a supply of %d mA", p.CurrentMA, s),
				Remedy: "fit a stronger supply, and correct supply_ma in the rig file",
			}
		}
		if p.Every > 0 && p.For > 0 {
			m.stirs = append(m.stirs, stir{id: p.ID, mask: mask, every: p.Every, run: min(p.For, p.MaxOpen)})
		}
	case hal.KindMeter:
		m.meters[p.ID], err = m.deps.Rig.Meter(p.ID)
	case hal.KindPump:
		m.pumps[p.ID], err = m.deps.Rig.Pump(p.ID)
	}
	return err
}

// bindLines joins carriers' valves and meters.
func (m *Machine) bindLines() {
	var qmax int64
	for _, p := range m.parts {
		if p.ID == hal.Master {
			qmax = p.QMax
		}
	}
	for _, p := range m.parts {
		if p.Kind != hal.KindMeter || m.meters[p.ID] == nil {
			continue
		}
		l := line{id: p.ID, meter: m.meters[p.ID], perLitre: p.PulsesPerLitre, shortest: pour.Shortest(p.PulsesPerLitre, qmax)}
		for _, v := range m.parts {
			if v.Kind == hal.KindValve && v.Carrier != "" && slices.Contains(p.Serves, v.ID) {
				l.valve, l.carrier, l.mask = v.ID, v.Carrier, m.valves[v.ID]
			}
		}
		m.lines = append(m.lines, l)
	}
}

// SetMenu replaces catalogue and planogram for pours that start from now on.
func (m *Machine) SetMenu(c *beverage.Catalogue, p *beverage.Planogram) error {
	m.config.Lock()
	defer m.config.Unlock()
	l, err := recipe.Build(m.parts, p)
	if err != nil {
		return err
	}
	m.planogram = p
	m.menu.Store(&menu{catalogue: c, lineup: l})
	return nil
}

// Ready is closed when the control loop runs.
func (m *Machine) Ready() <-chan struct{} { return m.ready }

// Changed receives after State has changed: at once when the phase or a fault changes, at most 30 times a second for
// the volume. Signals coalesce; there is one reader.
func (m *Machine) Changed() <-chan struct{} { return m.changed }

// Run is the control loop; it returns when ctx ends and everything is shut, settled and recorded, or Config.Drain is
// over. It may be called once. On real hardware the caller locks the goroutine to its thread (runtime.LockOSThread)
// and raises its priority, as the Pacer of hal/linux expects.
func (m *Machine) Run(ctx context.Context) error {
	first := false
	m.begin.Do(func() { first = true })
	if !first {
		return fmt.Errorf("run machine: it already ran")
	}
	defer close(m.stopped)
	return m.run(ctx)
}
