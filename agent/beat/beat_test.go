package beat

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPacketRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Packet{
			Session: rapid.Uint64().Draw(t, "session"), Tick: rapid.Uint64().Draw(t, "tick"), WantMaster: rapid.Bool().Draw(t, "want"),
			CountedUL: rapid.Int64().Draw(t, "counted"), RateULs: rapid.Int64().Draw(t, "rate"),
			Pour: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "pour")),
		}
		var b [Size]byte
		p.Encode(&b)
		got, err := DecodePacket(b[:])
		if err != nil || got != p {
			t.Fatalf("got %+v, %v; want %+v", got, err, p)
		}
		// Any single flipped bit is noticed.
		i := rapid.IntRange(0, Size*8-1).Draw(t, "bit")
		b[i/8] ^= 1 << (i % 8)
		if _, err := DecodePacket(b[:]); err == nil {
			t.Fatalf("flipped bit %d went unnoticed", i)
		}
	})
}

func TestReplyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Reply{
			Session: rapid.Uint64().Draw(t, "session"), Tick: rapid.Uint64().Draw(t, "tick"), MasterOpen: rapid.Bool().Draw(t, "open"),
			Latched: rapid.Bool().Draw(t, "latched"), EStop: rapid.Bool().Draw(t, "estop"), Leak: rapid.Bool().Draw(t, "leak"),
			Reason: Reason(rapid.IntRange(0, 8).Draw(t, "reason")),
		}
		var b [Size]byte
		r.Encode(&b)
		if got, err := DecodeReply(b[:]); err != nil || got != r {
			t.Fatalf("got %+v, %v; want %+v", got, err, r)
		}
		if _, err := DecodePacket(b[:]); !errors.Is(err, ErrMagic) {
			t.Fatalf("a reply passed for a packet: %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	var b [Size]byte
	Packet{Session: 1, WantMaster: true}.Encode(&b)
	f.Add(b[:])
	Reply{Session: 1, Reason: ReasonLeak}.Encode(&b)
	f.Add(b[:])
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = DecodePacket(in) // must not panic
		_, _ = DecodeReply(in)
		_, _ = newest(in, [16]byte{})
	})
}

func TestLinkAndListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	link, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Send(Packet{}); !errors.Is(err, ErrGone) {
		t.Fatalf("send without a guard: %v, want ErrGone", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(path); err == nil {
		t.Fatal("a second guard could listen on the same socket")
	}
	l.Next() // the probe of the second guard: connected,
	l.Next() // and gone
	if err := link.Send(Packet{Session: 7, Tick: 1, WantMaster: true}); err != nil {
		t.Fatal(err)
	}
	if ev, _ := l.Next(); ev != Connected {
		t.Fatalf("event %v, want Connected", ev)
	}
	ev, p := l.Next()
	if ev != Beaten || p.Session != 7 || !p.WantMaster {
		t.Fatalf("event %v %+v", ev, p)
	}
	l.Reply(Reply{Session: 7, Tick: 1, MasterOpen: true})
	r, ok, err := link.Poll()
	if err != nil || !ok || !r.MasterOpen {
		t.Fatalf("reply %+v %v %v", r, ok, err)
	}

	other, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Send(Packet{Session: 8}) // connects; the guard turns it away
	if ev, _ := l.Next(); ev != Nothing {
		t.Fatalf("a second agent got through: %v", ev)
	}
	if _, _, err := other.Poll(); !errors.Is(err, ErrGone) {
		t.Fatalf("second agent: %v, want ErrGone", err)
	}

	if err := link.Close(); err != nil {
		t.Fatal(err)
	}
	if ev, _ := l.Next(); ev != Lost {
		t.Fatalf("event %v, want Lost", ev)
	}
	if err := link.Send(Packet{Session: 9}); err != nil {
		t.Fatalf("connect again: %v", err)
	}
}

func TestLastFileSurvivesATornWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), LastName)
	if _, err := ReadLast(path); !errors.Is(err, ErrNoLast) {
		t.Fatalf("no file: %v", err)
	}
	f, err := OpenLast(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(5) {
		f.Put(&Last{Packet: Packet{Session: 3, CountedUL: i * 1000}, BeatAt: time.Duration(i) * time.Second, MasterOpen: true})
	}
	got, err := ReadLast(path)
	if err != nil || got.Packet.CountedUL != 4000 || !got.MasterOpen || got.BeatAt != 4*time.Second {
		t.Fatalf("got %+v, %v", got, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[int(f.gen%2)*slotSize+40] ^= 0xff // the newest slot is torn
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err = ReadLast(path)
	if err != nil || got.Packet.CountedUL != 3000 {
		t.Fatalf("after a torn write got %+v, %v; want the slot before", got, err)
	}
	if _, err := newest(b, [16]byte{1}); !errors.Is(err, ErrNoLast) {
		t.Fatalf("a beat of another boot was believed: %v", err)
	}
}
