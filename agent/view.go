package agent

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/build"
	"fountain/internal/problem"
	"fountain/internal/units"
	"fountain/sync/wire"
)

// Limits of what the view remembers.
const (
	recentPours   = 64 // ended pours that GET /v1/pours/{id} still knows
	favouriteDays = 28
	favouriteMost = 8
	uiAliveFor    = 10 * time.Second // a screen says so every few seconds
	dryAfter      = 2                // pours in a row without water make a line dry
	dryFor        = 5 * time.Minute  // then it is offered again: the next pour finds out
)

// view composes what screens and technicians see out of the machine, the inventory, the alarms and the cloud.
//
//	machine.Changed, board.Changed, link.Changed, recorded, stockChanged ──► run ──► Changed() closes, rev grows
//
// State it owns: recent pours, what is blocked, dry carriers. All methods are safe for concurrent use.
type view struct {
	a *Agent

	mu      sync.Mutex
	rev     uint64
	changed chan struct{}
	blocked map[beverage.ID]string // replaced as a whole
	favours []beverage.ID          // replaced as a whole
	hour    int                    // of the venue's day that they were weighed in
	dry     map[beverage.IngredientID]dryness
	recent  map[string]api.Pour
	order   []string // of recent, oldest first
	seen    seen     // of the machine, when the alarms were judged last

	stocking sync.Mutex // one restock at a time
}

// seen is what of the machine's state alarms depend on.
type seen struct {
	fault  string
	locks  hal.Interlocks
	faults int
	unfed  bool
	active bool
}

type dryness struct {
	misses int
	until  time.Time
}

var _ apiserver.Unit = (*view)(nil)

func newView(a *Agent) *view {
	v := &view{a: a, changed: make(chan struct{}), dry: map[beverage.IngredientID]dryness{}, recent: map[string]api.Pour{}}
	for _, r := range a.startup { // who held them asks what became of them
		v.remember(asPour(r))
	}
	v.restock()
	return v
}

// run turns the changes of the parts into one.
func (v *view) run(ctx context.Context) error {
	again := time.NewTicker(time.Second) // a line that was dry is offered again, a favourite ages: nobody signals that
	defer again.Stop()
	judged := ^uint64(0) // revision of the board that blocked follows
	for {
		board, cloud := v.a.board.Changed(), v.a.cloud.changed()
		select {
		case <-ctx.Done():
			return nil
		case <-v.a.machine.Changed():
			v.follow()
		case <-board:
		case <-cloud:
		case <-again.C:
			turned := v.turned()
			if turned {
				v.restock()
			}
			if !v.expire() && !turned && v.a.board.Rev() == judged {
				continue
			}
		}
		if rev := v.a.board.Rev(); rev != judged { // whoever woke us: a change that came with another one counts
			judged = rev
			v.restock()
		}
		v.bump()
	}
}

// follow lets the alarms be judged when more of the machine than a volume has changed.
func (v *view) follow() {
	st := v.a.machine.State()
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := (seen{st.Fault, st.Interlocks, len(st.Faults), st.Unfed, st.Phase.Active()}); now != v.seen {
		v.seen = now
		v.a.look()
	}
}

func (v *view) bump() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rev++
	close(v.changed)
	v.changed = make(chan struct{})
}

// Changed is closed at the next change.
func (v *view) Changed() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

// recorded takes in a record that was just stored.
func (v *view) recorded(r *wire.Record) {
	p := asPour(r)
	v.mu.Lock()
	p.Mode = v.recent[r.ID].Mode
	v.remember(p)
	c := v.a.menu.carrier(beverage.ID(r.Beverage), r.Mix)
	switch {
	case r.Reason == pour.ReasonNoFlow:
		v.dry[c] = dryness{misses: v.dry[c].misses + 1, until: time.Now().Add(dryFor)}
	case r.CountedUL > 0:
		delete(v.dry, c)
	}
	v.mu.Unlock()
	v.stockChanged()
}

// asPour is an ended pour by its record.
func asPour(r *wire.Record) api.Pour {
	p := api.Pour{
		ID: r.ID, Beverage: beverage.ID(r.Beverage), Source: r.Source, Phase: api.PhaseDone, TargetUL: r.TargetUL,
		PouredUL: r.CountedUL + r.EstimatedUL, Outcome: string(r.Outcome), Reason: r.Reason, Seq: r.Seq,
	}
	for _, s := range r.Mix {
		p.Mix = append(p.Mix, api.MixPart{Beverage: beverage.ID(s.Beverage), Share: s.Share})
	}
	if raw, err := json.Marshal(r); err == nil { // it was encoded a moment ago
		p.Record = json.RawMessage(raw)
	}
	return p
}

// failed notes a pour that gets no record.
func (v *view) failed(id string) {
	v.mu.Lock()
	p := v.recent[id]
	p.ID, p.Phase, p.Outcome, p.Reason = id, api.PhaseDone, string(wire.Faulted), pour.ReasonJournal
	v.remember(p)
	v.mu.Unlock()
	v.bump()
}

// started notes a pour that the machine took on and may not have published yet.
func (v *view) started(p api.Pour) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.recent[p.ID]; !ok { // else it is over already
		v.remember(p)
	}
}

func (v *view) remember(p api.Pour) {
	if _, ok := v.recent[p.ID]; !ok {
		v.order = append(v.order, p.ID)
	}
	v.recent[p.ID] = p
	for len(v.order) > recentPours {
		delete(v.recent, v.order[0])
		v.order = v.order[1:]
	}
}

// current composes the machine's pour; nil before the first.
func (v *view) current(s machine.State) *api.Pour {
	if s.Pour == "" {
		return nil
	}
	p := api.Pour{
		ID: s.Pour, Beverage: s.Beverage, Mix: s.Mix, Mode: api.ModePortion, Source: s.Source, TargetUL: s.TargetUL, PouredUL: s.PouredUL,
		Outcome: string(s.Outcome), Reason: s.Reason, Seq: s.Seq,
	}
	if s.Hold {
		p.Mode = api.ModeHold
	}
	v.mu.Lock()
	ended, ok := v.recent[s.Pour]
	v.mu.Unlock()
	switch {
	case ok && ended.Phase == api.PhaseDone:
		return &ended
	case s.Phase == pour.Arm:
		p.Phase = api.PhaseArming
	case s.Phase == pour.Lead, s.Phase == pour.Flow, s.Phase == pour.Tail:
		p.Phase = api.PhaseFlowing
	case s.Phase == pour.Paused:
		p.Phase, p.Pause = api.PhasePaused, s.Pause
	default: // settling, or settled and not recorded yet
		p.Phase = api.PhaseSettling
	}
	return &p
}

// reasonService is why a unit in the hands of its crew does not pour.
const reasonService = "service"

// state is the unit's state and why, if it does not pour.
func (v *view) state(s machine.State) (unit, reason string) {
	switch blocking, blocked := v.a.board.Blocking(); {
	case s.Busy && s.Fault == pour.ReasonJournal: // a pour that waits for its record for too long pours nothing any more
		return api.UnitOutOfOrder, s.Fault
	case s.Phase.Active(), s.Busy:
		return api.UnitPouring, ""
	case s.Service != "", v.a.sessions.open():
		return api.UnitOutOfOrder, reasonService
	case s.Fault == machine.FaultStarting, !v.a.stocked.Load() && time.Since(v.a.started) < tagPatience:
		return api.UnitStarting, ""
	case s.Fault != "" && s.Fault != machine.FaultNoCup:
		return api.UnitOutOfOrder, s.Fault
	case blocked:
		return api.UnitOutOfOrder, blocking.Code()
	}
	return api.UnitReady, ""
}

// Snapshot is everything a screen needs.
func (v *view) Snapshot() api.Snapshot {
	m := v.a.machine.State()
	s := api.Snapshot{
		Cup: m.Cup, Rinsing: m.Rinsing, Pour: v.current(m), Alarms: v.alarms(), Online: v.a.cloud.online(), Catalogue: v.a.catalogue.Digest,
		Interlocks: []string{}, Sizes: v.a.sizes(),
	}
	v.a.screen(&s)
	if m.Interlocks != 0 {
		s.Interlocks = strings.Split(m.Interlocks.String(), ",")
	}
	s.Unit, s.Reason = v.state(m)
	if o, ok := v.a.machine.TopOff(); ok && s.Unit == api.UnitReady && s.Pour != nil && s.Pour.Phase == api.PhaseDone {
		s.Pour.TopOffID, s.Pour.TopOffUL, s.Pour.TopOffMS, s.Pour.FoamMS = o.Pour, o.UL, o.Left.Milliseconds(), o.Foam.Milliseconds()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Rev, s.Blocked, s.Favourites = v.rev, maps.Clone(v.blocked), slices.Clone(v.favours)
	return s
}

// screen fills in what the configuration says about the screen.
func (a *Agent) screen(s *api.Snapshot) {
	u := a.shown.Load()
	s.Language, s.Languages, s.Units, s.Phone, s.Mixes, s.Speech = u.Language, []string{}, u.Units, u.PhoneURL, u.Mixes, u.Speech
	s.PanelMM.W, s.PanelMM.H = u.Panel()
	if len(u.Languages) > 0 && !slices.Contains(u.Languages, u.Language) {
		s.Languages = append(s.Languages, u.Language)
	}
	s.Languages = append(s.Languages, u.Languages...)
}

// sizes are the configured cups.
func (a *Agent) sizes() []api.Size {
	out := make([]api.Size, len(a.cfg.Config.Pour.Sizes))
	for i, s := range a.cfg.Config.Pour.Sizes {
		out[i] = api.Size{ID: s.ID, UL: int64(units.FromMillilitres(s.ML))}
	}
	return out
}

func (v *view) alarms() []api.Alarm {
	out := []api.Alarm{} // never null
	for _, l := range v.a.board.List() {
		out = append(out, api.Alarm{Name: l.Name.String(), Severity: string(l.Severity), Scope: l.Scope, What: l.What, Evidence: l.Evidence, Remedy: l.Remedy, Since: l.Since})
	}
	return out
}

// blockedNow is what cannot be poured and why; nobody changes it.
func (v *view) blockedNow() map[beverage.ID]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.blocked
}

// Brands lists every brand.
func (v *view) Brands() []api.Brand {
	state, reason := v.state(v.a.machine.State())
	unit := ""
	if state == api.UnitOutOfOrder || state == api.UnitStarting {
		unit = state
		if reason != "" {
			unit = reason
		}
	}
	return v.a.menu.brands(v.blockedNow(), unit)
}

// Catalogue is the catalogue in use.
func (v *view) Catalogue() ([]byte, string) { return v.a.body, v.a.catalogue.Digest }

// UIAlive notes that the screen drew a frame.
func (v *view) UIAlive() { v.a.uiAlive.Store(time.Now().UnixNano()) }

// Status is the unit for a technician.
func (v *view) Status() api.Status {
	m := v.a.machine.State()
	st := v.a.store.Stats()
	s := api.Status{
		Version: build.Version, Thing: v.a.cloud.thing(), Serial: v.a.serial, Rig: v.a.cfg.Rig, StartedAt: v.a.started,
		UIAlive: time.Since(time.Unix(0, v.a.uiAlive.Load())) < uiAliveFor, Master: "shut",
		Store:  api.Store{Log: st.Log, Last: st.Last, Acked: st.Acked, Segments: st.Segments, Damaged: st.Damaged},
		Cloud:  v.a.cloud.status(),
		Alarms: v.alarms(),
	}
	s.Cloud.Backlog = st.Pending
	if m.MasterOpen {
		s.Master = "open"
	}
	s.Unit, s.Reason = v.state(m)
	return s
}

// Pour is the active pour or a recent one.
func (v *view) Pour(id string) (api.Pour, error) {
	if p := v.current(v.a.machine.State()); p != nil && p.ID == id {
		return *p, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if p, ok := v.recent[id]; ok {
		return p, nil
	}
	return api.Pour{}, &problem.Problem{
		Code: problem.CodeNotFound, Where: id, What: "there is no such pour, or it is long over", Remedy: "its record is in the store and in the cloud",
	}
}
