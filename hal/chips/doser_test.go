package chips

import (
	"errors"
	"testing"
	"time"

	"fountain/hal/chips/chipmodel"
)

// bench is a pump driver whose clock the test turns.
type bench struct {
	*Doser
	model   *chipmodel.Doser
	bus     wire
	now     time.Duration
	strokes [16]int
	blind   bool
}

func newBench(t *testing.T) *bench {
	b := &bench{model: chipmodel.NewDoser(), bus: wire{chipmodel.NewBus()}}
	b.model.Now = func() time.Duration { return b.now }
	b.model.Stroke = func(ch int) bool { b.strokes[ch]++; return !b.blind }
	b.bus.Put(0x40, b.model)
	b.Doser = NewDoser(b.bus, 0x40)
	if err := b.Identify(); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Status(); err != nil || s != DoserReset {
		t.Fatalf("status after power-on %v, %v", s, err)
	}
	if err := b.SetTarget(3, 5); !errors.Is(err, ErrRefused) {
		t.Fatalf("a target before the reset was noticed: %v", err)
	}
	b.do(t, b.Clear())
	b.do(t, b.SetInterval(3, 10*time.Millisecond))
	return b
}

func (b *bench) do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass; alive: the host asks for the status every 50 ms.
func (b *bench) pass(t *testing.T, d time.Duration, alive bool) {
	t.Helper()
	for end := b.now + d; b.now < end; {
		b.now += time.Millisecond
		b.model.Advance()
		if alive && b.now%(50*time.Millisecond) == 0 {
			if _, err := b.Status(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (b *bench) counts(t *testing.T) (issued, confirmed uint32) {
	t.Helper()
	var i, c [1]uint32
	b.do(t, b.Issued(3, i[:]))
	b.do(t, b.Confirmed(3, c[:]))
	return i[0], c[0]
}

func TestDoserGivesStrokes(t *testing.T) {
	b := newBench(t)
	b.do(t, b.SetTarget(3, 20))
	b.pass(t, 95*time.Millisecond, true)
	if i, c := b.counts(t); i != 10 || c != 10 {
		t.Errorf("%d given, %d confirmed after 95 ms at one every 10 ms", i, c)
	}
	b.do(t, b.SetTarget(3, 20)) // the host did not see the answer and asks again
	b.pass(t, time.Second, true)
	if i, c := b.counts(t); i != 20 || c != 20 || b.strokes[3] != 20 {
		t.Errorf("%d given, %d confirmed, %d seen, want 20", i, c, b.strokes[3])
	}
	b.blind = true
	b.do(t, b.SetTarget(3, 25))
	b.pass(t, time.Second, true)
	if i, c := b.counts(t); i != 25 || c != 20 {
		t.Errorf("%d given, %d confirmed with a blind sensor", i, c)
	}
}

func TestDoserStops(t *testing.T) {
	b := newBench(t)
	b.do(t, b.SetTarget(3, 1000))
	b.pass(t, 50*time.Millisecond, true)
	b.do(t, b.StopAll())
	at, _ := b.counts(t)
	b.pass(t, time.Second, true)
	if i, _ := b.counts(t); i != at {
		t.Errorf("%d strokes after the stop at %d", i, at)
	}
	b.do(t, b.SetTarget(3, at+1000))
	b.pass(t, 50*time.Millisecond, true)
	if err := b.SetTarget(3, at); !errors.Is(err, ErrRefused) { // it reads back what was given
		t.Errorf("a target behind: %v", err)
	}
	at, _ = b.counts(t)
	b.pass(t, time.Second, true)
	if i, _ := b.counts(t); i != at {
		t.Errorf("%d strokes after a target behind at %d", i, at)
	}
}

// A host that died: no more than 250 ms of strokes, and none after it comes back until it has noticed.
func TestDoserSilence(t *testing.T) {
	b := newBench(t)
	b.do(t, b.SetTarget(3, 1000))
	b.pass(t, 5*time.Second, false)
	if b.strokes[3] > 26 || b.strokes[3] < 25 {
		t.Errorf("%d strokes without a host, want those of 250 ms", b.strokes[3])
	}
	if s, err := b.Status(); err != nil || s != DoserSilent {
		t.Errorf("status %v, %v", s, err)
	}
	if err := b.SetTarget(3, 1000); !errors.Is(err, ErrRefused) {
		t.Errorf("a target before the silence was noticed: %v", err)
	}
	b.do(t, b.Clear())
	b.do(t, b.SetTarget(3, 30))
	b.pass(t, time.Second, true)
	if i, _ := b.counts(t); i != 30 {
		t.Errorf("%d strokes, want 30", i)
	}
}

func TestDoserRefusesDamage(t *testing.T) {
	b := newBench(t)
	for name, w := range map[string][]byte{
		"check sum":     {0x4C, 0, 0, 0, 9, 0xAA},
		"short":         {0x4C, 0, 0, 0, 9},
		"odd register":  {0x4D, 0, 0, 0, 9, 0},
		"read-only":     {0x80, 0, 0, 0, 9, 0},
		"interval":      {0x16, 0, 1, 0},
		"empty command": {0x06, 'X'},
	} {
		b.do(t, b.bus.Tx(0x40, w, nil))
		if s, _ := b.Status(); s != DoserRefused {
			t.Errorf("%s: status %v", name, s)
		}
		b.do(t, b.Clear())
	}
	if err := b.SetTarget(3, DoserWindow+1); !errors.Is(err, ErrRefused) {
		t.Errorf("a target far ahead: %v", err)
	}
	b.pass(t, time.Second, true)
	if i, _ := b.counts(t); i != 0 {
		t.Errorf("%d strokes nobody asked for", i)
	}
}

func TestDoserGoesFar(t *testing.T) {
	b := newBench(t)
	b.do(t, b.SetInterval(3, time.Microsecond)) // rounded up to 100 µs
	target := uint32(0)
	for range 3 {
		target += DoserWindow
		b.do(t, b.SetTarget(3, target))
		b.pass(t, 2100*time.Millisecond, true)
	}
	if i, _ := b.counts(t); i != 3*DoserWindow {
		t.Errorf("%d strokes, want %d", i, 3*DoserWindow)
	}
}

func TestDoserIsAnother(t *testing.T) {
	bus := wire{chipmodel.NewBus()}
	bus.Put(0x40, chipmodel.NewMCP23017())
	if err := NewDoser(bus, 0x40).Identify(); !errors.Is(err, ErrNotDoser) {
		t.Errorf("an expander is taken for a pump driver: %v", err)
	}
}
