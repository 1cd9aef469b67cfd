package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
	"fountain/hal/haltest"
	"fountain/hal/rigfile"
)

// outside is a plant as haltest sees it.
type outside struct {
	p    *Plant
	wake func()
}

func (o outside) Line(id string) (bool, time.Duration) {
	v, _ := o.p.Valve(id)
	return v.Commanded, time.Duration(max(v.CommandedOpenNS, v.CommandedShutNS))
}

func (o outside) Pulses(id string) uint64 { return o.p.State().Pulses[id] }

func (o outside) Trip(s hal.Interlocks, on bool) {
	f := Fault{Kind: map[hal.Interlocks]FaultKind{hal.Door: DoorOpen, hal.EStop: EStopPressed}[s]}
	set := o.p.Clear
	if on {
		set = o.p.Inject
	}
	if err := set(f); err != nil {
		panic(err)
	}
	o.wake()
}

// hooks lets the suite do to a plant what its bench can.
func hooks(t *testing.T, p *Plant, wake func()) haltest.Hooks {
	fault := func(on bool, f Fault) {
		var err error
		if on {
			err = p.Inject(f)
		} else {
			err = p.Clear(f)
		}
		must(t, err)
		wake()
	}
	low := map[string]bool{}
	for _, v := range p.rig.Valves {
		low[v.ID] = !v.Line.ActiveHigh
	}
	for _, a := range p.rig.Agitators {
		low[a.ID] = !a.Line.ActiveHigh
	}
	return haltest.Hooks{
		Pulse: func(meter string, n int, every time.Duration) { must(t, p.SendPulses(meter, n, every)); wake() },
		StallReader: func(while func()) {
			fault(true, Fault{Kind: LostPulses, Part: "flow_still", Amount: 64})
			while()
			fault(false, Fault{Kind: LostPulses, Part: "flow_still"})
		},
		EventBuffer: 64,
		Level: func(output string) (bool, bool) {
			v, _ := p.Valve(output)
			return v.Commanded != low[output], low[output]
		},
		Switched: func(output string) (n int) {
			for _, e := range p.State().Events {
				if e.Part == output && e.What == CommandedOpen {
					n++
				}
			}
			return n
		},
		Unplug: func(part string, on bool) bool {
			for _, x := range p.rig.Parts() {
				if x.ID == part && x.Chip != "" {
					fault(on, Fault{Kind: ChipGone, Part: x.Chip})
					return true
				}
			}
			return false
		},
		SetSensor:   func(sensor string, v float64) { fault(true, Fault{Kind: SensorFalse, Part: sensor, Amount: v}) },
		BreakSensor: func(sensor string, on bool) { fault(on, Fault{Kind: SensorOpen, Part: sensor}) },
		SensorEvery: 100 * time.Millisecond,
	}
}

// The machines the contract is proved on: lines that hold, lines that are released, and one with everything.
var contractRigs = []string{"../../testdata/rig/small.yaml", "../../testdata/rig/small-release.yaml", "testdata/contract.yaml"}

func smallPlant(t *testing.T, file string, live bool) *Plant {
	t.Helper()
	if filepath.Base(file) == file {
		file = filepath.Join("..", "..", "testdata", "rig", file)
	}
	rig, err := rigfile.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlant(Config{Rig: rig, Seed: 11, Live: live, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "tea.green", VolumeUL: 5_000_000}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestContract(t *testing.T) {
	for _, file := range contractRigs {
		t.Run(filepath.Base(file), func(t *testing.T) {
			haltest.Run(t, func(t *testing.T) haltest.Bench {
				p := smallPlant(t, file, false)
				return haltest.Bench{
					Plant: outside{p, func() {}}, Holds: p.rig.Sim.OnOwnerDeath == rigfile.DeathHold, Hooks: hooks(t, p, func() {}),
					Open: func(o hal.Owner) (haltest.Holder, error) {
						r, err := p.Open(o)
						return haltest.Holder{Rig: r, Pacer: p.Pacer(), Kill: func() { p.Kill(o) }}, err
					},
				}
			}, synctest.Test, without(file, false))
		})
	}
}

// without is what a rig file gives no part for, and what a live host cannot prove; the other benches of this file do.
func without(file string, live bool) haltest.Without {
	w := haltest.Without{}
	if strings.HasPrefix(filepath.Base(file), "small") {
		const why = "the small rig has none: testdata/contract.yaml has"
		w["sensors"], w["agitators"], w["polarity"] = why, why, why
	}
	if live {
		w["debounce"] = "chatter of milliseconds cannot be made on a live host: TestContract proves it in virtual time"
	}
	return w
}

// served is a live plant behind a socket.
type served struct {
	p      *Plant
	server *Server
	socket string
	stop   func()
}

func serve(t *testing.T, p *Plant) *served {
	t.Helper()
	s := &served{p: p, server: NewServer(p, slog.New(slog.NewTextHandler(t.Output(), nil))), socket: filepath.Join(t.TempDir(), "p")}
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(ctx, l) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// liveSlack is generous: the host may be busy.
const liveSlack = time.Second

func TestSocket(t *testing.T) {
	for i, file := range []string{contractRigs[0], contractRigs[2]} { // one that holds, one that is released
		t.Run(fmt.Sprint(i), func(t *testing.T) { // short names: a socket's path has at most 107 bytes
			t.Parallel() // mostly sleeping
			haltest.Run(t, func(t *testing.T) haltest.Bench {
				s := serve(t, smallPlant(t, file, true))
				return haltest.Bench{
					Plant: outside{s.p, s.server.Wake}, Holds: s.p.rig.Sim.OnOwnerDeath == rigfile.DeathHold, Slack: liveSlack, Hooks: hooks(t, s.p, s.server.Wake),
					Open: func(o hal.Owner) (haltest.Holder, error) {
						r, pacer, err := Dial(t.Context(), s.socket, o)
						if err != nil {
							return haltest.Holder{}, err
						}
						t.Cleanup(func() { _ = r.Close() })
						kill := func() { _ = r.(*remoteRig).conn.Close() } // what the kernel does for a killed process
						return haltest.Holder{Rig: r, Pacer: pacer, Kill: kill}, nil
					},
				}
			}, nil, without(file, true))
		})
	}
}

func TestPlantDies(t *testing.T) {
	s := serve(t, smallPlant(t, "small.yaml", true))
	r, _, err := Dial(t.Context(), s.socket, hal.OwnerAgent)
	must(t, err)
	defer r.Close()
	bit := mustBit(t, r, "still")
	must(t, r.Outputs().Apply(bit, bit))
	s.stop()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, err := r.Interlocks().Now()
		if errors.Is(err, hal.ErrGone) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("interlocks of a dead plant: %v", err)
		}
	}
	if err := r.Outputs().Apply(bit, bit); !errors.Is(err, hal.ErrGone) {
		t.Errorf("apply: %v", err)
	}
	if err := r.Safe(nil); !errors.Is(err, hal.ErrGone) {
		t.Errorf("safe: %v", err)
	}
	if h := r.Health(); len(h) != 1 {
		t.Errorf("health: %v", h)
	}
	slot, err := r.Slot("s01")
	must(t, err)
	if _, err := slot.Tag(t.Context()); !errors.Is(err, hal.ErrGone) {
		t.Errorf("tag: %v", err)
	}
	if _, _, err := Dial(t.Context(), s.socket, hal.OwnerGuard); !errors.Is(err, hal.ErrGone) {
		t.Errorf("dial: %v", err)
	}
}

// An owner that is stopped must stop neither the plant nor the other owner; what it misses it learns when it goes on.
func TestStoppedOwner(t *testing.T) {
	s := serve(t, smallPlant(t, "small.yaml", true))
	c, err := net.Dial("unix", s.socket)
	must(t, err)
	defer c.Close()
	_, err = c.Write(append([]byte(magic), append([]byte{5}, "agent"...)...))
	must(t, err) // it opened its lines and now reads nothing
	g, pacer, err := Dial(t.Context(), s.socket, hal.OwnerGuard)
	must(t, err)
	defer g.Close()
	bit := mustBit(t, g, hal.Master)
	for range 20 {
		must(t, g.Outputs().Apply(bit, bit)) // MASTER commanded: snapshots every millisecond
		time.Sleep(50 * time.Millisecond)
		if _, err := g.Interlocks().Now(); err != nil {
			t.Fatalf("at %v: %v", pacer.Now(), err)
		}
	}
}

func TestRemoteHotPathDoesNotAllocate(t *testing.T) {
	s := serve(t, smallPlant(t, "small.yaml", true))
	r, _, err := Dial(t.Context(), s.socket, hal.OwnerAgent)
	must(t, err)
	defer r.Close()
	m, err := r.Meter("flow_still")
	must(t, err)
	u, err := r.Pump("p01")
	must(t, err)
	out, locks, bit := r.Outputs(), r.Interlocks(), mustBit(t, r, "still")
	var slowest time.Duration
	for range 200 {
		start := time.Now()
		_ = out.Apply(bit, bit)
		_ = m.Count()
		_ = u.Dose(1, 0)
		_ = u.Delivered()
		_, _ = locks.Now()
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("slowest turn of 200: %v", slowest)
	ours := testing.AllocsPerRun(1, func() {}) // of the serving goroutines meanwhile
	n := testing.AllocsPerRun(50, func() {
		_ = out.Apply(bit, bit)
		_ = m.Count()
		_ = u.Delivered()
		_, _ = locks.Now()
		_ = r.Safe(nil)
	})
	if n > ours+1 { // the plant's side runs in this process too
		t.Errorf("%v allocations in one turn of the loop", n)
	}
}
