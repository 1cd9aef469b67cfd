package linux

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/hal"
)

func newCounters(n int) *counters {
	c := &counters{}
	for i := range n {
		c.all, c.offsets = append(c.all, &counter{id: string(rune('a' + i))}), append(c.offsets, uint32(10+i))
	}
	return c
}

const ms = time.Millisecond

// ev is an event of line n with both of the kernel's numbers.
func ev(at time.Duration, n int, seq, lineSeq uint32) lineEvent {
	return lineEvent{timestamp: uint64(at), id: 1, offset: uint32(10 + n), seqno: seq, lineSeqno: lineSeq}
}

func TestCountsAreExact(t *testing.T) {
	c := newCounters(2)
	c.take([]lineEvent{ev(100*ms, 0, 1, 1), ev(105*ms, 1, 2, 1), ev(110*ms, 0, 3, 2), ev(117*ms, 0, 4, 3)})
	if got, want := c.all[0].Count(), (hal.Count{Pulses: 3, Last: 117 * ms, Period: 7 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := c.all[1].Count(), (hal.Count{Pulses: 1, Last: 105 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A contact that bounces gives one pulse; the next real one counts however short it is.
func TestBouncesAreNoPulses(t *testing.T) {
	c := newCounters(1)
	c.all[0].dead = 2 * ms
	for i, at := range []time.Duration{100 * ms, 100*ms + 300*time.Microsecond, 101 * ms, 103 * ms, 104 * ms, 106 * ms} {
		c.take([]lineEvent{ev(at, 0, uint32(i+1), uint32(i+1))})
	}
	if got, want := c.all[0].Count(), (hal.Count{Pulses: 3, Last: 106 * ms, Period: 3 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The buffer was full: each line's own number says what it lost, however many lines run.
func TestOverflowIsCountedByLine(t *testing.T) {
	c := newCounters(2)
	c.take([]lineEvent{ev(10*ms, 0, 1, 1), ev(11*ms, 1, 2, 1)})
	// 8 more of line 0 and 4 of line 1 were dropped; then one of each arrives.
	c.take([]lineEvent{ev(100*ms, 0, 15, 10), ev(101*ms, 1, 16, 6)})
	if got, want := c.all[0].Count(), (hal.Count{Pulses: 10, Lost: 8, Last: 100 * ms, Period: 10 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := c.all[1].Count(), (hal.Count{Pulses: 6, Lost: 4, Last: 101 * ms, Period: 18 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.settle()
	if n := c.low.Load() + c.high.Load(); n != 0 {
		t.Errorf("%d pulses are in doubt", n)
	}
}

// Two edges became one in the interrupt: with one meter running they were its.
func TestCoalescedPulsesOfTheOnlyRunner(t *testing.T) {
	c := newCounters(2)
	c.take([]lineEvent{ev(10*ms, 1, 1, 1)}) // long ago
	c.take([]lineEvent{ev(1000*ms, 0, 2, 1), ev(1010*ms, 0, 3, 2), ev(1030*ms, 0, 5, 3)})
	if got, want := c.all[0].Count(), (hal.Count{Pulses: 3, Last: 1030 * ms, Period: 20 * ms}); got != want {
		t.Errorf("before another line could explain it: %+v, want %+v", got, want)
	}
	c.settle()
	if got, want := c.all[0].Count(), (hal.Count{Pulses: 4, Lost: 1, Last: 1030 * ms, Period: 20 * ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := c.low.Load() + c.high.Load(); n != 0 {
		t.Errorf("%d pulses are in doubt", n)
	}
}

// With two running, nobody's count is touched, and the doubt is told.
func TestCoalescedPulsesOfTwoRunners(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		c := newCounters(2)
		c.take([]lineEvent{ev(1000*ms, 0, 1, 1), ev(1001*ms, 1, 2, 1), ev(1010*ms, 0, 4, 2), ev(1011*ms, 1, 5, 2)})
		if n := c.low.Load(); n != 0 {
			t.Errorf("%d: decided too early", n)
		}
		if quiet {
			c.settle()
		} else {
			c.take([]lineEvent{ev(1300*ms, 1, 6, 3), ev(1600*ms, 1, 7, 4)})
		}
		a, b := c.all[0].Count(), c.all[1].Count()
		if a.Lost+b.Lost != 0 || a.Pulses != 2 || c.low.Load() != 1 {
			t.Errorf("quiet %v: %+v, %+v, low %d", quiet, a, b, c.low.Load())
		}
	}
}

// The buffer was full while two ran, and one has stopped since: its drops are known only when it runs again.
func TestDropsOfAStoppedLine(t *testing.T) {
	c := newCounters(2)
	c.take([]lineEvent{ev(10*ms, 0, 1, 1), ev(11*ms, 1, 2, 1)})
	c.take([]lineEvent{ev(2000*ms, 0, 20, 12), ev(2010*ms, 0, 21, 13)}) // 10 of line 0 and 7 of line 1 were dropped
	c.settle()
	if a, n := c.all[0].Count(), c.low.Load(); a.Pulses != 13 || a.Lost != 10 || n != 7 {
		t.Errorf("%+v, low %d, want 13 with 10 lost, low 7", a, n)
	}
	c.take([]lineEvent{ev(9000*ms, 1, 22, 9)})
	if b, n := c.all[1].Count(), c.low.Load()+c.high.Load(); b.Pulses != 9 || b.Lost != 7 || n != 0 {
		t.Errorf("%+v, in doubt %d, want 9 with 7 lost", b, n)
	}
}

// Whatever the kernel drops, the account is complete once each line has been heard again: what is counted, less what is
// known to be too much, and what is known to lack are all edges.
func TestAccountIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(t, "lines")
		c := newCounters(n)
		var seq uint32
		lineSeq := make([]uint32, n)
		edges := make([]uint64, n)
		at := time.Second
		emit := func(line int, arrives, coalesced bool) {
			at += time.Duration(rapid.IntRange(1, 300).Draw(t, "gap")) * ms
			edges[line]++
			seq++
			if coalesced { // its interrupt ran, and the next one's thread speaks for both
				return
			}
			lineSeq[line]++
			if arrives {
				c.take([]lineEvent{ev(at, line, seq, lineSeq[line])})
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "edges") {
			emit(rapid.IntRange(0, n-1).Draw(t, "line"), rapid.IntRange(0, 4).Draw(t, "kept") > 0, rapid.IntRange(0, 9).Draw(t, "coalesced") == 0)
		}
		for i := range n {
			emit(i, true, false)
		}
		c.settle()
		var counted, lost, all uint64
		for i, m := range c.all {
			k := m.Count()
			counted, lost, all = counted+k.Pulses, lost+k.Lost, all+edges[i]
			if k.Lost > k.Pulses {
				t.Fatalf("more lost than counted: %+v", k)
			}
		}
		if counted+c.low.Load() != all+c.high.Load() {
			t.Fatalf("%d counted (%d lost), low %d, high %d, of %d", counted, lost, c.low.Load(), c.high.Load(), all)
		}
	})
}

func TestDebouncer(t *testing.T) {
	d := debouncer{hold: 5 * ms}
	for i := range 5 { // 3 ms of chatter, polled each ms
		at := time.Duration(10*i) * ms
		d.edge(at, true)
		for k := range 3 {
			if d.level(at+time.Duration(k)*ms, true) {
				t.Fatalf("chatter of 3 ms was seen")
			}
		}
		if d.edge(at+3*ms, false) {
			t.Fatal("the end of 3 ms of chatter counts as the end of a trip")
		}
		if d.level(at+9*ms, false) {
			t.Fatal("a trip that is over was seen")
		}
	}
	// Between two polls the contact let go for a moment: the time starts again.
	d.edge(100*ms, true)
	d.edge(104*ms, false)
	d.edge(104*ms, true)
	if d.level(106*ms, true) {
		t.Error("6 ms with a break count as 5 ms")
	}
	if !d.level(109*ms, true) {
		t.Error("5 ms without a break were not seen")
	}
	// A trip that came and went between two polls.
	d = debouncer{hold: 5 * ms}
	d.edge(200*ms, true)
	if !d.edge(210*ms, false) {
		t.Error("a trip of 10 ms that nobody polled was not seen")
	}
}
