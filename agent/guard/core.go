package guard

import (
	"time"

	"fountain/agent/beat"
	"fountain/hal"
)

// Limits bound one opening of MASTER.
type Limits struct {
	MaxOpen     time.Duration // from the rig file's max_open of MASTER
	MaxVolumeUL int64         // by the running count in the beat, µL
}

// DefaultMaxVolumeUL is the absolute bound of one pour, 1000 ml (spec/hal.md 6), with 5 % for the last pulses.
const DefaultMaxVolumeUL = 1_050_000

// Core is the guard's rule, without time or hardware of its own.
//
//	MASTER is open  ⇔  an agent is connected, its newest beat is at most beat.Limit old and wants it, its session is
//	                   not latched, no input is tripped and readable, and the opening is within Limits.
//
// Whatever else shuts MASTER latches the session: it stays shut until a beat with a new session wants it.
type Core struct {
	limits    Limits
	connected bool
	beaten    bool // a beat came on this connection
	cut       bool // a connection ended since the last Decide
	last      beat.Last
	openedAt  time.Duration
	latched   bool   // latchedAt holds a session
	latchedAt uint64 // the session latched last
	inputs    hal.Interlocks
}

// NewCore returns a core with MASTER shut.
func NewCore(l Limits) *Core { return &Core{limits: l} }

// Connect notes a new agent. It has to beat before anything opens.
func (c *Core) Connect() { c.connected, c.beaten = true, false }

// Disconnect notes that the agent's connection ended.
func (c *Core) Disconnect() { c.connected, c.cut = false, true }

// Beat notes a packet that arrived at now.
func (c *Core) Beat(now time.Duration, p beat.Packet) {
	if p.Session != c.last.Packet.Session {
		c.last.MasterShutAt = 0
	}
	c.beaten = true
	c.last.Packet, c.last.BeatAt = p, now
}

// Decide says whether MASTER shall be open now. inputsErr means the inputs cannot be read, stalled that the guard's
// own loop did not run for longer than beat.Limit.
func (c *Core) Decide(now time.Duration, inputs hal.Interlocks, inputsErr error, stalled bool) bool {
	c.inputs = inputs
	want := c.connected && c.beaten && c.last.Packet.WantMaster
	reason := c.refusal(now, inputs, inputsErr, stalled)
	c.cut = false
	switch {
	case reason != beat.ReasonNone && (want || c.last.MasterOpen):
		c.latched, c.latchedAt = true, c.last.Packet.Session
		c.shut(now, reason)
	case !want:
		c.shut(now, beat.ReasonNone)
	case c.latchedNow():
		// stays shut, for the reason that latched it
	case !c.last.MasterOpen:
		c.last.MasterOpen, c.last.Reason, c.last.MasterShutAt, c.openedAt = true, beat.ReasonNone, 0, now
	}
	return c.last.MasterOpen
}

func (c *Core) refusal(now time.Duration, inputs hal.Interlocks, inputsErr error, stalled bool) beat.Reason {
	open := c.last.MasterOpen
	switch {
	case inputsErr != nil:
		return beat.ReasonHardware
	case inputs&hal.EStop != 0:
		return beat.ReasonEStop
	case inputs&hal.Leak != 0:
		return beat.ReasonLeak
	case !c.connected, c.cut && open:
		return beat.ReasonDisconnect
	case stalled, c.beaten && now-c.last.BeatAt > beat.Limit:
		return beat.ReasonNoBeat
	case open && now-c.openedAt > c.limits.MaxOpen:
		return beat.ReasonTime
	case c.last.Packet.WantMaster && c.last.Packet.CountedUL > c.limits.MaxVolumeUL:
		return beat.ReasonVolume
	}
	return beat.ReasonNone
}

// Leased tells whether a live agent holds MASTER open: connected, with a beat at most beat.Limit old that wants it.
func (c *Core) Leased(now time.Duration) bool {
	return c.connected && c.beaten && c.last.Packet.WantMaster && now-c.last.BeatAt <= beat.Limit
}

// latchedNow tells whether the present session is latched.
func (c *Core) latchedNow() bool { return c.latched && c.latchedAt == c.last.Packet.Session }

// Fail notes that MASTER could not be driven, or that the guard stops, and latches.
func (c *Core) Fail(now time.Duration, reason beat.Reason) {
	c.latched, c.latchedAt = true, c.last.Packet.Session
	c.shut(now, reason)
}

func (c *Core) shut(now time.Duration, reason beat.Reason) {
	if c.last.MasterOpen {
		c.last.MasterOpen, c.last.MasterShutAt = false, now
		c.last.Reason = reason
		return
	}
	if reason != beat.ReasonNone {
		c.last.Reason = reason
	}
}

// Last is what goes into the last-beat file.
func (c *Core) Last() *beat.Last { return &c.last }

// Reply is the answer to the newest beat.
func (c *Core) Reply() beat.Reply {
	return beat.Reply{
		Session:    c.last.Packet.Session,
		Tick:       c.last.Packet.Tick,
		MasterOpen: c.last.MasterOpen,
		Latched:    c.latchedNow(),
		EStop:      c.inputs&hal.EStop != 0,
		Leak:       c.inputs&hal.Leak != 0,
		Reason:     c.last.Reason,
	}
}
