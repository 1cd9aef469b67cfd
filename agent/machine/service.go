package machine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// Session is one service operation: its program, run by the control loop under a lease as a pour is. All methods may be
// called from any goroutine.
//
//	StartService, Beat, Answer, Stop ──atomics──► control loop ──► maintenance.Run ──► outputs, strokes, MASTER
//	control loop ──Op by an atomic pointer, Done()──► whoever started it
type Session struct {
	id     string
	packet [16]byte
	prog   *maintenance.Program
	run    *maintenance.Run // the loop's
	bits   []uint64         // by channel; 0 for pumps
	pumps  []hal.Pump       // by channel; nil for others
	drives uint64           // agitators among bits
	meters []hal.FlowMeter
	sense  []hal.Sensor
	in     maintenance.Inputs
	start  time.Time
	answer chan error // capacity 1: the loop does not wait for StartService

	beats atomic.Uint64
	stop  atomic.Pointer[string]
	said  atomic.Pointer[answer]
	op    atomic.Pointer[api.Op]
	end   atomic.Pointer[maintenance.Report]
	done  chan struct{}
}

type answer struct {
	to api.Ask // the question it was given to
	a  api.Answer
}

// StartService begins an operation and returns when the control loop has taken it on. From then on the caller has to
// Beat, unless the program opens nothing. Errors are problems: CodeBusy beside a pour or another operation, CodeUnsafe
// when an interlock, the guard or a fault refuses, CodeUnavailable when the machine is not running.
func (m *Machine) StartService(ctx context.Context, id ulid.ULID, p *maintenance.Program) (*Session, error) {
	select {
	case <-m.ready:
	default:
		return nil, notRunning("the machine is still starting")
	}
	if m.current.Load() != nil {
		return nil, busy()
	}
	s, err := m.newSession(id, p)
	if err != nil {
		return nil, err
	}
	if !m.service.CompareAndSwap(nil, s) {
		return nil, inService()
	}
	select {
	case err := <-s.answer:
		if err != nil {
			return nil, err
		}
		return s, nil
	case <-ctx.Done():
		s.Stop(pour.ReasonStopped)
		return nil, ctx.Err()
	case <-m.stopped:
		return nil, notRunning("the machine is stopping")
	}
}

// bindService finds the parts that only service work uses.
func (m *Machine) bindService() error {
	m.drives, m.sensors = map[string]uint64{}, map[string]hal.Sensor{}
	for _, p := range m.plates {
		if p.Owner != hal.OwnerAgent {
			continue
		}
		var err error
		switch p.Kind {
		case hal.KindAgitator:
			m.drives[p.ID], err = m.deps.Rig.Outputs().Bit(p.ID)
		case hal.KindSensor:
			m.sensors[p.ID], err = m.deps.Rig.Sensor(p.ID)
		}
		if err != nil {
			return fmt.Errorf("bind %s %s: %w", p.Kind, p.ID, err)
		}
	}
	return nil
}

// newSession finds the program's parts.
func (m *Machine) newSession(id ulid.ULID, p *maintenance.Program) (*Session, error) {
	s := &Session{
		id: id.String(), packet: id, prog: p, run: maintenance.NewRun(p), start: time.Now(), answer: make(chan error, 1), done: make(chan struct{}),
		bits: make([]uint64, len(p.Chans)), pumps: make([]hal.Pump, len(p.Chans)),
	}
	for i, c := range p.Chans {
		switch c.Kind {
		case hal.KindPump:
			s.pumps[i] = m.pumps[c.ID]
		case hal.KindAgitator:
			s.bits[i] = m.drives[c.ID]
			s.drives |= s.bits[i]
		default:
			s.bits[i] = m.valves[c.ID]
		}
		if s.bits[i] == 0 && s.pumps[i] == nil {
			return nil, notOurs(c.ID)
		}
	}
	for _, mt := range p.Meters {
		meter := m.meters[mt.ID]
		if meter == nil {
			return nil, notOurs(mt.ID)
		}
		s.meters = append(s.meters, meter)
	}
	for _, x := range p.Sensors {
		sensor := m.sensors[x.ID]
		if sensor == nil {
			return nil, notOurs(x.ID)
		}
		s.sense = append(s.sense, sensor)
	}
	s.in = maintenance.Inputs{
		Meters: make([]hal.Count, len(s.meters)), Delivered: make([]uint64, len(p.Chans)), Sensors: make([]hal.Reading, len(s.sense)),
	}
	return s, nil
}

// ID is the operation's ULID.
func (s *Session) ID() string { return s.id }

// Beat renews the lease.
func (s *Session) Beat() { s.beats.Add(1) }

// Stop ends the operation; outputs are commanded shut within 20 ms. The first reason counts.
func (s *Session) Stop(reason string) { s.stop.CompareAndSwap(nil, &reason) }

// Op is the operation now.
func (s *Session) Op() api.Op { return *s.op.Load() }

// Done is closed when the operation has ended and everything is shut and counted. Report is there from then on.
func (s *Session) Done() <-chan struct{} { return s.done }

// Report is the ended operation; before Done it is empty.
func (s *Session) Report() maintenance.Report {
	if r := s.end.Load(); r != nil {
		return *r
	}
	return maintenance.Report{}
}

// Answer answers the question the operation waits on. CodeConflict when it asks nothing, CodeBadRequest when the figure
// is outside what can be.
func (s *Session) Answer(a api.Answer) error {
	ask := s.Op().Ask
	switch {
	case ask == nil:
		return &problem.Problem{Code: problem.CodeConflict, Where: s.id, What: "the operation asks nothing now", Remedy: "look at the operation again"}
	case ask.Kind == api.AskNumber && !(a.Number >= ask.Min && a.Number <= ask.Max):
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "number", What: fmt.Sprintf("%g %s cannot be", a.Number, ask.Unit),
			Remedy: fmt.Sprintf("enter %g to %g %s", ask.Min, ask.Max, ask.Unit),
		}
	}
	s.said.Store(&answer{*ask, a})
	return nil
}

func inService() error {
	return &problem.Problem{Code: problem.CodeBusy, What: "a service operation is under way", Remedy: "wait until it has ended, or stop it", Retry: true}
}

// serving is the loop's side of an operation.
type serving struct {
	session *Session
	ev      maintenance.Event
	fx      maintenance.Effects
	seen    uint64
	seenAt  time.Duration
	shownAt time.Duration
	deaf    bool // hardware did not obey
}

// acceptService takes the operation that StartService has prepared, or refuses it.
func (lo *loop) acceptService(now time.Duration, stopping bool) {
	s := lo.m.service.Load()
	if s == nil || s == lo.svc.session {
		return
	}
	err := lo.refusesService(now, s, stopping)
	if err != nil {
		lo.m.service.Store(nil)
		s.answer <- err
		return
	}
	lo.svc = serving{session: s, seen: s.beats.Load(), seenAt: now}
	lo.guard.packet.Pour = s.packet
	lo.stillStirs(now)
	lo.serviceEvent(now, maintenance.Begin)
	lo.showService(now, true)
	s.answer <- nil
}

// refusesService is why an operation cannot begin now.
func (lo *loop) refusesService(now time.Duration, s *Session, stopping bool) error {
	if stopping {
		return notRunning("the machine is stopping")
	}
	if lo.lease != nil || lo.m.current.Load() != nil {
		return busy()
	}
	fault := lo.fault(now)
	switch fault {
	// A full tray is asked to be emptied, a missing supply is what some work is about and ends a flow by itself, and nothing
	// here goes into the pour log.
	case "", pour.ReasonTrayFull, pour.ReasonJournal, CodeNoWater:
		return nil
	case pour.ReasonDoor: // who swaps a cartridge stands behind it; nothing flows before it is shut
		if s.prog.Steps[0].Do == maintenance.Confirm {
			return nil
		}
	case pour.ReasonStuckOpen:
		if s.prog.Stuck {
			return nil
		}
	}
	if s.prog.Idle {
		return nil
	}
	return refusal(fault)
}

// serveService runs the operation under way.
func (lo *loop) serveService(now time.Duration) {
	s := lo.svc.session
	if s == nil {
		return
	}
	if b := s.beats.Load(); b != lo.svc.seen {
		lo.svc.seen, lo.svc.seenAt = b, now
	} else if now-lo.svc.seenAt > lo.m.cfg.Lease && !s.prog.Idle {
		lo.stopService(now, pour.ReasonLeaseLost)
	}
	if reason := s.stop.Load(); reason != nil {
		lo.stopService(now, *reason)
	}
	if lo.locksErr != nil && gone(lo.locksErr) && !s.prog.Idle {
		lo.stopService(now, pour.ReasonRigLost)
	}
	said := s.said.Swap(nil)
	if said != nil {
		if op := s.op.Load(); op.Ask != nil && *op.Ask == said.to {
			lo.svc.ev.Answer = said.a
			lo.serviceEvent(now, maintenance.Answered)
		}
	}
	lo.serviceEvent(now, maintenance.Tick)
	if lo.svc.deaf {
		lo.svc.deaf = false
		lo.stopService(now, pour.ReasonRigLost)
	}
	lo.showService(now, said != nil)
	if s.run.Over() {
		lo.endService()
	}
}

// stopService ends the operation under way, if there is one. A loop that slept while nothing was open has done no harm:
// cleaner goes on standing in its line.
func (lo *loop) stopService(now time.Duration, reason string) {
	if s := lo.svc.session; s != nil && !s.run.Ending() && (reason != pour.ReasonLoopGap || s.run.Live()) {
		lo.svc.ev.Reason = reason
		lo.serviceEvent(now, maintenance.Stop)
	}
}

// serviceEvent runs one event through the rule and does what it says.
func (lo *loop) serviceEvent(now time.Duration, kind maintenance.EventKind) {
	s, ev := lo.svc.session, &lo.svc.ev
	in := &s.in
	for i, m := range s.meters {
		in.Meters[i] = m.Count()
	}
	for i, p := range s.pumps {
		if p != nil {
			in.Delivered[i] = p.Delivered()
		}
	}
	for i, x := range s.sense {
		in.Sensors[i] = x.Read()
	}
	in.Locks, in.LocksErr = lo.locks, lo.locksErr != nil
	in.Guard, in.Alive = lo.guard.said(), lo.guard.alive
	ev.Kind, ev.Now, ev.In = kind, now, in
	s.run.Handle(ev, &lo.svc.fx)
	for _, e := range lo.svc.fx.List {
		lo.doService(s, e)
	}
}

func (lo *loop) doService(s *Session, e maintenance.Effect) {
	out := lo.m.deps.Rig.Outputs()
	switch e.Action {
	case maintenance.Session:
		lo.guard.packet.Session = newSession()
	case maintenance.Master:
		lo.guard.packet.WantMaster, lo.urgent = e.On, true
	case maintenance.Open:
		lo.svc.deaf = out.Apply(s.bits[e.Chan], s.bits[e.Chan]) != nil || lo.svc.deaf
	case maintenance.Shut:
		lo.endedService(out.Apply(lo.m.all|s.drives, 0))
	case maintenance.Strokes:
		lo.svc.deaf = s.pumps[e.Chan].Dose(e.N, e.Every) != nil || lo.svc.deaf
	case maintenance.StopPumps:
		for _, p := range s.pumps {
			if p != nil && p.Stop() != nil {
				lo.svc.deaf = true
				if len(lo.runaway) < cap(lo.runaway) {
					lo.runaway = append(lo.runaway, p)
				}
			}
		}
	}
}

// endedService notes that hardware was told to stop and did not: it is told again every tick.
func (lo *loop) endedService(err error) {
	if err != nil {
		lo.unshut, lo.svc.deaf = true, true
	}
}

// showService publishes the operation: at once when its step or question changes, else ten times a second.
func (lo *loop) showService(now time.Duration, fresh bool) {
	s := lo.svc.session
	old := s.op.Load()
	if !fresh && old != nil && now-lo.svc.shownAt < 100*time.Millisecond && !s.run.Changed() {
		return
	}
	lo.svc.shownAt = now
	op := s.run.Op(s.id)
	s.op.Store(&op)
	lo.m.signal()
}

// endService lets go of an operation that is over.
func (lo *loop) endService() {
	s := lo.svc.session
	r := s.run.Report(s.id, s.start, time.Now())
	op := s.run.Op(s.id)
	s.op.Store(&op)
	s.end.Store(&r)
	lo.svc.session = nil
	lo.guard.packet.Pour = [16]byte{}
	lo.findings(s, r.Sound())
	lo.m.service.Store(nil)
	close(s.done)
	lo.m.signal()
}

// findings draws from an operation what concerns the unit: a valve that did not shut locks it out, and only the proof
// that this valve opens and shuts, twice, lets go.
func (lo *loop) findings(s *Session, sound []string) {
	if v := s.run.StuckValve(); v != "" {
		lo.lock(Fault{
			Scope: ScopeUnit, Code: pour.ReasonStuckOpen, Part: v,
			Evidence: fmt.Sprintf("in operation %s water went on through %s after it was told to shut; MASTER serves every line, so none can be opened", s.id, v),
		})
		return
	}
	if i := lo.find(ScopeUnit, pour.ReasonStuckOpen); i >= 0 && slices.Contains(sound, lo.faults[i].Part) {
		lo.drop(ScopeUnit, pour.ReasonStuckOpen)
	}
}

// abandonService refuses what was never taken on, and ends what did not settle in time: the rig is made safe next.
func (lo *loop) abandonService() {
	s := lo.m.service.Load()
	switch {
	case s == nil:
	case s != lo.svc.session:
		lo.m.service.Store(nil)
		s.answer <- notRunning("the machine is stopping")
	default:
		lo.endService()
	}
}
