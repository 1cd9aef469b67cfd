// Package guard holds the master valve: it lets go when anything stops. It is all there is in fountain-guard, apart
// from opening the rig, so it imports hal, beat and little else.
//
//	beat.Listener ──packets──► Run (one goroutine) ──Core.Decide──► MASTER by hal.Outputs
//	hal e-stop, leak ──────────┘        ├──► beat.Reply
//	                                    ├──► beat.LastFile, for the agent's recovery
//	                                    ├──► hal.Heart: edges for the one-shot that holds the valve supply
//	                                    └──► feeder ──► Dog (the kernel's watchdog)
//	                                            └─ask─► Ledger (own goroutine; the disk)
//
// Run owns the rig, the listener and the file. Its loop does not block and does not allocate.
//
// A guard that hangs loses the valve supply when the one-shot falls, and the machine when the watchdog bites. One that
// cannot read its inputs or cannot shut MASTER stops the heartbeat itself.
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

const (
	// tick is the loop's period: it adds at most this much to beat.Limit (DESIGN 3: shut ≤ 200 ms after the last beat).
	tick = 5 * time.Millisecond
	// resend is how often a MASTER that should be shut is shut again: a write that did not take is not the last word.
	resend = 100 * time.Millisecond
	// unshutLimit is how long the guard tries to shut a MASTER it cannot drive, before it ends: then the kernel lets go of
	// the line, and the watchdog runs on.
	unshutLimit = 250 * time.Millisecond
)

// Beats is the guard's end of the beat; *beat.Listener is the real one.
type Beats interface {
	Next() (beat.Event, beat.Packet)
	Reply(beat.Reply)
	Drop()
}

// Memory keeps the last beat for the agent's recovery; *beat.LastFile is the real one.
type Memory interface{ Put(*beat.Last) }

// Deps is what the guard works on. Rig must have been opened as hal.OwnerGuard; if it is a hal.Heart, it gets the beats
// of the heartbeat.
type Deps struct {
	Rig    hal.Rig
	Pacer  hal.Pacer
	Beats  Beats
	Memory Memory
	Log    *slog.Logger
	Dog    Dog    // nil: the board has no watchdog
	Resets Resets // nil: an agent that is down resets nothing
}

// Guard is the loop's state.
type Guard struct {
	deps   Deps
	core   *Core
	heart  hal.Heart // nil: the board has none
	feeder *feeder
	master uint64

	shutAt   time.Duration // when MASTER was last commanded shut; 0 = never
	unshut   time.Duration // since when MASTER cannot be shut; 0 = it can
	heartErr bool          // the last Beat of the heart failed
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
	g := &Guard{deps: deps, core: NewCore(limits), master: mask, feeder: newFeeder(deps.Dog, deps.Resets, deps.Log, deps.Pacer.Now())}
	g.heart, _ = deps.Rig.(hal.Heart)
	return g, nil
}

// Run guards until ctx ends, then shuts MASTER. It returns an error only when MASTER cannot be driven any more. Whoever
// holds the watchdog leaves it running then: the machine resets unless another guard takes over.
func (g *Guard) Run(ctx context.Context) (err error) {
	defer func() {
		g.core.Fail(g.deps.Pacer.Now(), beat.ReasonShutdown)
		if serr := g.deps.Rig.Safe(errors.New("guard stops")); serr != nil && err == nil && !errors.Is(serr, hal.ErrClosed) {
			err = fmt.Errorf("shut the master valve: %w", serr)
		}
		g.deps.Memory.Put(g.core.Last())
		g.deps.Beats.Reply(g.reply())
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
	if inputsErr == nil && g.unshut != 0 {
		inputsErr = hal.ErrGone // what cannot be shut is not opened
	}
	open := g.core.Decide(now, inputs, inputsErr, stalled)
	err := g.drive(now, open, was)
	if err == nil && inputsErr == nil && g.unshut == 0 {
		g.beat()
	}
	g.feeder.turn(now, beaten, g.unshut == 0 && (!open || g.core.Leased(now)))
	is := g.core.Last().MasterOpen
	if beaten || is != was {
		g.deps.Memory.Put(g.core.Last())
		g.deps.Beats.Reply(g.reply())
	}
	if is != was {
		g.tell(now, is)
	}
	return err
}

// drive makes MASTER what it shall be. An open one is renewed at every turn because of the HAL's dead-man; a shut one is
// shut again every now and then, and at every turn while that fails. The error says that MASTER is out of control.
func (g *Guard) drive(now time.Duration, open, was bool) error {
	out := g.deps.Rig.Outputs()
	if open {
		if err := out.Apply(g.master, g.master); err != nil {
			g.core.Fail(now, beat.ReasonHardware)
			return fmt.Errorf("drive the master valve: %w", err)
		}
		return nil
	}
	if !was && g.unshut == 0 && g.shutAt != 0 && now-g.shutAt < resend {
		return nil
	}
	err := out.Apply(g.master, 0)
	if err == nil {
		if g.unshut != 0 {
			g.deps.Log.Warn("master valve answers again", slog.Duration(logkey.Duration, now-g.unshut))
		}
		g.shutAt, g.unshut = now, 0
		return nil
	}
	g.core.Fail(now, beat.ReasonHardware)
	if g.unshut == 0 {
		g.unshut = now
		g.deps.Log.Error("master valve cannot be shut: heartbeat and watchdog are held back", slog.Any(logkey.Err, err))
	}
	if errors.Is(err, hal.ErrClosed) || now-g.unshut >= unshutLimit {
		return fmt.Errorf("shut the master valve: %w", err)
	}
	return nil
}

// beat tells the one-shot that the guard lives.
func (g *Guard) beat() {
	if g.heart == nil {
		return
	}
	err := g.heart.Beat()
	if (err != nil) == g.heartErr {
		return
	}
	g.heartErr = err != nil
	if g.heartErr {
		g.deps.Log.Error("heartbeat line cannot be driven: the valve supply falls", slog.Any(logkey.Err, err))
	} else {
		g.deps.Log.Info("heartbeat line is driven again")
	}
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

// reply is what the agent is told.
func (g *Guard) reply() beat.Reply {
	r := g.core.Reply()
	r.Unfed = g.feeder.unfed()
	return r
}
