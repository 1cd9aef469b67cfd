//go:build linux

package lines

import (
	"os"
	"slices"
	"testing"
	"time"

	"fountain/hal/chips/chipmodel"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
)

// What needs a kernel with gpio-sim is proved by make test-device (internal/device); here is what needs none.

// wire notes the edges put on it.
type wire struct {
	level bool
	rises int
}

func (w *wire) high() (bool, error) { return w.level, nil }

func (w *wire) pull(high bool) error {
	if high && !w.level {
		w.rises++
	}
	w.level = high
	return nil
}

func TestPulsesAreAStepApart(t *testing.T) {
	w := &wire{}
	m := meterLine{input: input{pin: w}}
	now := time.Second
	for _, step := range []struct {
		turned uint64
		rises  int
		level  bool
	}{
		{0, 0, false},
		{1, 1, true},  // a pulse rises …
		{1, 1, true},  // … and stays for half the period that is known, 50 ms at most
		{4, 2, true},  // three at once, because the plant was late: one now …
		{4, 3, true},  // … one a step …
		{4, 4, true},  // … until all are out
		{4, 4, false}, // half of a step's period has passed
	} {
		if err := m.tick(step.turned, now); err != nil {
			t.Fatal(err)
		}
		if w.rises != step.rises || w.level != step.level {
			t.Errorf("at %v, %d turned: %d rises, level %v; want %d, %v", now-time.Second, step.turned, w.rises, w.level, step.rises, step.level)
		}
		now += period
	}
	if m.sent != 4 {
		t.Errorf("%d pulses sent", m.sent)
	}
	if err := m.burst(10); err != nil || w.rises != 14 || m.sent != 14 {
		t.Errorf("a burst of 10: %d rises, %d sent, %v", w.rises, m.sent, err)
	}
}

// recorder is a chip that notes its transfers.
type recorder struct{ got [][2]int }

func (r *recorder) Tx(w, rd []byte) error {
	r.got = append(r.got, [2]int{len(w), len(rd)})
	for i := range rd {
		rd[i] = byte(i + 1)
	}
	return nil
}

func TestMessagesBecomeTransfers(t *testing.T) {
	model, chip := chipmodel.NewBus(), &recorder{}
	model.Put(0x20, chip)
	b := &bus{model: model}
	w := func(n uint64) message { return message{addr: 0x20, size: n, body: make([]byte, n)} }
	r := func(n uint64) message { return message{addr: 0x20, read: true, size: n} }
	read, err := b.exchange([]message{w(1), r(2), w(3), r(1), r(4), w(2)})
	if err != nil {
		t.Fatal(err)
	}
	if want := [][2]int{{1, 2}, {3, 1}, {0, 4}, {2, 0}}; !slices.Equal(chip.got, want) {
		t.Errorf("transfers %v, want %v", chip.got, want)
	}
	if want := []byte{1, 2, 1, 1, 2, 3, 4}; !slices.Equal(read, want) {
		t.Errorf("read %v, want %v", read, want)
	}
	if _, err := b.exchange([]message{{addr: 0x21, size: 1, body: []byte{0}}}); err == nil {
		t.Error("an empty address answers")
	}
}

// An expander held in reset, or silent, drives nothing: its lines are at the board's bias.
func TestExpanderPin(t *testing.T) {
	e := &expanderPins{}
	p := expanderPin{e, 1 << 3}
	level := func() bool { h, _ := p.high(); return h }
	if err := p.pull(true); err != nil || !level() {
		t.Errorf("bias: %v, %v", level(), err)
	}
	e.changed(0, 1<<3)
	if level() {
		t.Error("driven low, seen high")
	}
	e.off.Store(true)
	if !level() {
		t.Error("in reset it still drives")
	}
}

func TestRefusesWithoutGPIOSim(t *testing.T) {
	if _, err := os.Stat(configfs); err == nil {
		t.Skip("this kernel has gpio-sim: make test-device proves New with it")
	}
	rig, err := rigfile.Load("../../../testdata/rig/emulator.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plant, err := sim.NewPlant(sim.Config{Rig: rig, Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(plant, t.TempDir(), nil)
	if p := problem.From(err); err == nil || p.Code != problem.CodeBadConfig || p.Where != configfs {
		t.Errorf("got %v", err)
	}
}
