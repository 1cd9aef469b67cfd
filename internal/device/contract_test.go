//go:build linux

package device

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fountain/hal"
	"fountain/hal/haltest"
	"fountain/hal/linux"
	"fountain/hal/sim"
	"fountain/hal/sim/lines"
)

// The suite's own calls take a millisecond or two here: a pipe to another process on one emulated processor.
const slack = 15 * time.Millisecond

// outside is the plant as haltest sees it.
type outside struct {
	*lines.Board
	t *testing.T
}

func (o outside) Trip(s hal.Interlocks, on bool) {
	inject(o.t, o.Board, sim.Fault{Kind: map[hal.Interlocks]sim.FaultKind{hal.Door: sim.DoorOpen, hal.EStop: sim.EStopPressed}[s]}, on)
}

func inject(t *testing.T, b *lines.Board, f sim.Fault, on bool) {
	t.Helper()
	set := b.Plant().Clear
	if on {
		set = b.Plant().Inject
	}
	if err := set(f); err != nil {
		t.Errorf("fault %s %s: %v", f.Kind, f.Part, err)
	}
}

// The shipping hal/linux passes the contract on a real kernel, active high and active low.
func TestContractActiveHigh(t *testing.T) {
	contract(t, rigPath("emulator-short.yaml"), haltest.Without{"polarity": "no line of it is active low: TestContractActiveLow"})
}

// Among the active-low valves one is active high, so that a mistaken polarity shows between neighbours of one request.
func TestContractActiveLow(t *testing.T) {
	const was, is = "id: sparkling, owner: agent, chip: soc, line: 2, active: low", "id: sparkling, owner: agent, chip: soc, line: 2, active: high"
	b, err := os.ReadFile(rigPath("emulator-low-short.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rig := filepath.Join(t.TempDir(), "rig.yaml")
	mixed := strings.Replace(string(b), was, is, 1)
	if mixed == string(b) {
		t.Fatalf("the rig file has no %q", was)
	}
	if err := os.WriteFile(rig, []byte(mixed), 0o644); err != nil {
		t.Fatal(err)
	}
	contract(t, rig, nil)
}

func contract(t *testing.T, rig string, without haltest.Without) {
	haltest.Run(t, func(t *testing.T) haltest.Bench {
		b := newBoard(t, rig)
		_, base, err := chipByLabel("rig")
		if err != nil {
			t.Fatal(err)
		}
		trace := traceLines(t, base)
		var agent *remote
		return haltest.Bench{
			Plant: outside{b, t}, Slack: slack, Exact: true,
			Open: func(o hal.Owner) (haltest.Holder, error) {
				r, err := openRemote(t, rig, o)
				if err != nil {
					return haltest.Holder{}, err
				}
				if o == hal.OwnerAgent {
					agent = r
				}
				return haltest.Holder{Rig: r, Pacer: linux.NewPacer(), Kill: r.kill}, nil
			},
			Hooks: haltest.Hooks{
				Pulse: b.Pulse,
				StallReader: func(while func()) {
					agent.signal(syscall.SIGSTOP)
					while()
					agent.signal(syscall.SIGCONT)
				},
				EventBuffer: 1024,
				Level:       b.Level,
				Switched: func(id string) int {
					for _, v := range b.Plant().Rig().Valves {
						if v.ID == id && v.Line.Chip == "soc" {
							return opened(trace.edges(), v.Line.Line, !v.Line.ActiveHigh)
						}
					}
					return b.Switched(id)
				},
				Unplug: func(part string, on bool) bool { return unplug(t, b, part, on) },
				SetSensor: func(id string, v float64) {
					inject(t, b, sim.Fault{Kind: sim.SensorFalse, Part: id, Amount: v}, true)
				},
				BreakSensor: func(id string, on bool) { inject(t, b, sim.Fault{Kind: sim.SensorOpen, Part: id}, on) },
				SensorEvery: 100 * time.Millisecond,
			},
		}
	}, nil, without)
}

// unplug takes the I²C chip of a part off its bus. A GPIO controller cannot be taken out of a running kernel.
func unplug(t *testing.T, b *lines.Board, part string, on bool) bool {
	for _, p := range b.Plant().Rig().Parts() {
		if p.ID != part || p.Chip == "" || p.Chip == "soc" {
			continue
		}
		inject(t, b, sim.Fault{Kind: sim.ChipGone, Part: p.Chip}, on)
		return true
	}
	return false
}
