package chips

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"periph.io/x/conn/v3/physic"

	"fountain/hal"
	"fountain/hal/chips/chipmodel"
)

// wire makes the models' bus one of periph's.
type wire struct{ *chipmodel.Bus }

func (wire) String() string                  { return "models" }
func (wire) SetSpeed(physic.Frequency) error { return nil }

// pins is an expander's model seen from outside.
type pins struct {
	device chipmodel.Device
	levels func() uint16 // of the lines that are outputs; inputs count as 0: pull-downs
	reset  func()
	watch  func(func(levels uint16))
}

func expanders() map[string]func() (pins, func(wire) Expander) {
	return map[string]func() (pins, func(wire) Expander){
		"mcp23017": func() (pins, func(wire) Expander) {
			m := chipmodel.NewMCP23017()
			return pins{m, func() uint16 { l, _ := m.Pins(); return l }, m.Reset, func(f func(uint16)) { m.OnChange = func(l, _ uint16) { f(l) } }},
				func(b wire) Expander { return NewMCP23017(b, 0x20) }
		},
		"tca9535": func() (pins, func(wire) Expander) {
			m := chipmodel.NewTCA9535()
			return pins{m, func() uint16 { l, _ := m.Pins(); return l }, m.Reset, func(f func(uint16)) { m.OnChange = func(l, _ uint16) { f(l) } }},
				func(b wire) Expander { return NewTCA9535(b, 0x20) }
		},
		"pca9685": func() (pins, func(wire) Expander) {
			m := chipmodel.NewPCA9685()
			return pins{m, m.Pins, m.Reset, func(f func(uint16)) { m.OnChange = f }},
				func(b wire) Expander { return NewPCA9685(b, 0x20) }
		},
	}
}

// Every expander is brought up without a line it was not told, written in one transfer, and found out when it was reset.
func TestExpanders(t *testing.T) {
	for name, make := range expanders() {
		t.Run(name, func(t *testing.T) {
			p, open := make()
			bus := wire{chipmodel.NewBus()}
			bus.Put(0x20, p.device)
			var seen []uint16
			p.watch(func(l uint16) { seen = append(seen, l) })
			e := open(bus)
			const used, low = 0x8F01, 0x0001 // line 0 is active low: shut is high
			if name == "pca9685" {
				if err := e.Init(used, 0); err != nil {
					t.Fatal(err)
				}
			} else if err := e.Init(used, low); err != nil {
				t.Fatal(err)
			}
			for _, l := range seen {
				if l&^low != 0 {
					t.Errorf("a line was high while setting up: %04x", l)
				}
			}
			before := bus.Calls()
			if err := e.Write(0x8A00); err != nil {
				t.Fatal(err)
			}
			if n := bus.Calls() - before; n != 1 {
				t.Errorf("%d transfers for one write", n)
			}
			if got := p.levels(); got != 0x8A00 {
				t.Errorf("levels %04x", got)
			}
			if ok, err := e.Intact(); !ok || err != nil {
				t.Errorf("intact %v, %v", ok, err)
			}
			p.reset()
			if got := p.levels(); got != 0 {
				t.Errorf("after the reset %04x", got)
			}
			if ok, err := e.Intact(); ok || err != nil {
				t.Errorf("a reset chip is intact %v, %v", ok, err)
			}
			if err := e.Init(used, 0); err != nil {
				t.Fatal(err)
			}
			if ok, err := e.Intact(); !ok || err != nil {
				t.Errorf("after Init intact %v, %v", ok, err)
			}
			bus.Fail(0x20, chipmodel.ErrNAK)
			for what, err := range map[string]error{"Init": e.Init(used, 0), "Write": e.Write(1)} {
				if !errors.Is(err, chipmodel.ErrNAK) {
					t.Errorf("%s of a chip that is gone: %v", what, err)
				}
			}
			if _, err := e.Intact(); !errors.Is(err, chipmodel.ErrNAK) {
				t.Errorf("Intact of a chip that is gone: %v", err)
			}
		})
	}
}

// A single register that a disturbance changed is found, whichever it is.
func TestMCP23017FindsDisturbance(t *testing.T) {
	for _, reg := range []byte{0x00, 0x01, 0x02, 0x0A, 0x14, 0x15} {
		m, bus := chipmodel.NewMCP23017(), wire{chipmodel.NewBus()}
		bus.Put(0x20, m)
		e := NewMCP23017(bus, 0x20)
		if err := e.Init(0xFFFF, 0x0102); err != nil {
			t.Fatal(err)
		}
		m.Poke(reg, 0x40)
		if ok, err := e.Intact(); ok || err != nil {
			t.Errorf("register %#02x: intact %v, %v", reg, ok, err)
		}
	}
}

func TestADS1115(t *testing.T) { synctest.Test(t, testADS1115) }

func testADS1115(t *testing.T) {
	m, bus := chipmodel.NewADS1115(), wire{chipmodel.NewBus()}
	bus.Put(0x48, m)
	c := NewADS1115(bus, 0x48)
	for ch, mv := range []float64{0, 512.5, 3300, 5000} {
		m.Set(ch, mv)
		v, err := c.Read(t.Context(), ch)
		got := float64(v) / float64(physic.MilliVolt)
		if want := min(mv, 4095.875); err != nil || got < want-0.2 || got > want+0.2 {
			t.Errorf("channel %d: %.3f mV, %v, want %.3f", ch, got, err, want)
		}
	}
	if _, err := c.Read(t.Context(), 4); err == nil {
		t.Error("channel 4 was read")
	}
	m.Polls = 100
	if _, err := c.Read(t.Context(), 0); !errors.Is(err, ErrSlow) {
		t.Errorf("a conversion without end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Read(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

var sample = hal.Tag{ID: "cart-000123", Ingredient: "syrup.cola", VolumeUL: 2_500_000, Expires: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), Lot: "L7-0442"}

func TestPN532(t *testing.T) {
	user, err := EncodeTag(sample)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := append([]byte(nil), user...)
	spoilt[20] ^= 1
	uid := [7]byte{4, 1, 2, 3, 4, 5, 6}
	blank := chipmodel.NewNTAG213(uid, nil)
	for _, tc := range []struct {
		name string
		card *chipmodel.Card
		want error
	}{
		{"ours", chipmodel.NewNTAG213(uid, user), nil},
		{"empty field", nil, hal.ErrNoTag},
		{"blank", blank, hal.ErrForeign},
		{"other type", &chipmodel.Card{UID: []byte{1, 2, 3, 4}, SAK: 0x08}, hal.ErrForeign},
		{"damaged", chipmodel.NewNTAG213(uid, spoilt), hal.ErrUnreadable},
		{"short memory", &chipmodel.Card{UID: uid[:], Pages: chipmodel.NewNTAG213(uid, user).Pages[:8]}, hal.ErrUnreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, bus := chipmodel.NewPN532(), wire{chipmodel.NewBus()}
				m.Busy = 2
				m.Place(tc.card)
				bus.Put(PN532Addr, m)
				c := NewPN532(bus, PN532Addr)
				for range 2 { // and once more with a reader that is set up
					got, err := c.ReadTag(t.Context())
					if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
						t.Fatalf("%v, want %v", err, tc.want)
					}
					if d := cmp.Diff(sample, got); tc.want == nil && d != "" {
						t.Error(d)
					}
				}
			})
		})
	}
}

func TestPN532Failures(t *testing.T) { synctest.Test(t, testPN532Failures) }

func testPN532Failures(t *testing.T) {
	user, _ := EncodeTag(sample)
	m, bus := chipmodel.NewPN532(), wire{chipmodel.NewBus()}
	m.Place(chipmodel.NewNTAG213([7]byte{4}, user))
	bus.Put(PN532Addr, m)
	c := NewPN532(bus, PN532Addr)
	for name, broken := range map[string]func(bool){
		"mute":   m.Mute,
		"no ack": func(on bool) { bus.Fail(PN532Addr, map[bool]error{true: chipmodel.ErrNAK}[on]) },
		"damage": func(on bool) { m.Damage(map[bool]int{true: 1}[on]) },
	} {
		broken(true)
		if _, err := c.ReadTag(t.Context()); !errors.Is(err, hal.ErrGone) {
			t.Errorf("%s: %v, want ErrGone", name, err)
		}
		broken(false)
		if _, err := c.ReadTag(t.Context()); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestTagRefusals(t *testing.T) {
	for name, tag := range map[string]hal.Tag{
		"no id":         {Ingredient: "a"},
		"no ingredient": {ID: "a"},
		"negative":      {ID: "a", Ingredient: "b", VolumeUL: -1},
		"too long":      {ID: string(make([]byte, 120)), Ingredient: "b", Lot: "c"},
	} {
		if _, err := EncodeTag(tag); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	b, _ := EncodeTag(sample)
	for i := range b {
		for bit := range 8 {
			c := append([]byte(nil), b...)
			c[i] ^= 1 << bit
			if _, err := DecodeTag(c); !errors.Is(err, hal.ErrForeign) && !errors.Is(err, hal.ErrUnreadable) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
	}
}

func FuzzDecodeTag(f *testing.F) {
	b, err := EncodeTag(sample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b, 1, 2, 3))
	f.Add([]byte("FCT1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tag, err := DecodeTag(b)
		if err != nil {
			if !errors.Is(err, hal.ErrForeign) && !errors.Is(err, hal.ErrUnreadable) {
				t.Fatalf("an error without a meaning: %v", err)
			}
			return
		}
		again, err := EncodeTag(tag)
		if err != nil || len(again) > len(b) || string(again) != string(b[:len(again)]) {
			t.Fatalf("%x decodes as %+v and encodes as %x, %v", b, tag, again, err)
		}
	})
}

// A mutation that mends the check sum reaches the checks behind it.
func FuzzTagContent(f *testing.F) {
	b, _ := EncodeTag(sample)
	f.Add(b[:len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		b := seal(body)
		if tag, err := DecodeTag(b); err == nil {
			if again, err := EncodeTag(tag); err != nil || string(again) != string(b) {
				t.Fatalf("%x decodes as %+v and encodes as %x, %v", b, tag, again, err)
			}
		}
	})
}

func FuzzPN532Frame(f *testing.F) {
	f.Add(pnFrame([]byte{pnChip, 0x03, 1, 2}))
	f.Add(pnAck)
	f.Fuzz(func(t *testing.T, b []byte) {
		if data, err := pnParse(b); err == nil && len(data) > 253 {
			t.Fatal("longer than a frame")
		}
	})
}
