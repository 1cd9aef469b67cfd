package agent

import (
	"context"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// commands is what the local API may do: start, beat and stop pours. Nothing else opens an output.
type commands struct{ a *Agent }

var _ apiserver.Pours = commands{}

// Start begins a pour. What a screen does not offer is not poured for a consumer either; a technician may try a line
// that was found dry.
func (c commands) Start(ctx context.Context, req api.StartPour) (api.Pour, error) {
	if len(req.Mix) == 1 && req.Mix[0].Share == 100 { // no mix: the drink itself
		req.Beverage, req.Mix = req.Mix[0].Beverage, nil
	}
	c.a.begins.Add(1)
	defer c.a.begins.Add(-1)
	if c.a.leaving.Load() { // before the board: what it leaves behind stands there
		return api.Pour{}, errEnding
	}
	if alarm, ok := c.a.board.Blocking(); ok && c.a.machine.State().Fault == "" { // else the machine says it better
		return api.Pour{}, &problem.Problem{Code: problem.CodeUnavailable, Where: alarm.Code(), What: alarm.What, Remedy: alarm.Remedy, Retry: true}
	}
	if most := c.a.cfg.Config.Pour.MaxML; most > 0 && float64(req.TargetUL) > most*1000 {
		return api.Pour{}, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "target_ul", What: ml(req.TargetUL) + " are more than this unit pours at once",
			Remedy: "ask for at most " + ml(int64(most*1000)),
		}
	}
	if req.Source == wire.SourceTouch {
		if err := c.a.sessions.keeps(); err != nil {
			return api.Pour{}, err
		}
		if err := c.offered(req); err != nil {
			return api.Pour{}, err
		}
	}
	if err := c.allowed(req); err != nil {
		return api.Pour{}, err
	}
	id, err := c.a.machine.Start(ctx, machine.StartRequest{
		Beverage: req.Beverage, Mix: req.Mix, TargetUL: req.TargetUL, Hold: req.Mode == api.ModeHold, Source: req.Source, TopOff: req.TopOff,
	})
	if err != nil {
		return api.Pour{}, err
	}
	if err := c.allowed(req); err != nil { // recalled while it began: whoever recalls looks for a pour after he has said so
		c.a.machine.Stop(id, pour.ReasonRecalled)
		return api.Pour{}, err
	}
	if len(req.Mix) > 0 {
		req.Beverage = beverage.MixID
	}
	c.a.view.started(api.Pour{
		ID: id, Beverage: req.Beverage, Mix: req.Mix, Mode: req.Mode, Source: req.Source, Phase: api.PhaseArming, TargetUL: req.TargetUL,
	})
	return c.a.view.Pour(id)
}

// offered refuses what no screen offers: a beverage that is blocked, alone or in a mix, and mixes where there are none.
func (c commands) offered(req api.StartPour) error {
	ids := []beverage.ID{req.Beverage}
	if len(req.Mix) > 0 {
		if !c.a.shown.Load().Mixes {
			return &problem.Problem{Code: problem.CodeUnavailable, Where: "mix", What: "this unit pours no mixes", Remedy: "choose one beverage; unit.mixes switches them on"}
		}
		ids = ids[:0]
		for _, p := range req.Mix {
			ids = append(ids, p.Beverage)
		}
	}
	c.a.view.mu.Lock()
	defer c.a.view.mu.Unlock()
	for _, id := range ids {
		if why := c.a.view.blocked[id]; why != "" {
			return &problem.Problem{
				Code: problem.CodeUnavailable, Where: string(id), What: "this beverage cannot be poured now: " + why,
				Remedy: "choose another one",
			}
		}
	}
	return nil
}

// allowed refuses what was recalled, to everybody.
func (c commands) allowed(req api.StartPour) error {
	id := c.a.menu.recalled(c.a.recalls.list, req.Beverage, req.Mix)
	if id == "" {
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeUnavailable, Where: string(id), What: "this beverage was recalled", Remedy: "choose another one; only the cloud lifts a recall",
	}
}

// Beat renews the lease.
func (c commands) Beat(id string) error { return c.a.machine.Beat(id) }

// Pause shuts a pour and keeps its count.
func (c commands) Pause(id string) error { return c.a.machine.Pause(id) }

// Resume lets a paused pour flow again.
func (c commands) Resume(id string) error { return c.a.machine.Resume(id) }

// Rinse rinses the nozzle for a consumer; not while somebody is logged in, whose hands may be under it.
func (c commands) Rinse(ctx context.Context) (string, error) {
	if err := c.a.sessions.keeps(); err != nil {
		return "", err
	}
	return c.a.machine.Rinse(ctx)
}

// Stop ends a pour or a rinse.
func (c commands) Stop(id, why string) error {
	if c.a.machine.StopRinse(id) {
		return nil
	}
	p, err := c.a.view.Pour(id)
	if err != nil {
		return err
	}
	reason := pour.ReasonStopped
	switch {
	case why == apiserver.StopLeaseLost:
		reason = pour.ReasonLeaseLost
	case why == api.StopScreenLost:
		reason = pour.ReasonScreenLost
	case p.Mode == api.ModeHold:
		reason = pour.ReasonReleased
	}
	c.a.machine.Stop(id, reason)
	return nil
}

// Pour is one pour.
func (c commands) Pour(id string) (api.Pour, error) { return c.a.view.Pour(id) }
