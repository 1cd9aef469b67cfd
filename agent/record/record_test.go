package record

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fountain/internal/problem"
	"fountain/sync/wire"
)

var unit = Unit{Thing: "fountain-demo-0001", Boot: "boot-2", SW: "1.2.3", Rig: "sim"}

func pour() Pour {
	return Pour{
		ID: "01KB2V9Y3M6Q0R8T5W7X1Z4A2C", Started: time.Date(2026, 3, 4, 5, 6, 7, 89_600_000, time.FixedZone("", 3600)), Clock: ClockTrusted,
		Duration: 5120 * time.Millisecond, Beverage: "kolvane.zero", Catalogue: "sha256:00", TargetUL: 355_000,
		Parts:     []wire.Part{{Ingredient: "water.still", UL: 296_000, How: HowMetered}, {Ingredient: "kolvane-zero", Cartridge: "C1", UL: 59_000, How: HowStrokes}},
		CountedUL: 355_000, Outcome: wire.Completed, Source: wire.SourceTouch,
	}
}

func TestBuild(t *testing.T) {
	r, b, err := Build(unit, pour(), "lab", 7)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"v":1,"id":"01KB2V9Y3M6Q0R8T5W7X1Z4A2C","thing":"fountain-demo-0001","log":"lab","seq":7,"boot":"boot-2",` +
		`"started":"2026-03-04T04:06:07.089Z","clock":"trusted","duration_ms":5120,"beverage":"kolvane.zero","catalogue":"sha256:00",` +
		`"target_ul":355000,"parts":[{"ingredient":"water.still","ul":296000,"how":"metered"},` +
		`{"ingredient":"kolvane-zero","cartridge":"C1","ul":59000,"how":"strokes"}],"counted_ul":355000,"outcome":"completed",` +
		`"source":"touch","sw":"1.2.3","rig":"sim"}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
	back, err := wire.DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Unit, *Pour){
		"no thing":            func(u *Unit, _ *Pour) { u.Thing = "" },
		"unknown rig":         func(u *Unit, _ *Pour) { u.Rig = "real" },
		"no id":               func(_ *Unit, p *Pour) { p.ID = "" },
		"unknown outcome":     func(_ *Unit, p *Pour) { p.Outcome = "spilled" },
		"unknown source":      func(_ *Unit, p *Pour) { p.Source = "cloud" },
		"unknown clock":       func(_ *Unit, p *Pour) { p.Clock = "ntp" },
		"negative count":      func(_ *Unit, p *Pour) { p.CountedUL = -1 },
		"negative duration":   func(_ *Unit, p *Pour) { p.Duration = -time.Second },
		"bounds crossed":      func(_ *Unit, p *Pour) { p.AtLeastUL = 2; p.AtMostUL = 1 },
		"part without name":   func(_ *Unit, p *Pour) { p.Parts[0].Ingredient = "" },
		"part negative":       func(_ *Unit, p *Pour) { p.Parts[0].UL = -1 },
		"part of unknown how": func(_ *Unit, p *Pour) { p.Parts[0].How = "guessed" },
	} {
		u, p := unit, pour()
		spoil(&u, &p)
		if _, _, err := Build(u, p, "lab", 7); !errors.Is(err, wire.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Build(unit, pour(), "7ab", 7); err == nil {
		t.Error("a log that starts with a digit was accepted")
	}
	if _, _, err := Build(unit, pour(), "lab", 0); err == nil {
		t.Error("seq 0 was accepted")
	}
}

// Optional fields have their defaults: own boot, unknown clock, an empty list instead of null.
func TestBuildDefaults(t *testing.T) {
	p := pour()
	p.Boot, p.Clock, p.Parts = "boot-1", "", nil
	r, b, err := Build(unit, p, "lab", 1)
	if err != nil || r.Boot != "boot-1" || r.Clock != ClockUnknown || !strings.Contains(string(b), `"parts":[]`) {
		t.Errorf("%s %v", b, err)
	}
}

func intent() Intent {
	return Intent{
		Pour: "01KB2V9Y3M6Q0R8T5W7X1Z4A2C", Boot: "boot-2", Session: 99, Started: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Clock: ClockRTC,
		Beverage: "kolvane.zero", Catalogue: "sha256:00", TargetUL: 240_000, Source: wire.SourceTouch, LagUL: 6_000, NominalUL: 75_000,
		Parts: []IntentPart{{Ingredient: "water.still", Share: 833_333}, {Ingredient: "kolvane-zero", Cartridge: "C1", Share: 166_667}},
	}
}

func lastBeat(in Intent) LastBeat {
	id, ok := IDBytes(in.Pour)
	if !ok {
		panic("not a ULID")
	}
	return LastBeat{
		Boot: in.Boot, Session: in.Session, Pour: id, CountedUL: 100_000, RateULs: 75_000,
		ReceivedAt: 10 * time.Second, MasterShut: true, MasterShutAt: 10*time.Second + 160*time.Millisecond,
	}
}

func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name                          string
		change                        func(*Intent, *LastBeat)
		noBeat                        bool
		boot                          string
		counted, est, atLeast, atMost int64
		reason                        string
	}{
		{name: "agent killed at full flow", counted: 100_000, est: 12_000 + 6_000, reason: ReasonAgentGone},
		{name: "half the nominal rate, half the lag", change: func(_ *Intent, b *LastBeat) { b.RateULs = 37_500 }, counted: 100_000, est: 6_000 + 3_000, reason: ReasonAgentGone},
		{name: "flow had ended already", change: func(_ *Intent, b *LastBeat) { b.RateULs = 0 }, counted: 100_000, reason: ReasonAgentGone},
		{name: "no flow and no nominal rate", change: func(in *Intent, b *LastBeat) { in.NominalUL = 0; b.RateULs = 0 }, counted: 100_000, reason: ReasonAgentGone},
		{name: "lag without a nominal rate", change: func(in *Intent, _ *LastBeat) { in.NominalUL = 0 }, counted: 100_000, est: 18_000, reason: ReasonAgentGone},
		{name: "MASTER shut before the last beat", change: func(_ *Intent, b *LastBeat) { b.MasterShutAt = b.ReceivedAt - time.Second }, counted: 100_000, est: 6_000, reason: ReasonAgentGone},
		{name: "capped by the limit", change: func(in *Intent, b *LastBeat) { in.MaxUL = 110_000 }, counted: 100_000, est: 10_000, reason: ReasonAgentGone},
		{name: "counted over the limit", change: func(in *Intent, b *LastBeat) { in.MaxUL = 90_000 }, counted: 90_000, reason: ReasonAgentGone},
		{name: "nonsense in the beat", change: func(_ *Intent, b *LastBeat) { b.CountedUL = -5; b.RateULs = -7 }, reason: ReasonAgentGone},
		{name: "guard died too", change: func(_ *Intent, b *LastBeat) { b.MasterShut = false }, counted: 100_000, atLeast: 100_000, atMost: 340_000, reason: ReasonUnknown},
		{name: "power cut, beat survived", boot: "boot-3", counted: 100_000, atLeast: 100_000, atMost: 340_000, reason: ReasonPowerCut},
		{name: "power cut", boot: "boot-3", noBeat: true, atMost: 340_000, reason: ReasonPowerCut},
		{name: "power cut, limit known", boot: "boot-3", noBeat: true, change: func(in *Intent, _ *LastBeat) { in.MaxUL = 260_000 }, atMost: 260_000, reason: ReasonPowerCut},
		{name: "no beat", noBeat: true, atMost: 340_000, reason: ReasonUnknown},
		{name: "beat of another pour", change: func(_ *Intent, b *LastBeat) { b.Pour[0] ^= 1 }, atMost: 340_000, reason: ReasonUnknown},
		{name: "paused and resumed before: another session", change: func(_ *Intent, b *LastBeat) { b.Session++ }, counted: 100_000, est: 18_000, reason: ReasonAgentGone},
		{name: "beat of an earlier boot", change: func(_ *Intent, b *LastBeat) { b.Boot = "boot-1" }, atMost: 340_000, reason: ReasonUnknown},
		{name: "MASTER never opened", change: func(_ *Intent, b *LastBeat) {
			b.Pour = [16]byte{}
			b.MasterShut = false
			b.NeverOpened = true
			b.CountedUL = 0
		}, reason: ReasonNotStarted},
		{name: "guard started again while water was counted", change: func(_ *Intent, b *LastBeat) { b.MasterShut = false; b.NeverOpened = true }, counted: 100_000, atLeast: 100_000, atMost: 340_000, reason: ReasonUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, boot := intent(), "boot-2"
			beat := lastBeat(in)
			if c.change != nil {
				c.change(&in, &beat)
			}
			if c.boot != "" {
				boot = c.boot
			}
			b := &beat
			if c.noBeat {
				b = nil
			}
			p := Interrupted(in, b, boot)
			if p.CountedUL != c.counted || p.EstimatedUL != c.est || p.AtLeastUL != c.atLeast || p.AtMostUL != c.atMost || p.Reason != c.reason {
				t.Errorf("counted %d + %d, %d to %d, %s; want %d + %d, %d to %d, %s",
					p.CountedUL, p.EstimatedUL, p.AtLeastUL, p.AtMostUL, p.Reason, c.counted, c.est, c.atLeast, c.atMost, c.reason)
			}
			sum := int64(0)
			for _, part := range p.Parts {
				sum += part.UL
			}
			if sum != p.CountedUL+p.EstimatedUL || len(p.Parts) != 2 || p.Parts[1].Cartridge != "C1" {
				t.Errorf("parts %+v do not add up to %d", p.Parts, p.CountedUL+p.EstimatedUL)
			}
			r, _, err := Build(unit, p, "lab", 3)
			if err != nil || r.Outcome != wire.Interrupted || r.Boot != "boot-2" || r.ID != in.Pour {
				t.Errorf("record %+v, %v", r, err)
			}
		})
	}
}

// The parts add up exactly and none is further than 1 µL from its share.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000), 1, 8).Draw(t, "shares")
		total := rapid.Int64Range(0, 2_000_000).Draw(t, "total")
		var parts []IntentPart
		var sum int64
		for _, s := range shares {
			parts = append(parts, IntentPart{Share: s})
			sum += s
		}
		got := split(parts, total)
		var have int64
		for i, p := range got {
			have += p.UL
			if sum > 0 {
				if want := float64(total) * float64(shares[i]) / float64(sum); float64(p.UL) < want-1 || float64(p.UL) > want+1 {
					t.Fatalf("part %d is %d, want %.2f", i, p.UL, want)
				}
			}
		}
		if sum > 0 && have != total {
			t.Fatalf("parts add up to %d, want %d", have, total)
		}
	})
}

// What a mix was of survives a crash.
func TestInterruptedMix(t *testing.T) {
	in := intent()
	in.Beverage, in.Mix = wire.Mixed, []wire.Share{{Beverage: "a.a", Share: 65}, {Beverage: "b.b", Share: 35}}
	b, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if in, err = DecodeIntent(b); err != nil {
		t.Fatal(err)
	}
	r, _, err := Build(Unit{Thing: "t", Boot: "b", SW: "1", Rig: "sim"}, Interrupted(in, nil, in.Boot), "a", 1)
	if err != nil || len(r.Mix) != 2 || r.Mix[0] != in.Mix[0] || r.Mix[1] != in.Mix[1] {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestIntentRoundTrip(t *testing.T) {
	in := intent()
	b, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeIntent(b)
	if err != nil {
		t.Fatal(err)
	}
	in.V = intentVersion
	if diff := cmp.Diff(in, back); diff != "" {
		t.Error(diff)
	}
	in.V = 2
	newer, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeIntent(newer); problem.From(err).Code != problem.CodeNewerSchema {
		t.Errorf("newer intent: %v", err)
	}
	for _, bad := range []string{"", "{", "[]", `{"v":1}`} {
		if _, err := DecodeIntent([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestIDs(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	seen := map[string]bool{}
	var ids []string
	for i := range 1000 {
		id := NewID(now.Add(time.Duration(i) * time.Millisecond))
		if seen[id] || len(id) != 26 {
			t.Fatalf("id %q", id)
		}
		if _, ok := IDBytes(id); !ok {
			t.Fatalf("id %q is no ULID", id)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by time")
	}
	if id := NewID(time.Unix(-100, 0)); len(id) != 26 {
		t.Errorf("id before 1970: %q", id)
	}
	if _, ok := IDBytes("not an id"); ok {
		t.Error("nonsense is an id")
	}
}

func TestBootID(t *testing.T) {
	a, err := BootID()
	b, err2 := BootID()
	if err != nil || err2 != nil || len(a) != 36 || a != b {
		t.Errorf("%q %q %v %v", a, b, err, err2)
	}
}

func FuzzDecodeIntent(f *testing.F) {
	b, err := intent().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := DecodeIntent(b)
		if err != nil {
			return
		}
		once, err := in.Encode()
		if err != nil {
			return // a time outside year 9999
		}
		again, err := DecodeIntent(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := again.Encode(); err != nil || string(twice) != string(once) {
			t.Errorf("%s encodes again to %s, %v", once, twice, err)
		}
		p := Interrupted(in, nil, in.Boot)
		if p.CountedUL < 0 || p.EstimatedUL < 0 {
			t.Errorf("%+v", p)
		}
	})
}
