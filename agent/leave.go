package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/jobs"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// A unit is taken out of service:
//
//	person, job ──nothing unsent──► leaving.json ──► no pour begins ──► shadow unit: decommissioned ──► wipe ──► waits
//	                                                                        └── the cloud takes its certificate away
//
// The order makes every cut harmless: what was noted is finished by the next connection or the next process.

// A unit that has told the cloud waits for its answer. The cloud may have cut it off at once: so long off the line it goes
// without, and one that leaves and is refused so often goes anyway.
const (
	leaveRefused = 3
	leaveAnyway  = 10 * time.Minute
	leaveLook    = 5 * time.Second
)

// errLeft ends the session of a unit that leaves.
var errLeft = errors.New("the unit is decommissioned")

// leavingNow is what LeavingFile says; ok is false for a unit in service. A file that cannot be read just now decides
// nothing: what follows from it cannot be undone.
func (c *cloud) leavingNow() (l provision.Leaving, ok bool) {
	l, err := c.readLeaving()
	return l, err == nil
}

func (c *cloud) readLeaving() (provision.Leaving, error) {
	l, err := provision.ReadLeaving(c.dir())
	if err == nil || errors.Is(err, provision.ErrNone) {
		return l, err
	}
	c.a.log.Error("read whether the unit is decommissioned", slog.Any(logkey.Err, err))
	var damaged *problem.Problem
	if errors.As(err, &damaged) { // it leaves; a person has to look
		return l, nil
	}
	return l, err
}

// showLeaving lets the alarm stand that keeps pours from beginning.
func (c *cloud) showLeaving() {
	switch l, err := c.readLeaving(); {
	case err == nil:
		c.a.board.Set(alarm.Alarm{Name: alarm.Decommissioned, Evidence: fmt.Sprintf("%s by %s", l.At.UTC().Format(time.RFC3339), l.By)})
	case errors.Is(err, provision.ErrNone):
		c.a.board.Clear(alarm.Decommissioned, "")
	}
}

// awayFromService finishes what was begun and then waits as long as the unit is decommissioned. The error is ctx's.
func (c *cloud) awayFromService(ctx context.Context) error {
	for {
		l, ok := c.leavingNow()
		if !ok || !l.Told && !l.Wiped {
			return ctx.Err() // in service, or with a cloud to tell
		}
		if !l.Wiped {
			if err := provision.Wipe(c.dir()); err != nil {
				c.a.log.Error("decommission", slog.Any(logkey.Err, err))
				if err := sleep(ctx, time.Minute); err != nil {
					return err
				}
				continue
			}
			c.a.log.Warn("the unit is decommissioned, its identity is wiped", logkey.Thing, l.Thing)
			c.mu.Lock()
			c.name, c.cert, c.until = "", "", time.Time{}
			c.mu.Unlock()
		}
		c.set(cloudLeft, nil)
		c.a.view.bump()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.left:
		}
	}
}

// wakeLeaving says that LeavingFile has changed.
func (c *cloud) wakeLeaving() {
	c.showLeaving()
	wake(c.left)
}

// takeLeave tells the cloud, on one connection, that the unit leaves. A job that asked for it is reported first.
func (c *cloud) takeLeave(ctx context.Context, shadows *shadow.Mux) error {
	for {
		l, ok := c.leavingNow()
		if !ok {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-c.left:
			case <-time.After(leaveAnyway): // should it have been unreadable
			}
			continue
		}
		for end := time.Now().Add(time.Minute); c.a.jobs.Busy() && time.Now().Before(end); {
			if err := sleep(ctx, calmEvery); err != nil {
				return err
			}
		}
		client, err := shadows.Client(wire.UnitShadow)
		if err != nil {
			return err
		}
		if l.Asked.IsZero() {
			l.Asked = time.Now().UTC()
			if err := provision.Leave(c.dir(), l); err != nil {
				return err
			}
		}
		err = client.Report(ctx, map[string]bool{"decommissioned": true})
		if err != nil && !errors.Is(err, shadow.ErrLost) && ctx.Err() == nil {
			c.a.log.Warn("tell the cloud that the unit is decommissioned", slog.Any(logkey.Err, err))
			if err := sleep(ctx, calmEvery); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		l.Told = true
		if err := provision.Leave(c.dir(), l); err != nil {
			return err
		}
		c.endSession(errLeft)
		<-ctx.Done()
		return ctx.Err()
	}
}

// watchLeave ends the session of a unit that has said that it leaves and is not let in any more: its answer got lost.
func (c *cloud) watchLeave(ctx context.Context, link *mqttlink.Link, end context.CancelCauseFunc) {
	offline := time.Now()
	for {
		if err := sleep(ctx, leaveLook); err != nil {
			return
		}
		state := link.State()
		if state.Phase == mqttlink.Online {
			offline = time.Now()
		}
		refused := state.Refused >= leaveRefused
		if !refused && time.Since(offline) < leaveAnyway {
			continue
		}
		l, ok := c.leavingNow()
		if !ok || !refused && l.Asked.IsZero() {
			continue
		}
		l.Told = true
		if err := provision.Leave(c.dir(), l); err != nil {
			c.a.log.Error("decommission", slog.Any(logkey.Err, err))
			continue
		}
		end(errLeft)
		return
	}
}

// leaveService notes that the unit leaves. The caller holds pours back, and has made sure of those there are.
func (a *Agent) leaveService(by string, tell bool) error {
	l := provision.Leaving{Thing: a.cloud.thing(), By: by, At: time.Now().UTC(), Told: !tell}
	if err := provision.Leave(a.cloud.dir(), l); err != nil {
		return err
	}
	a.cloud.wakeLeaving()
	if !tell {
		a.cloud.endSession(errLeft)
	}
	return nil
}

// unsent counts pours that only this unit has.
func (a *Agent) unsent() uint64 {
	st := a.store.Stats()
	return st.Pending + uint64(st.Rejected)
}

// leaveDesk takes a unit out of service for a technician.
type leaveDesk struct{ a *Agent }

var _ apiserver.Leave = leaveDesk{}

// State tells whether the unit is in service.
func (d leaveDesk) State() api.Leaving {
	l, ok := d.a.cloud.leavingNow()
	out := api.Leaving{State: api.InService, Unsent: d.a.unsent()}
	switch {
	case !ok:
		return out
	case l.Wiped:
		out.State = api.Left
	default:
		out.State = api.Leaves
	}
	out.Thing, out.By, out.At = l.Thing, l.By, &l.At
	return out
}

// Leave begins it.
func (d leaveDesk) Leave(ctx context.Context, in api.Decommission) (api.Leaving, error) {
	err := d.leave(ctx, in)
	d.a.audit.noted(in.Person, "decommission", "", err)
	return d.State(), err
}

func (d leaveDesk) leave(ctx context.Context, in api.Decommission) error {
	a := d.a
	let, err := a.holdBack(ctx) // until the alarm stands
	if err != nil {
		return err
	}
	defer let()
	if _, ok := a.cloud.leavingNow(); ok {
		return &problem.Problem{Code: problem.CodeConflict, Where: "decommission", What: "the unit is decommissioned already, or on its way", Remedy: "see fountainctl status"}
	}
	if a.machine.Busy() || a.machine.State().Service != "" {
		return &problem.Problem{Code: problem.CodeBusy, Where: "decommission", What: "a pour or an operation is under way", Remedy: "wait for its end", Retry: true}
	}
	if n := a.unsent(); n > 0 && !in.KeepUnsent {
		return &problem.Problem{
			Code: problem.CodeUnsafe, Where: "decommission", What: fmt.Sprintf("%d pours are on this unit only", n),
			Remedy: "connect it and wait until they are confirmed; or export them (fountainctl store export) and say --keep-unsent: they stay in the store", Retry: true,
		}
	}
	named := a.cloud.thing() != ""
	if named && !in.Offline && !a.cloud.online() {
		return &problem.Problem{
			Code: problem.CodeUnreachable, Where: "decommission", What: "the cloud cannot be told: the unit is offline",
			Remedy: "connect it; or say --offline and take its certificate away in the cloud (fountain-cloud things decommission)", Retry: true,
		}
	}
	return a.leaveService(in.Person, named && !in.Offline)
}

// Return lets the unit be claimed again.
func (d leaveDesk) Return(_ context.Context, in api.Recommission) (api.Leaving, error) {
	err := provision.Return(d.a.cloud.dir())
	if errors.Is(err, provision.ErrNone) {
		err = &problem.Problem{Code: problem.CodeConflict, Where: "decommission --undo", What: "the unit is in service", Remedy: "there is nothing to undo"}
	}
	d.a.audit.noted(in.Person, "back in service", "", err)
	if err == nil {
		d.a.cloud.wakeLeaving()
	}
	return d.State(), err
}

// decommission is the job that takes the unit out of service once everything is sent.
type decommission struct{ a *Agent }

var _ jobs.Runner = decommission{}

// Check implements jobs.Runner.
func (decommission) Check(document json.RawMessage) error {
	_, err := wire.DecodeJob[wire.DecommissionJob](document)
	return err
}

// Limit implements jobs.Runner.
func (decommission) Limit() time.Duration { return 6 * time.Hour }

// Run implements jobs.Runner. The identity is wiped after the job was reported.
func (d decommission) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	a := d.a
	doc, err := wire.DecodeJob[wire.DecommissionJob](t.Document)
	if err != nil {
		return nil, err
	}
	for {
		n, left, err := d.leave(ctx, t, doc.KeepUnsent)
		if err != nil {
			return nil, err
		}
		if left {
			a.audit.note(byCloud(t), "decommission", "", "done")
			return map[string]string{"unsent": fmt.Sprint(n)}, nil
		}
		if err := sleep(ctx, calmEvery); err != nil {
			return map[string]string{"unsent": fmt.Sprint(n)}, err
		}
	}
}

// leave notes that the unit leaves, if nothing is unsent. What begins meanwhile is waited for and counted.
func (d decommission) leave(ctx context.Context, t *jobs.Task, keep bool) (unsent uint64, left bool, err error) {
	a := d.a
	if n := a.unsent(); n > 0 && !keep { // nobody is held back for as long as it takes to send them
		return n, false, nil
	}
	let, err := a.settle(ctx)
	if err != nil {
		return 0, false, err
	}
	defer let()
	n := a.unsent()
	if n > 0 && !keep {
		return n, false, nil
	}
	if _, ok := a.cloud.leavingNow(); ok {
		return n, true, nil
	}
	return n, true, a.leaveService(byCloud(t), true)
}
