package machine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// nominalULs is the flow that Intent.LagUL is given for.
const nominalULs = 75_000

// lease is one pour from Start to its record. Start fills it; afterwards the loop owns everything but the atomics.
type lease struct {
	id     string
	pour   [16]byte
	req    StartRequest
	drink  *beverage.Beverage // of the catalogue, or a mix
	plan   *recipe.Plan
	menu   *menu // it was computed from
	topped *ended
	intent Intent
	valve  uint64
	meter  hal.FlowMeter
	pumps  [recipe.MaxDoses]hal.Pump
	alts   [recipe.MaxDoses]hal.Pump          // nil: no second cartridge
	slots  [recipe.MaxDoses][2]*atomic.Uint32 // states of the slots drawn from
	lag    pour.Lag
	answer chan error    // capacity 1: the loop does not wait for Start
	over   chan struct{} // closed when it is recorded

	beats  atomic.Uint64
	want   atomic.Pointer[wish] // pause or resume
	stop   atomic.Pointer[string]
	begun  atomic.Pointer[receipt] // answers of the journal
	commit atomic.Pointer[receipt]
	live   live
}

// receipt is an answer of the journal.
type receipt struct {
	seq uint64
	err error
}

// Start begins a pour and returns its id. From then on the caller has to Beat. Errors are problems: those of
// recipe.Compute, CodeBusy while another pour is active or not yet recorded, CodeUnsafe when an interlock, the guard or
// a fault refuses, CodeUnavailable when the machine is not running.
func (m *Machine) Start(ctx context.Context, req StartRequest) (string, error) {
	switch req.Source {
	case wire.SourceTouch, wire.SourceService, wire.SourcePhone:
	default:
		return "", &problem.Problem{Code: problem.CodeBadRequest, Where: "source", What: fmt.Sprintf("%q is no source of a pour", req.Source), Remedy: "use touch, service or phone"}
	}
	select {
	case <-m.ready:
	default:
		return "", notRunning("the machine is still starting")
	}
	if !m.free() {
		return "", busy()
	}
	if m.service.Load() != nil {
		return "", inService()
	}
	l, err := m.newLease(req)
	if err != nil {
		return "", err
	}
	if m.deps.Ready != nil {
		slots := make([]string, len(l.plan.Doses))
		for i, d := range l.plan.Doses {
			slots[i] = d.Slot
		}
		if p := m.deps.Ready.Refuse(l.plan.Carrier.Ingredient, slots); p != nil {
			return "", p
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.gate.shut() // if another pour was quicker, its end lifts it
	if !m.current.CompareAndSwap(nil, l) {
		return "", busy()
	}
	select {
	case err := <-l.answer:
		if err != nil {
			return "", err
		}
		return l.id, nil
	case <-ctx.Done():
		l.requestStop(pour.ReasonReleased)
		return "", ctx.Err()
	case <-m.stopped:
		return "", notRunning("the machine is stopping")
	}
}

// free tells whether no pour is under way. One that has settled is waited for, for at most 100 ms: its record takes a
// flush and the loop lets go of it at the tick after, but whoever saw the record may start.
func (m *Machine) free() bool {
	for range 100 {
		l := m.current.Load()
		switch {
		case l == nil:
			return true
		case pour.Phase(l.live.phase.Load()) < pour.Done:
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return m.current.Load() == nil
}

// newLease computes everything the loop needs, on the caller's goroutine.
func (m *Machine) newLease(req StartRequest) (*lease, error) {
	menu := m.menu.Load()
	limits, topped, err := m.toppedOff(req)
	if err != nil {
		return nil, err
	}
	drink, err := req.drink(menu.catalogue)
	if err != nil {
		return nil, err
	}
	plan, err := recipe.ComputeOf(menu.catalogue, menu.lineup, stockView{m}, limits, drink, req.TargetUL, req.Hold)
	if err != nil {
		return nil, err
	}
	if err := m.refusesLine(plan); err != nil {
		return nil, err
	}
	now := time.Now()
	id := ulid.MustNew(ulid.Timestamp(now), rand.Reader) // crypto/rand does not fail
	l := &lease{
		id: id.String(), pour: id, req: req, drink: drink, plan: plan, menu: menu, topped: topped, answer: make(chan error, 1), over: make(chan struct{}),
		valve: m.valves[plan.Carrier.Valve], meter: m.meters[plan.Carrier.Meter], lag: m.lagOf(plan.Carrier.Valve),
	}
	if l.valve == 0 || l.meter == nil {
		return nil, notOurs(plan.Carrier.Valve)
	}
	for i, d := range plan.Doses {
		if l.pumps[i] = m.pumps[d.Pump]; l.pumps[i] == nil {
			return nil, notOurs(d.Pump)
		}
		l.slots[i][0] = m.slots[d.Slot]
		if d.Alt == nil {
			continue
		}
		if l.alts[i] = m.pumps[d.Alt.Pump]; l.alts[i] == nil {
			return nil, notOurs(d.Alt.Pump)
		}
		l.slots[i][1] = m.slots[d.Alt.Slot]
	}
	l.intent = Intent{
		Pour: l.id, Started: now, Beverage: plan.Beverage, Mix: req.Mix, TargetUL: plan.TargetUL, Source: req.Source, // the loop adds the session
		LagUL: int64(nominalULs * l.lag.Value().Seconds()), NominalULs: nominalULs, Hold: req.Hold, TopOff: req.TopOff,
		Catalogue: plan.Catalogue, MaxUL: plan.MaxUL,
		Parts: []IntentPart{{Ingredient: plan.Carrier.Ingredient, Share: plan.CarrierShare, Metered: true}},
	}
	for _, d := range plan.Doses {
		l.intent.Parts = append(l.intent.Parts, IntentPart{Ingredient: d.Ingredient, Cartridge: d.Cartridge, Share: d.Share})
	}
	return l, nil
}

// drink is what is asked for: a beverage of the catalogue, or a mix that its rules allow.
func (r StartRequest) drink(c *beverage.Catalogue) (*beverage.Beverage, error) {
	if len(r.Mix) == 0 {
		return recipe.Find(c, r.Beverage)
	}
	mix, err := beverage.Mix(c, r.Mix)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadRequest, Where: "mix", What: err.Error(), Remedy: "choose other beverages or shares"}
	}
	return &mix, nil
}

// source is the pump that a dose draws from, its slot and its name.
func (l *lease) source(i int, alt bool) (pump hal.Pump, slot, part string) {
	d := &l.plan.Doses[i]
	if alt {
		return l.alts[i], d.Alt.Slot, d.Alt.Pump
	}
	return l.pumps[i], d.Slot, d.Pump
}

// release lets the next pour begin and bulk work go on.
func (m *Machine) release() {
	m.current.Store(nil)
	m.gate.lift()
}

// Beat renews the lease of the active pour or rinse. CodeNotFound when id is neither.
func (m *Machine) Beat(id string) error {
	if l := m.current.Load(); l != nil && l.id == id {
		l.beats.Add(1)
		return nil
	}
	if r := m.rinse.Load(); r != nil && r.id == id {
		r.beats.Add(1)
		return nil
	}
	return notActive(id)
}

// Stop ends the active pour; the valves are commanded shut within 20 ms. The reason goes into the record: one of pour's
// reasons, or a word of the caller's. A pour that has ended already is left alone.
func (m *Machine) Stop(id, reason string) {
	if l := m.current.Load(); l != nil && l.id == id {
		l.requestStop(reason)
	}
	m.StopRinse(id)
}

func (l *lease) requestStop(reason string) {
	if reason == "" {
		reason = pour.ReasonStopped
	}
	l.stop.CompareAndSwap(nil, &reason)
}

// ClearFault ends every lock-out without a look at its cause; ClearLockout looks. What is still wrong comes back.
func (m *Machine) ClearFault() { m.clear.Store(true) }

// Refilled says that the cartridge in a slot is good again although its id has not changed.
func (m *Machine) Refilled(slot string) {
	m.mu.Lock()
	delete(m.emptied, slot)
	m.mu.Unlock()
	m.emptyRev.Add(1)
}

// Lags returns the learned close lags by valve.
func (m *Machine) Lags() map[string]pour.Lag {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.lags)
}

func (m *Machine) lagOf(valve string) pour.Lag {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lags[valve]
}

func (m *Machine) emptySlots() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.emptied))
}

// stockView is the Stock without cartridges that must not be used: found empty, pulled, barred, or their slot locked out.
type stockView struct{ m *Machine }

var _ recipe.AllSources = stockView{}

// Source names the first slot to draw from.
func (v stockView) Source(ing beverage.IngredientID, needUL int64) (recipe.Source, bool) {
	all := v.Sources(ing, needUL)
	if len(all) == 0 {
		return recipe.Source{}, false
	}
	return all[0], true
}

// Sources lists the slots to draw from.
func (v stockView) Sources(ing beverage.IngredientID, needUL int64) []recipe.Source {
	var all []recipe.Source
	if s, ok := v.m.deps.Stock.(recipe.AllSources); ok {
		all = s.Sources(ing, needUL)
	} else if src, ok := v.m.deps.Stock.Source(ing, needUL); ok {
		all = []recipe.Source{src}
	}
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	return slices.DeleteFunc(all, func(src recipe.Source) bool {
		if st, ok := v.m.slots[src.Slot]; ok && SlotState(st.Load()) != SlotOK {
			return true
		}
		if _, ok := v.m.locked[src.Slot]; ok {
			return true
		}
		dry, found := v.m.emptied[src.Slot]
		if found && dry != src.Cartridge {
			delete(v.m.emptied, src.Slot) // another cartridge sits there now
			v.m.emptyRev.Add(1)
			found = false
		}
		return found
	})
}

func newSession() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // crypto/rand does not fail
		if s := binary.LittleEndian.Uint64(b[:]); s != 0 {
			return s
		}
	}
}

func busy() error {
	return &problem.Problem{Code: problem.CodeBusy, What: "a pour is already under way", Remedy: "wait until it has ended", Retry: true}
}

func notRunning(what string) error {
	return &problem.Problem{Code: problem.CodeUnavailable, What: what, Remedy: "try again in a moment", Retry: true}
}

func notOurs(part string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: part, What: "the agent does not own this part", Remedy: "write owner: agent in the rig file"}
}

// refusals says in words why Start refuses, by fault.
var refusals = map[string][2]string{
	pour.ReasonEStop:     {"the emergency stop is pressed", "release it when it is safe"},
	pour.ReasonLeak:      {"there is water in the base of the machine", "find the leak and dry the base"},
	pour.ReasonDoor:      {"the service door is open", "close it"},
	pour.ReasonTrayFull:  {"the drip tray is full", "empty it"},
	pour.ReasonInterlock: {"the safety inputs cannot be read", "check the wiring"},
	pour.ReasonGuardGone: {"the guard does not answer", "check that fountain-guard runs"},
	pour.ReasonRigLost:   {"the hardware does not answer", "check the rig and its connections"},
	pour.ReasonStuckOpen: {"a valve did not shut", "have a technician check the valve, then clear the fault"},
	pour.ReasonJournal:   {"pours cannot be recorded", "check the state directory"},
	FaultFlow:            {"water flows although every valve is shut", "shut the water supply and call a technician"},
	FaultStarting:        {"the machine is still starting", "try again in a moment"},
	FaultNoCup:           {"there is no cup under the nozzle", "put a cup there"},
	CodeNoWater:          {"there is no water", "open the water supply"},
	CodeNoCO2:            {"there is no CO2 for sparkling drinks", "change the CO2 bottle, or choose a still drink"},
	CodeCarbonating:      {"the soda is being made", "try again in a moment, or choose a still drink"},
}

// refusal is the problem that goes with a fault.
func refusal(fault string) error {
	words, ok := refusals[fault]
	if !ok {
		words = [2]string{"the machine is out of order: " + fault, "call a technician"}
	}
	return &problem.Problem{
		Code: problem.CodeUnsafe, Where: fault, What: words[0], Remedy: words[1],
		Retry: fault != pour.ReasonStuckOpen && fault != pour.ReasonJournal && fault != FaultFlow,
	}
}
