package ingest

import (
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

// A cloud that came back from a backup asks for what the unit knows to be committed and the backup has not.
func TestRestoredCloudAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1), record("u1", "a", 2)))
		time.Sleep(time.Second) // committed
		s.says(wire.LedgerReport{"a": {Last: 5, Acked: 5}, "old": {Last: 3, Acked: 3}})
		i.Connected("u1")
		synctest.Wait()
		w := s.all()
		a, old := w[len(w)-1].ack["a"], w[len(w)-1].ack["old"]
		if a.Upto != 2 || a.Restore == 0 || old == nil || old.Upto != 0 || old.Restore == 0 {
			t.Fatalf("ledger %+v, %+v: want both logs asked again", a, old)
		}
		first := a.Restore

		// It follows, but has 3 no more and passes over it: asking again from there would never end.
		i.mustHandle(t, body("u1", record("u1", "a", 4), record("u1", "a", 5)))
		time.Sleep(time.Second)
		s.says(wire.LedgerReport{"a": {Last: 5, Acked: 5, Restore: first}, "old": {Last: 3, Acked: 0, Restore: old.Restore}})
		for range 3 {
			i.Connected("u1")
			time.Sleep(time.Hour)
		}
		w = s.all()
		if a := w[len(w)-1].ack["a"]; a.Restore != first || a.Upto != 2 || a.Seen != 5 {
			t.Fatalf("ledger %+v, want restore %d as before", a, first)
		}

		// Another restore, further back.
		m.mu.Lock()
		for key := range m.have {
			if key.Seq > 1 {
				delete(m.have, key)
			}
		}
		m.mu.Unlock()
		i.Connected("u1")
		time.Sleep(time.Minute)
		w = s.all()
		if a := w[len(w)-1].ack["a"]; a.Upto != 1 || a.Restore <= first {
			t.Fatalf("ledger %+v after another restore, want a restore after %d", a, first)
		}
	})
}

// The backup is of the time between the asking and the answer: the question is asked once more, though not at once.
func TestRestoredToBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1)))
		time.Sleep(time.Second)
		s.says(wire.LedgerReport{"a": {Last: 9, Acked: 9}})
		i.Connected("u1")
		time.Sleep(time.Second)
		w := s.all()
		first := w[len(w)-1].ack["a"].Restore
		s.says(wire.LedgerReport{"a": {Last: 9, Acked: 9, Restore: first}}) // it answered, and that is forgotten
		i.Connected("u1")
		time.Sleep(time.Minute)
		w = s.all()
		if a := w[len(w)-1].ack["a"]; a.Restore != first {
			t.Errorf("asked again at once: %+v", a)
		}
		time.Sleep(askAgainSoon)
		i.Connected("u1")
		time.Sleep(time.Minute)
		w = s.all()
		if a := w[len(w)-1].ack["a"]; a.Restore <= first {
			t.Errorf("never asked again: %+v", a)
		}
	})
}

// The report of a unit that has just connected comes a moment after the ledger was written for it.
func TestReportIsLookedAtLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1)))
		i.Connected("u1")
		time.Sleep(time.Second)
		s.says(wire.LedgerReport{"a": {Last: 9, Acked: 9}})
		time.Sleep(reportAfter)
		w := s.all()
		if a := w[len(w)-1].ack["a"]; a.Restore == 0 {
			t.Fatalf("ledger %+v, want it asked again", a)
		}
	})
}
