//go:build linux

package evdev

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/touchui/input"
)

// tap is a decoder with what it told, as words.
type tap struct {
	decoder
	said []string
	last int
}

func newTap(record int, multi bool) *tap {
	d := &tap{}
	d.record, d.multi = record, multi
	if !multi {
		d.button = btnTouch
	}
	d.place = placer(axis{0, 999}, axis{0, 999}, Matrix{}, 1000, 1000)
	d.newID = func() int { d.last++; return d.last }
	d.clock = func(sec, usec int64) time.Time { return time.Unix(sec, usec*1000) }
	d.touch = func(t input.Touch) { d.said = append(d.said, fmt.Sprintf("%v %d %d,%d", t.Phase, t.ID, t.X, t.Y)) }
	d.key = func(k input.Key) { d.said = append(d.said, fmt.Sprintf("%v %v", k.Phase, k.Code)) }
	return d
}

// rec is one record: type, code, value.
type rec [3]int32

func report() rec { return rec{evSyn, synReport, 0} }

// encode writes records as the kernel does, a millisecond apart.
func encode(record int, recs ...rec) []byte {
	var b []byte
	for i, r := range recs {
		if record == 24 {
			b = binary.NativeEndian.AppendUint64(b, 100)
			b = binary.NativeEndian.AppendUint64(b, uint64(1000*i))
		} else {
			b = binary.NativeEndian.AppendUint32(b, 100)
			b = binary.NativeEndian.AppendUint32(b, uint32(1000*i))
		}
		b = binary.NativeEndian.AppendUint16(b, uint16(r[0]))
		b = binary.NativeEndian.AppendUint16(b, uint16(r[1]))
		b = binary.NativeEndian.AppendUint32(b, uint32(r[2]))
	}
	return b
}

func slot(n int32) rec    { return rec{evAbs, absMTSlot, n} }
func track(id int32) rec  { return rec{evAbs, absMTTracking, id} }
func at(x, y int32) []rec { return []rec{{evAbs, absMTX, x}, {evAbs, absMTY, y}} }

func packet(parts ...any) (out []rec) {
	for _, p := range parts {
		switch v := p.(type) {
		case rec:
			out = append(out, v)
		case []rec:
			out = append(out, v...)
		}
	}
	return append(out, report())
}

func TestDecode(t *testing.T) {
	btn := func(v int32) rec { return rec{evKey, btnTouch, v} }
	x, y := func(v int32) rec { return rec{evAbs, absX, v} }, func(v int32) rec { return rec{evAbs, absY, v} }
	key := func(code, v int32) rec { return rec{evKey, code, v} }
	for _, tt := range []struct {
		name    string
		multi   bool
		packets [][]rec
		want    string
	}{
		{"one finger", true, [][]rec{packet(slot(0), track(7), at(10, 20)), packet(at(11, 20)), packet(track(-1))}, "down 1 10,20; move 1 11,20; up 1 11,20"},
		{"two fingers, each by its slot", true, [][]rec{
			packet(slot(0), track(7), at(10, 20), slot(1), track(8), at(500, 600)), packet(slot(1), at(510, 600)), packet(slot(0), track(-1)), packet(slot(1), track(-1)),
		}, "down 1 10,20; down 2 500,600; move 2 510,600; up 1 10,20; up 2 510,600"},
		{"a slot is stateful", true, [][]rec{packet(slot(3), track(1), at(1, 1)), packet(at(2, 1)), packet(track(-1)), packet(track(2)), packet(track(-1))}, "down 1 1,1; move 1 2,1; up 1 2,1; down 2 2,1; up 2 2,1"},
		{"another finger in the same slot", true, [][]rec{packet(slot(0), track(1), at(1, 1)), packet(track(2), at(9, 9)), packet(track(-1))}, "down 1 1,1; up 1 9,9; down 2 9,9; up 2 9,9"},
		{"a place unchanged is kept by the kernel", true, [][]rec{packet(slot(0), track(1), at(5, 6)), packet(track(-1)), packet(track(2)), packet(track(-1))}, "down 1 5,6; up 1 5,6; down 2 5,6; up 2 5,6"},
		{"nothing before the report", true, [][]rec{{slot(0), track(1)}}, ""},
		{"emulated pointer events are not told twice", true, [][]rec{packet(slot(0), track(1), at(5, 6), btn(1), x(5), y(6)), packet(track(-1), btn(0))}, "down 1 5,6; up 1 5,6"},
		{"a palm is no finger", true, [][]rec{packet(slot(0), track(1), at(5, 6)), packet(rec{evAbs, absMTTool, toolPalm}), packet(at(7, 7)), packet(track(-1)), packet(track(2), rec{evAbs, absMTTool, 0})}, "down 1 5,6; cancel 1 5,6; down 2 7,7"},
		{"a palm from the start", true, [][]rec{packet(slot(0), track(1), rec{evAbs, absMTTool, toolPalm}), packet(track(-1))}, ""},
		{"slots beyond the bound", true, [][]rec{packet(slot(99), track(1), at(5, 6)), packet(track(-1)), packet(slot(-1), track(3)), packet(slot(0), track(4))}, "down 1 0,0"},
		{"single touch", false, [][]rec{packet(x(10), y(20), btn(1)), packet(x(30)), packet(btn(0))}, "down 1 10,20; move 1 30,20; up 1 30,20"},
		{"a pointer moves without a finger", false, [][]rec{packet(x(10), y(20)), packet(x(30)), packet(btn(1)), packet(btn(0))}, "down 1 30,20; up 1 30,20"},
		{"told twice", false, [][]rec{packet(btn(1)), packet(btn(1)), packet(btn(0)), packet(btn(0))}, "down 1 0,0; up 1 0,0"},
		{"outside the range", false, [][]rec{packet(x(-50), y(5000), btn(1))}, "down 1 0,999"},
		{"events were dropped", true, [][]rec{
			packet(slot(0), track(1), at(5, 6)), {{evSyn, synDropped, 0}, track(-1), report()}, packet(at(7, 7)), packet(track(-1)), packet(track(2)),
		}, "down 1 5,6; cancel 1 5,6; down 2 7,7"},
		{"keys", false, [][]rec{packet(key(15, 1)), packet(key(15, 2)), packet(key(15, 0)), packet(key(30, 1), key(30, 0))}, "down next; up next"},
		{"two keys of one meaning", false, [][]rec{packet(key(28, 1)), packet(key(57, 1)), packet(key(28, 0)), packet(key(57, 0))}, "down select; up select"},
		{"a keypad goes away and the kernel releases its key", false, [][]rec{packet(key(28, 1)), {key(28, 0), {evSyn, synReport, byKernel}}}, "down select; cancel select"},
		{"a key that repeats itself", false, [][]rec{packet(key(28, 1)), {key(28, 2), {evSyn, synReport, byKernel}}, packet(key(28, 0))}, "down select; up select"},
		{"a touch screen goes away and the kernel releases its finger", false, [][]rec{packet(x(3), y(4), btn(1)), {btn(0), {evSyn, synReport, byKernel}}}, "down 1 3,4; cancel 1 3,4"},
		{"a key goes up that never went down", false, [][]rec{packet(key(28, 0))}, ""},
		{"dropped with a key held", false, [][]rec{packet(key(28, 1), key(1, 1)), {{evSyn, synDropped, 0}, key(28, 0), report()}, packet(key(1, 0)), packet(key(28, 1))}, "down select; down back; cancel select; cancel back; down select"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, record := range []int{24, 16} {
				whole, torn := newTap(record, tt.multi), newTap(record, tt.multi)
				for _, p := range tt.packets {
					b := encode(record, p...)
					if whole.feed(b) { // as the device would say it: the finger still lies there
						whole.sync(0, true, 7, 7)
					}
					for i := range b {
						if torn.feed(b[i : i+1]) {
							torn.sync(0, true, 7, 7)
						}
					}
				}
				if got := strings.Join(whole.said, "; "); got != tt.want {
					t.Errorf("%d bytes a record: %q, want %q", record, got, tt.want)
				}
				if !slices.Equal(whole.said, torn.said) {
					t.Errorf("%d bytes a record, byte by byte: %q", record, torn.said)
				}
			}
		})
	}
}

// A device that is unplugged cancels whatever it held, once.
func TestLoss(t *testing.T) {
	d := newTap(24, true)
	d.feed(encode(24, packet(slot(0), track(1), at(5, 6), slot(4), track(2), at(9, 9), rec{evKey, 28, 1})...))
	d.cancel(time.Unix(1, 0))
	d.cancel(time.Unix(1, 0))
	if got, want := strings.Join(d.said, "; "), "down select; down 1 5,6; down 2 9,9; cancel 1 5,6; cancel 2 9,9; cancel select"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A finger that lies on the panel when its device appears starts nothing, until it has been lifted.
func TestAlreadyThere(t *testing.T) {
	d := newTap(24, true)
	d.sync(0, true, 5, 5)
	d.sync(1, false, 0, 0)
	d.feed(encode(24, packet(at(6, 6))...))
	d.feed(encode(24, packet(slot(1), track(3), at(9, 9))...))
	d.feed(encode(24, packet(slot(0), track(-1))...))
	d.feed(encode(24, packet(track(4))...))
	if got, want := strings.Join(d.said, "; "), "down 1 9,9; down 2 6,6"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What follows lost events may stand in the same read: a finger that came down in it is told of before the device is asked
// how things are. It ends as lost, for its release tells nothing any more.
func TestDownBehindLostEvents(t *testing.T) {
	for _, multi := range []bool{true, false} {
		d := newTap(24, multi)
		down := packet(slot(0), track(3), at(5, 5))
		if !multi {
			down = packet(rec{evAbs, absX, 5}, rec{evAbs, absY, 5}, rec{evKey, btnTouch, 1})
		}
		if !d.feed(encode(24, append([]rec{{evSyn, synDropped, 0}, report()}, down...)...)) {
			t.Fatal("lost events are not noticed")
		}
		d.sync(0, true, 5, 5)
		if got, want := strings.Join(d.said, "; "), "down 1 5,5; cancel 1 5,5"; got != want {
			t.Errorf("multi %v: %q, want %q", multi, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	d := newTap(16, false)
	var when time.Time
	d.touch = func(e input.Touch) { when = e.At }
	d.feed(encode(16, packet(rec{evKey, btnTouch, 1})...))
	if want := time.Unix(100, 1_000_000); !when.Equal(want) {
		t.Errorf("%v, want the report's %v", when, want)
	}
	clock := sinceBoot()
	if age := time.Since(clock(0, 0)); age > time.Second {
		t.Errorf("an impossible time is %v old instead of now", age)
	}
}

// FuzzDecode: whatever a device says, each Down is followed by exactly one Up or Cancel of the same id, ids are never
// used again, and every place is on the panel.
func FuzzDecode(f *testing.F) {
	f.Add(encode(24, packet(slot(0), track(1), at(5, 6))...), true, true)
	f.Add(encode(16, packet(rec{evKey, btnTouch, 1}, rec{evKey, 28, 1})...), false, false)
	f.Add(encode(24, rec{evAbs, absMTTracking, 3}, report(), rec{evSyn, synDropped, 0}, report(), rec{evAbs, absMTTracking, -1}, report()), true, true)
	f.Fuzz(func(t *testing.T, b []byte, wide, multi bool) {
		record := 16
		if wide {
			record = 24
		}
		d := newTap(record, multi)
		down, used := map[int]bool{}, 0
		held := map[input.KeyCode]bool{}
		d.touch = func(e input.Touch) {
			if e.X < 0 || e.Y < 0 || e.X >= 1000 || e.Y >= 1000 {
				t.Fatalf("%+v is not on the panel", e)
			}
			switch {
			case e.Phase == input.Down && (down[e.ID] || e.ID <= used):
				t.Fatalf("%+v: the id is in use or was", e)
			case e.Phase == input.Down:
				down[e.ID], used = true, e.ID
			case !down[e.ID]:
				t.Fatalf("%+v: it is not down", e)
			case e.Phase != input.Move:
				delete(down, e.ID)
			}
		}
		d.key = func(k input.Key) {
			if (k.Phase == input.Down) == held[k.Code] || k.Phase == input.Move {
				t.Fatalf("%+v while held is %v", k, held[k.Code])
			}
			held[k.Code] = k.Phase == input.Down
		}
		for n := 1; len(b) > 0; n = n%7 + 1 {
			part := b[:min(n*5, len(b))]
			b = b[len(part):]
			if d.feed(part) {
				d.sync(n, n%2 == 0, int32(n), int32(-n))
			}
		}
		d.cancel(time.Now())
		if len(down) > 0 || held[input.KeySelect] || held[input.KeyNext] || held[input.KeyBack] || held[input.KeyPrevious] {
			t.Fatalf("still held after the device was lost: %v %v", down, held)
		}
	})
}

func TestPlace(t *testing.T) {
	full, panel := axis{0, 4095}, axis{0, 1079}
	for _, tt := range []struct {
		name  string
		ax    axis
		m     Matrix
		x, y  int32
		wantX int
		wantY int
	}{
		{"middle", full, Matrix{}, 2048, 2048, 540, 540},
		{"first", full, Matrix{}, 0, 0, 0, 0},
		{"last", full, Matrix{}, 4095, 4095, 1079, 1079},
		{"pixel for pixel", panel, Matrix{}, 777, 3, 777, 3},
		{"identity", panel, Matrix{1, 0, 0, 0, 1, 0}, 777, 3, 777, 3},
		{"mirrored", full, Matrix{-1, 0, 1, 0, 1, 0}, 0, 0, 1079, 0},
		{"a quarter turned", full, Matrix{0, 1, 0, -1, 0, 1}, 4095, 0, 0, 0},
		{"half the panel", full, Matrix{2, 0, -0.5, 0, 2, -0.5}, 2048, 1024, 540, 0},
		{"no range", axis{}, Matrix{}, 5, 5, 0, 0},
	} {
		if x, y := placer(tt.ax, tt.ax, tt.m, 1080, 1080)(tt.x, tt.y); x != tt.wantX || y != tt.wantY {
			t.Errorf("%s: %d,%d, want %d,%d", tt.name, x, y, tt.wantX, tt.wantY)
		}
	}
}

func TestParseMatrix(t *testing.T) {
	if m, err := ParseMatrix(" 0, 1.5 0\n-1e0\t0 1 "); err != nil || m != (Matrix{0, 1.5, 0, -1, 0, 1}) {
		t.Errorf("%v %v", m, err)
	}
	for _, s := range []string{"", "1 0 0", "1 0 0 0 1 x", "NaN 0 0 0 1 0", "1 0 0 0 1 1e99", "1 1 0 1 1 0", "0 0 0 0 0 0"} {
		if m, err := ParseMatrix(s); err == nil {
			t.Errorf("%q is taken as %v", s, m)
		}
	}
}
