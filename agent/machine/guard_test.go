package machine

import (
	"testing"
	"time"

	"fountain/agent/beat"
)

// A pour begins with a new session. The guard's patience and the agent's are both for a beat: an answer to the session
// before shows that the guard lives, and what was sent since has its own 150 ms.
func TestPatienceIsForTheOldestUnansweredBeat(t *testing.T) {
	const ms = time.Millisecond
	link := &answers{}
	g := guardSide{link: link, limit: beat.Limit}
	g.rearm()
	g.send(0, false)
	old := g.packet
	g.rearm() // a pour begins
	g.send(90*ms, true)
	link.say(old.Session, old.Tick)
	g.poll(100 * ms)
	if g.poll(160 * ms); !g.alive {
		t.Error("gone 60 ms after it answered, 70 ms after the beat it still owes")
	}
	if g.said().Open {
		t.Error("an answer to another session counts for this one")
	}
	g.send(190*ms, false)
	if g.poll(239 * ms); !g.alive {
		t.Error("gone before its time")
	}
	if g.poll(241 * ms); g.alive {
		t.Error("a beat was owed for 151 ms")
	}
	// It comes back with an answer, and whoever answers everything lives for ever.
	for now := 250 * ms; now < 2*time.Second; now += 10 * ms {
		g.send(now, false)
		link.say(g.packet.Session, g.packet.Tick)
		if g.poll(now + 5*ms); !g.alive {
			t.Fatalf("gone at %v", now)
		}
	}
	// One that answers only every third beat owes none for 150 ms.
	for now, n := 2*time.Second, 0; now < 4*time.Second; now, n = now+50*ms, n+1 {
		g.send(now, true)
		if n%3 == 2 {
			link.say(g.packet.Session, g.packet.Tick)
		}
		if g.poll(now); !g.alive {
			t.Fatalf("gone at %v", now)
		}
	}
	// What nobody asked yet is no answer.
	link.say(g.packet.Session, g.packet.Tick+1)
	g.poll(4 * time.Second)
	if g.poll(5 * time.Second); g.alive {
		t.Error("kept alive by an answer to nothing")
	}
}

// answers is the guard's side of a link.
type answers struct{ list []beat.Reply }

func (a *answers) Send(beat.Packet) error { return nil }

func (a *answers) Poll() (beat.Reply, bool, error) {
	if len(a.list) == 0 {
		return beat.Reply{}, false, nil
	}
	r := a.list[0]
	a.list = a.list[1:]
	return r, true, nil
}

func (a *answers) say(session, tick uint64) {
	a.list = append(a.list, beat.Reply{Session: session, Tick: tick})
}
