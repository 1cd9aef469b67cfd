package guard

import (
	"testing"
	"time"

	"fountain/agent/beat"
)

// A connection that ends and one that begins within one turn of the loop are an end all the same: MASTER shuts, and the
// session is over.
func TestReconnectWithinOneTurnLatches(t *testing.T) {
	c := NewCore(Limits{MaxOpen: time.Minute, MaxVolumeUL: 1000})
	p := beat.Packet{Session: 1, WantMaster: true}
	c.Connect()
	c.Beat(time.Second, p)
	if !c.Decide(time.Second, 0, nil, false) {
		t.Fatal("MASTER did not open")
	}
	now := time.Second + tick
	c.Disconnect()
	c.Connect()
	c.Beat(now, p)
	if c.Decide(now, 0, nil, false) {
		t.Error("MASTER stays open over the end of the connection")
	}
	c.Beat(now+tick, p)
	if c.Decide(now+tick, 0, nil, false) || !c.Reply().Latched || c.Reply().Reason != beat.ReasonDisconnect {
		t.Errorf("the session goes on after its connection ended: %+v", c.Reply())
	}
	p.Session = 2
	c.Beat(now+2*tick, p)
	if !c.Decide(now+2*tick, 0, nil, false) {
		t.Error("a new session does not open MASTER")
	}
	// A session that was latched stays so after another one.
	c.Disconnect()
	c.Decide(now+3*tick, 0, nil, false)
	c.Connect()
	c.Beat(now+4*tick, beat.Packet{Session: 3})
	c.Decide(now+4*tick, 0, nil, false)
	c.Beat(now+5*tick, p)
	if c.Decide(now+5*tick, 0, nil, false) {
		t.Error("a latched session opened MASTER after another one had begun")
	}
}
