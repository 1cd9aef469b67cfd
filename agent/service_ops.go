package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// recentOps is how many ended operations GET /v1/service/ops/{id} still knows; all are in the service book.
const recentOps = 16

// ops is service work: it plans operations, notes them in the service book before they begin, and draws what follows from
// their reports.
//
//	Start ──► Plan ──► book.Begin (durable, locks out) ──► machine.StartService ──Done──► book.End ──► calibration,
//	                                                                                       lock-outs, levels, trail
//
// State it owns: the book, the operation under way, the last ended ones. All methods are safe for concurrent use.
type ops struct {
	a       *Agent
	book    *maintenance.Book
	recipes []*maintenance.Recipe
	lines   []maintenance.Line

	starting sync.Mutex     // held from planning until the machine has taken it on
	follows  sync.WaitGroup // goroutines that wait for an end

	mu      sync.Mutex
	live    *machine.Session     // until its end is entered in the book
	program *maintenance.Program // of live
	ended   map[string]api.Op
	order   []string
}

var _ apiserver.Ops = (*ops)(nil)

// openOps reads the service book, locks out what it says, and calibrates the machine.
func openOps(a *Agent) (*ops, error) {
	o := &ops{a: a, ended: map[string]api.Op{}, lines: a.linesInService()}
	var err error
	if o.recipes, err = maintenance.Recipes(); err != nil {
		return nil, err
	}
	if o.book, err = maintenance.OpenBook(a.store, o.lines, time.Now()); err != nil {
		return nil, err
	}
	if cut := o.book.Cut(); cut != nil {
		a.log.Warn("a service operation was cut short", slog.String(logkey.Session, cut.ID), slog.String(logkey.Action, cut.Kind),
			slog.String(logkey.Line, cut.Line), slog.String(logkey.Person, cut.Person))
		a.audit.note(cut.Person, cut.Kind, cut.Line, "interrupted by the end of the process")
	}
	if err := a.machine.SetCalibration(o.book.Factors()); err != nil {
		return nil, err
	}
	a.machine.SetLockedOut(o.book.LockedOut())
	return o, nil
}

// linesInService are the carriers' valves and meters, the agitators, and the pumps of the planogram's slots.
func (a *Agent) linesInService() []maintenance.Line {
	var out []maintenance.Line
	parts := map[string]hal.Part{}
	for _, p := range a.deps.Rig.Parts() {
		parts[p.ID] = p
		switch {
		case p.Owner != hal.OwnerAgent:
		case p.Kind == hal.KindValve && p.Carrier != "":
			out = append(out, maintenance.Line{ID: p.ID, Kind: p.Kind, Ingredient: p.Carrier})
		case p.Kind == hal.KindMeter, p.Kind == hal.KindAgitator:
			out = append(out, maintenance.Line{ID: p.ID, Kind: p.Kind})
		}
	}
	for _, s := range a.planogram.Slots {
		if p := parts[parts[s.Slot].Pump]; p.Kind == hal.KindPump {
			out = append(out, maintenance.Line{ID: p.ID, Kind: p.Kind, Ingredient: string(s.Ingredient), Slot: s.Slot})
		}
	}
	return out
}

// Start begins an operation.
func (o *ops) Start(ctx context.Context, req api.StartOp) (op api.Op, err error) {
	defer func() { o.a.opStarted(req, err) }()
	if !o.starting.TryLock() {
		return api.Op{}, busyOps()
	}
	defer o.starting.Unlock()
	o.a.begins.Add(1)
	defer o.a.begins.Add(-1)
	if o.a.leaving.Load() {
		return api.Op{}, errEnding
	}
	o.mu.Lock()
	live := o.live
	o.mu.Unlock()
	if live != nil {
		return api.Op{}, busyOps()
	}
	p, err := o.plan(ctx, req)
	if err == nil {
		err = o.recalled(p)
	}
	if err != nil {
		return api.Op{}, err
	}
	id := ulid.MustNew(ulid.Now(), rand.Reader) // crypto/rand does not fail
	work := maintenance.Work{
		ID: id.String(), Kind: p.Kind, Line: p.Line, Recipe: p.Recipe, Person: p.Person, Started: time.Now(), Scope: p.Scope, RinseUL: p.RinseUL,
	}
	if err := o.book.Begin(work); err != nil {
		return api.Op{}, &problem.Problem{
			Code: problem.CodeUnavailable, Where: req.Kind, What: "the service book cannot be written: " + err.Error(), Remedy: "check the state directory", Retry: true,
		}
	}
	o.lock()
	// The machine answers within moments; whoever left meanwhile must not leave an operation behind that the book says never
	// began: it ends for want of a lease.
	s, err := o.a.machine.StartService(context.WithoutCancel(ctx), id, p)
	if err != nil {
		if berr := o.book.NotBegun(work.ID); berr != nil {
			o.a.log.Error("take an operation back that was refused", slog.String(logkey.Session, work.ID), slog.Any(logkey.Err, berr)) // its lock-out stays
		}
		o.lock()
		return api.Op{}, err
	}
	o.mu.Lock()
	o.live, o.program = s, p
	o.mu.Unlock()
	o.enforce() // recalled while it began
	o.follows.Go(func() { o.follow(s) })
	return s.Op(), nil
}

// plan makes the program with what the unit knows now.
func (o *ops) plan(ctx context.Context, req api.StartOp) (*maintenance.Program, error) {
	u := maintenance.Unit{
		Parts: o.a.deps.Rig.Parts(), Factors: o.book.Factors(), Lags: map[string]time.Duration{}, Lines: o.lines, Recipes: o.recipes,
	}
	for v, l := range o.a.machine.Lags() {
		u.Lags[v] = l.Value()
	}
	switch req.Kind {
	case api.OpBrix:
		id, ul, err := maintenance.BrixTarget(req)
		if err == nil {
			u.Drink, err = o.a.machine.Plan(o.drinkOf(id, ul), ul)
		}
		if err != nil {
			return nil, err
		}
	case api.OpSelfTest:
		u.Given = o.atRest(ctx)
	}
	return maintenance.Plan(req, u)
}

// drinkOf is the beverage that a line names: itself, or for a slot or pump one whose largest dose comes from there.
func (o *ops) drinkOf(line beverage.ID, ul int64) beverage.ID {
	a := o.a
	part := a.scopes.parts[string(line)]
	if part.Kind != hal.KindSlot && part.Kind != hal.KindPump {
		return line
	}
	for _, it := range a.menu.items {
		p, err := a.machine.Plan(it.id, ul)
		if err != nil || len(p.Doses) == 0 {
			continue
		}
		most := slices.MaxFunc(p.Doses, func(x, y recipe.Dose) int { return cmp.Compare(x.Share, y.Share) })
		if most.Slot == part.ID || most.Pump == part.ID {
			return it.id
		}
	}
	return line
}

// atRest is what a self-test finds off the control loop: chips that answer, cartridges that can be read.
func (o *ops) atRest(ctx context.Context) []api.Evidence {
	found := func(what string, bad int) api.Evidence {
		return api.Evidence{What: what, Is: float64(bad), Max: 0, Unit: "found", OK: bad == 0}
	}
	health := o.a.machine.State().HealthNote
	out := []api.Evidence{found("parts that do not answer", len(health))}
	for _, f := range health {
		out = append(out, found(f.Part+": "+f.What, 1))
	}
	cartridges, err := o.a.slots.List(ctx)
	if err != nil {
		return append(out, found("cartridge slots cannot be listed: "+err.Error(), 1))
	}
	bad := 0
	for _, c := range cartridges {
		switch c.State {
		case "unreadable", "foreign", "wrong":
			bad++
			out = append(out, found("cartridge in "+c.Slot+" is "+c.State, 1))
		}
	}
	return append(out, found("cartridges that cannot be used", bad))
}

// follow waits for the end of an operation, enters it in the book and draws what follows from it.
func (o *ops) follow(s *machine.Session) {
	<-s.Done()
	r, op := s.Report(), s.Op()
	a := o.a
	for slot, ul := range r.Drawn {
		a.book.Draw(slot, ul)
	}
	if err := o.book.End(r); err != nil { // what was locked out stays so, what was calibrated is not in use
		a.log.Error("enter an operation in the service book", slog.String(logkey.Session, r.ID), slog.Any(logkey.Err, err))
		op.Outcome, op.Reason, op.Remedy = api.OpFailed, pour.ReasonJournal, "check the state directory, and begin again"
	} else if err := a.machine.SetCalibration(o.book.Factors()); err != nil {
		a.log.Error("calibrate", slog.String(logkey.Session, r.ID), slog.Any(logkey.Err, err))
		op.Outcome, op.Reason = api.OpFailed, maintenance.ReasonAbsurd
	}
	o.lock()
	a.log.Info("service operation ended", slog.String(logkey.Session, r.ID), slog.String(logkey.Action, r.Kind), slog.String(logkey.Line, r.Line),
		slog.String(logkey.State, op.Outcome), slog.String(logkey.Reason, op.Reason), slog.Int64(logkey.VolumeUL, r.WastedUL))
	a.opEnded(r.Person, op)
	o.mu.Lock()
	o.live = nil
	o.ended[op.ID] = op
	if o.order = append(o.order, op.ID); len(o.order) > recentOps {
		delete(o.ended, o.order[0])
		o.order = o.order[1:]
	}
	o.mu.Unlock()
	a.cared()
	if len(r.Drawn) > 0 {
		a.stockChanged()
	}
	a.view.bump()
}

// lock tells the machine what the book locks out.
func (o *ops) lock() {
	o.a.machine.SetLockedOut(o.book.LockedOut())
	o.a.cared()
}

// wait returns when the last operation is entered; the machine has ended before.
func (o *ops) wait() { o.follows.Wait() }

// session is the operation under way, if it has this id.
func (o *ops) session(id string) *machine.Session {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.live != nil && o.live.ID() == id {
		return o.live
	}
	return nil
}

// Op is an operation under way or a recent one. Its outcome shows when it is in the book.
func (o *ops) Op(id string) (api.Op, error) {
	if s := o.session(id); s != nil {
		op := s.Op()
		op.Outcome, op.Reason, op.Remedy = "", "", ""
		return op, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if op, ok := o.ended[id]; ok {
		return op, nil
	}
	return api.Op{}, &problem.Problem{
		Code: problem.CodeNotFound, Where: id, What: "there is no such operation, or it is long over", Remedy: "begin a new one",
	}
}

// over is what an ended or unknown operation answers to commands.
func (o *ops) over(id string) error {
	if _, err := o.Op(id); err != nil {
		return err
	}
	return &problem.Problem{Code: problem.CodeConflict, Where: id, What: "this operation has ended", Remedy: "begin a new one"}
}

// Beat renews the lease.
func (o *ops) Beat(id string) error {
	s := o.session(id)
	if s == nil {
		return o.over(id)
	}
	s.Beat()
	return nil
}

// Answer answers the question of an operation.
func (o *ops) Answer(id string, ans api.Answer) (api.Op, error) {
	s := o.session(id)
	if s == nil {
		return api.Op{}, o.over(id)
	}
	if err := s.Answer(ans); err != nil {
		return api.Op{}, err
	}
	return o.Op(id)
}

// Stop ends an operation; one that has ended is left alone.
func (o *ops) Stop(id, reason string) error {
	if s := o.session(id); s != nil {
		s.Stop(reason)
		return nil
	}
	_, err := o.Op(id)
	return err
}

// Lines lists what is in service, with its history.
func (o *ops) Lines() ([]api.Line, error) { return o.book.Lines(), nil }

// Undo goes back to the calibration before the present one, in the machine too.
func (o *ops) Undo(line, person string) (l api.Line, err error) {
	defer func() { o.a.audit.noted(person, "undo calibration", line, err) }()
	if _, err := o.book.Line(line); err != nil {
		return api.Line{}, err
	}
	if err := o.book.Undo(line); err != nil {
		return api.Line{}, err
	}
	if err := o.a.machine.SetCalibration(o.book.Factors()); err != nil {
		return api.Line{}, fmt.Errorf("undo the calibration of %s: %w", line, err)
	}
	o.a.cared()
	return o.book.Line(line)
}

func busyOps() error {
	return &problem.Problem{Code: problem.CodeBusy, What: "a service operation is under way", Remedy: "wait until it has ended, or stop it", Retry: true}
}
