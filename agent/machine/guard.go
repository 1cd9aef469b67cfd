package machine

import (
	"time"

	"fountain/agent/beat"
	"fountain/agent/pour"
	"fountain/hal"
)

// guardSide is the loop's view of the guard.
type guardSide struct {
	link  GuardLink
	limit time.Duration // for an answer

	packet   beat.Packet
	salt     uint64        // sessions of this run come from it
	next     time.Duration // when the next beat is due
	reply    beat.Reply
	answered bool // ever
	alive    bool
	waiting  bool                      // a beat is unanswered
	waitTick uint64                    // the oldest
	sent     [unanswered]time.Duration // when, by tick
}

// unanswered is more than can be within a limit: one a period, and those that are urgent.
const unanswered = 64

// poll reads the guard's answers.
func (g *guardSide) poll(now time.Duration) {
	for range 8 { // more than ever queue in one tick
		r, ok, err := g.link.Poll()
		if err != nil {
			g.lost()
			return
		}
		if !ok {
			break
		}
		g.reply = r
		// An answer to a session that was left meanwhile shows that the guard lives, too: the patience with what was sent
		// since begins when it was sent.
		if g.waiting && r.Tick >= g.waitTick && r.Tick <= g.packet.Tick {
			g.alive, g.answered = true, true
			g.waiting, g.waitTick = r.Tick < g.packet.Tick, r.Tick+1
		}
	}
	if g.waiting && now-g.sent[g.waitTick%unanswered] > g.limit {
		g.lost()
	}
}

// lost forgets what was said before; the next answered beat brings the guard back.
func (g *guardSide) lost() {
	g.alive, g.waiting = false, false
	g.reply = beat.Reply{}
}

// send beats when it is due, or at once.
func (g *guardSide) send(now time.Duration, urgent bool) {
	if !urgent && now < g.next {
		return
	}
	g.next = now + beat.Period
	g.packet.Tick++
	if g.link.Send(g.packet) != nil {
		g.lost()
		return
	}
	g.sent[g.packet.Tick%unanswered] = now
	if !g.waiting {
		g.waiting, g.waitTick = true, g.packet.Tick
	}
}

// locks are the guard's safety inputs.
func (g *guardSide) locks() hal.Interlocks {
	var l hal.Interlocks
	if g.reply.EStop {
		l |= hal.EStop
	}
	if g.reply.Leak {
		l |= hal.Leak
	}
	return l
}

// said is the answer to beats of the present session.
func (g *guardSide) said() pour.Guard {
	if !g.alive || g.reply.Session != g.packet.Session {
		return pour.Guard{}
	}
	return pour.Guard{Open: g.reply.MasterOpen, Latched: g.reply.Latched, Reason: g.reply.Reason}
}

// rearm makes a new session: a guard that latched the old one opens MASTER only for another. The loop makes them itself,
// without asking the kernel: a bijection of a random start never repeats within a run, and the start differs per run.
func (g *guardSide) rearm() {
	for {
		g.salt += 0x9e3779b97f4a7c15
		z := g.salt
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		if z ^= z >> 31; z != 0 && z != g.packet.Session {
			g.packet.Session = z
			return
		}
	}
}
