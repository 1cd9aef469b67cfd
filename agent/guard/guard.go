// Package guard holds the master valve: it lets go when anything stops. It is all there is in fountain-guard, apart
// from opening the rig, so it imports hal, beat and little else.
//
//	beat.Listener ──packets──► Run (one goroutine) ──Core.Decide──► MASTER by hal.Outputs
//	hal e-stop, leak ──────────┘        ├──► beat.Reply
//	                                    └──► beat.LastFile, for the agent's recovery
//
// Run owns the rig, the listener and the file. Its loop does not block and does not allocate.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/agent/beat"
	"fountain/hal"
	"fountain/internal/logkey"
)

// tick is the loop's period: it adds at most this much to beat.Limit (DESIGN 3: shut ≤ 200 ms after the last beat).
const tick = 5 * time.Millisecond

// Beats is the guard's end of the beat; *beat.Listener is the real one.
type Beats interface {
	Next() (beat.Event, beat.Packet)
	Reply(beat.Reply)
	Drop()
}

// Memory keeps the last beat for the agent's recovery; *beat.LastFile is the real one.
type Memory interface{ Put(*beat.Last) }

// Deps is what the guard works on. Rig must have been opened as hal.OwnerGuard.
type Deps struct {
	Rig    hal.Rig
	Pacer  hal.Pacer
	Beats  Beats
	Memory Memory
	Log    *slog.Logger
}

// Guard is the loop's state.
type Guard struct {
	deps   Deps
	core   *Core
	master uint64
}

// New finds MASTER in the rig. maxVolumeUL bounds one opening by the beat's count; 0 means DefaultMaxVolumeUL.
func New(deps Deps, maxVolumeUL int64) (*Guard, error) {
	mask, err := deps.Rig.Outputs().Bit(hal.Master)
	if err != nil {
		return nil, fmt.Errorf("find the master valve: %w", err)
	}
	limits := Limits{MaxVolumeUL: maxVolumeUL}
	if maxVolumeUL == 0 {
		limits.MaxVolumeUL = DefaultMaxVolumeUL
	}
	for _, p := range deps.Rig.Parts() {
		if p.ID == hal.Master {
			limits.MaxOpen = p.MaxOpen
		}
	}
	if limits.MaxOpen <= 0 {
		return nil, errors.New("the rig gives the master valve no max_open")
	}
	return &Guard{deps: deps, core: NewCore(limits), master: mask}, nil
}

// Run guards until ctx ends, then shuts MASTER. It returns an error only when MASTER cannot be driven any more.
func (g *Guard) Run(ctx context.Context) (err error) {
	defer func() {
		g.core.Fail(g.deps.Pacer.Now(), beat.ReasonShutdown)
		if serr := g.deps.Rig.Safe(errors.New("guard stops")); serr != nil && err == nil && !errors.Is(serr, hal.ErrClosed) {
			err = fmt.Errorf("shut the master valve: %w", serr)
		}
		g.deps.Memory.Put(g.core.Last())
		g.deps.Beats.Reply(g.core.Reply())
	}()
	prev := g.deps.Pacer.Now()
	for ctx.Err() == nil {
		now := g.deps.Pacer.Now()
		if err := g.step(now, now-prev > beat.Limit); err != nil {
			return err
		}
		prev = now
		g.deps.Pacer.SleepUntil(now + tick)
	}
	return nil
}

// step runs the loop once. After a stall, beats that queued up meanwhile prove nothing: the connection is dropped.
func (g *Guard) step(now time.Duration, stalled bool) error {
	was := g.core.Last().MasterOpen
	beaten := false
	if stalled {
		g.deps.Beats.Drop()
		g.core.Disconnect()
	}
	for range 16 { // more than ever queue in one tick; a flood must not hold the loop
		ev, p := g.deps.Beats.Next()
		if ev == beat.Nothing {
			break
		}
		switch ev {
		case beat.Connected:
			g.core.Connect()
		case beat.Lost:
			g.core.Disconnect()
		case beat.Beaten:
			g.core.Beat(now, p)
			beaten = true
		}
	}
	inputs, inputsErr := g.deps.Rig.Interlocks().Now()
	open := g.core.Decide(now, inputs, inputsErr, stalled)
	if open || was {
		if err := g.apply(open); err != nil {
			g.core.Fail(now, beat.ReasonHardware)
			return fmt.Errorf("drive the master valve: %w", err)
		}
	}
	changed := open != was
	if beaten || changed {
		g.deps.Memory.Put(g.core.Last())
		g.deps.Beats.Reply(g.core.Reply())
	}
	if changed {
		g.tell(now, open)
	}
	return nil
}

// apply drives MASTER; an open MASTER is renewed at every tick because of the HAL's dead-man.
func (g *Guard) apply(open bool) error {
	if open {
		return g.deps.Rig.Outputs().Apply(g.master, g.master)
	}
	return g.deps.Rig.Outputs().Apply(g.master, 0)
}

func (g *Guard) tell(now time.Duration, open bool) {
	l := g.core.Last()
	switch {
	case open:
		g.deps.Log.Debug("master open", slog.Uint64(logkey.Session, l.Packet.Session))
	case l.Reason == beat.ReasonNone:
		g.deps.Log.Debug("master shut", slog.Uint64(logkey.Session, l.Packet.Session))
	default:
		g.deps.Log.Warn("master shut by the guard", slog.String(logkey.Reason, l.Reason.String()),
			slog.Duration("since_beat", now-l.BeatAt), slog.Uint64(logkey.Session, l.Packet.Session))
	}
}
