package agent

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// constants maps the identifiers of agent/alarm's names to the names, in the order of their const block.
func constants(t *testing.T) map[string]alarm.Name {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("alarm", "name.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]alarm.Name{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST || g.Specs[0].(*ast.ValueSpec).Names[0].Name != "none" {
			continue
		}
		for i, s := range g.Specs[1 : len(g.Specs)-1] { // between none and names
			out[s.(*ast.ValueSpec).Names[0].Name] = alarm.Name(i + 1)
		}
	}
	if len(out) != len(alarm.Names()) {
		t.Fatalf("found %d constants of %d names", len(out), len(alarm.Names()))
	}
	return out
}

// Every alarm of the catalogue is raised in the file it names, and nothing here makes a name up.
func TestEveryAlarmIsRaisedWhereTheCatalogueSays(t *testing.T) {
	known := constants(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]map[alarm.Name]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		used["agent/"+file] = map[alarm.Name]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.SelectorExpr:
				if p, ok := x.X.(*ast.Ident); ok && p.Name == "alarm" {
					if name, ok := known[x.Sel.Name]; ok {
						used["agent/"+file][name] = true
					}
				}
			case *ast.CallExpr: // alarm.Name(7) would go around the catalogue
				if s, ok := x.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Name" {
					if p, ok := s.X.(*ast.Ident); ok && p.Name == "alarm" {
						t.Errorf("%s makes a name up", file)
					}
				}
			case *ast.CompositeLit: // nor would a number
				typ, ok := x.Type.(*ast.SelectorExpr)
				if !ok || typ.Sel.Name != "Alarm" {
					return true
				}
				for _, e := range x.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if _, literal := kv.Value.(*ast.BasicLit); literal && kv.Key.(*ast.Ident).Name == "Name" {
							t.Errorf("%s raises a name that is no constant", file)
						}
					}
				}
			}
			return true
		})
	}
	for _, n := range alarm.Names() {
		if by := n.Definition().By; !used[by][n] {
			t.Errorf("%s is not raised in %s", n, by)
		}
	}
}

// Who may end an alarm: the unit itself, a measurement, or a person; and a person only when the machine agrees.
func TestWhoEndsAnAlarm(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		code := func(n alarm.Name, scope string) string {
			err := v.clearAlarm(n, scope)
			var p *problem.Problem
			if err != nil && !errors.As(err, &p) {
				t.Fatal(err)
			}
			if p != nil {
				return p.Code
			}
			return ""
		}
		if got := code(alarm.StoreDamaged, "seg-1.db"); got != problem.CodeNotFound {
			t.Errorf("one that does not stand: %s", got)
		}
		v.a.board.Set(alarm.Alarm{Name: alarm.StoreDamaged, Scope: "seg-1.db"})
		if got := code(alarm.StoreDamaged, "seg-1.db"); got != "" || v.a.board.Has(alarm.StoreDamaged, "seg-1.db") {
			t.Errorf("a note that was read: %s", got)
		}
		if got := code(alarm.RigCheckMissing, ""); got != problem.CodeUnsafe {
			t.Errorf("by proof: %s", got)
		}
		v.wire.cut(true)
		v.raised(alarm.GuardGone, alarm.ScopeUnit, time.Second)
		if got := code(alarm.GuardGone, ""); got != problem.CodeUnsafe {
			t.Errorf("by itself: %s", got)
		}
		v.wire.cut(false)
		if _, err := (commands{v.a}).Start(context.Background(), api.StartPour{Beverage: v.a.menu.items[0].id, TargetUL: 150_000, Mode: api.ModePortion, Source: "touch"}); err == nil {
			t.Error("it pours without a guard")
		}
	})
}

// What the machine, the hardware and the host say becomes these alarms, and nothing is lost that has no name.
func TestWatch(t *testing.T) {
	parts := newScopes([]hal.Part{
		{ID: "still", Kind: hal.KindValve, Carrier: "water.still", Chip: "soc"},
		{ID: "flow_still", Kind: hal.KindMeter, Serves: []string{"still"}, Chip: "soc"},
		{ID: "p01", Kind: hal.KindPump, Chip: "d1"},
		{ID: "s01", Kind: hal.KindSlot, Pump: "p01", Chip: "r1"},
		{ID: "t_water", Kind: hal.KindSensor},
	})
	if got := strings.Join(parts.slot["s01"], " "); got != "s01 p01 d1" {
		t.Errorf("slot hangs on %s", got)
	}
	if got := strings.Join(parts.carrier("water.still"), " "); got != "still soc flow_still" {
		t.Errorf("line hangs on %s", got)
	}
	fault := func(f machine.Fault) watched { return watched{state: machine.State{Faults: []machine.Fault{f}}} }
	health := func(f hal.Fault) watched { return watched{health: []hal.Fault{f}} }
	for _, c := range []struct {
		name string
		in   watched
		want string
	}{
		{"nothing", watched{}, ""},
		{"two inputs at once", watched{state: machine.State{Interlocks: hal.Door | hal.TrayFull}}, "door/unit tray_full/unit"},
		{"inputs unreadable", watched{state: machine.State{Fault: pour.ReasonInterlock}}, "interlock_unreadable/unit"},
		{"rig lost", watched{state: machine.State{Fault: pour.ReasonRigLost}}, "rig_lost/unit"},
		{"starting", watched{state: machine.State{Fault: machine.FaultStarting}}, ""},
		{"flow", watched{state: machine.State{Fault: machine.CodeFlow}}, "unexpected_flow/unit"},
		{"locked line", fault(machine.Fault{Scope: "still", Code: pour.ReasonOverFlow, Evidence: "x", Locked: true}), "over_flow/still"},
		{"slot's pump", fault(machine.Fault{Scope: "s01", Code: pour.ReasonHardware, Part: "p01", Evidence: "x", Locked: true}), "output_fault/s01"},
		{"weep", fault(machine.Fault{Scope: "still", Code: machine.CodeWeep, Evidence: "x"}), "weep/still"},
		{"one pour without water", fault(machine.Fault{Scope: "still", Code: pour.ReasonNoFlow, Evidence: "x"}), ""},
		{"carbonating", fault(machine.Fault{Scope: "sparkling", Code: machine.CodeCarbonating}), ""},
		{"a lock nobody knows", fault(machine.Fault{Scope: "still", Code: "new", Evidence: "x", Locked: true}), "output_fault/still"},
		{"a note nobody knows", fault(machine.Fault{Scope: "still", Code: "new", Evidence: "x"}), "hardware/still"},
		{"dry", watched{dry: []string{"still"}}, "no_flow/still"},
		{"chip gone", health(hal.Fault{Part: "d1", What: "x", Kind: hal.FaultGone}), "chip_gone/d1"},
		{"pump gone", health(hal.Fault{Part: "p01", What: "x", Kind: hal.FaultGone}), "part_gone/p01"},
		{"sensor gone", health(hal.Fault{Part: "t_water", What: "x", Kind: hal.FaultGone}), "hardware/t_water"},
		{"unconfirmed", health(hal.Fault{Part: "p01", What: "x", Kind: hal.FaultUnconfirmed}), "strokes_unconfirmed/p01"},
		{"lost pulses", health(hal.Fault{Part: "flow_still", What: "x", Kind: hal.FaultLost}), "meter_uncertain/flow_still"},
		{"keeps level", health(hal.Fault{Part: "soc", What: "x", Kind: hal.FaultKeepsLevel}), "lines_keep_level/unit"},
		{"no kind", health(hal.Fault{Part: "soc", What: "smells"}), "hardware/soc"},
		{"disk", watched{free: 10 << 20, size: 1 << 34}, "store_full/unit"},
		{"small disk", watched{free: 1 << 30, size: 1 << 38}, "store_full/unit"},
		{"clock, at first", watched{up: time.Minute}, ""},
		{"clock", watched{up: time.Hour}, "clock_untrusted/unit"},
		{"clock set", watched{up: time.Hour, clock: true}, ""},
		{"configuration", watched{refused: []string{"x"}}, "config_refused/unit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			if c.in.cloud.State == "" {
				c.in.cloud.State = cloudOff
			}
			for _, a := range newWatch(parts).step(c.in) {
				got = append(got, a.Name.String()+"/"+a.Scope)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// What happens in an instant stands for an hour; what is slow to matter takes its time.
func TestWatchOverTime(t *testing.T) {
	w := newWatch(newScopes(nil))
	at := func(up time.Duration, edit func(*watched)) string {
		in := watched{up: up, clock: true, cloud: api.Cloud{State: cloudOnline}}
		if edit != nil {
			edit(&in)
		}
		s := ""
		for _, a := range w.step(in) {
			s += a.Name.String() + " "
		}
		return strings.TrimSpace(s)
	}
	reset := func(in *watched) { in.health = []hal.Fault{{Part: "x1", What: "x", Kind: hal.FaultReset}} }
	for _, c := range []struct {
		up   time.Duration
		edit func(*watched)
		want string
	}{
		{0, nil, ""},
		{time.Second, reset, "expander_reset"},
		{time.Hour, nil, "expander_reset"},
		{time.Hour + 2*time.Second, nil, ""},
		{2 * time.Hour, func(in *watched) { in.state.LoopGaps = 1 }, "loop_gap"},
		{2*time.Hour + 59*time.Minute, func(in *watched) { in.state.LoopGaps = 1 }, "loop_gap"},
		{3*time.Hour + time.Second, func(in *watched) { in.state.LoopGaps = 1 }, ""},
		{4 * time.Hour, func(in *watched) { in.state.LoopGaps, in.state.VeryLate = 1, 9 }, ""},
		{4*time.Hour + 30*time.Second, func(in *watched) { in.state.LoopGaps, in.state.VeryLate = 1, 19 }, "loop_late"},
		{4*time.Hour + 5*time.Minute, func(in *watched) { in.state.LoopGaps, in.state.VeryLate = 1, 19 }, ""},
		{5 * time.Hour, func(in *watched) { in.state.LoopGaps, in.state.VeryLate, in.cloud.State = 1, 19, cloudOffline }, ""},
		{30 * time.Hour, func(in *watched) { in.state.LoopGaps, in.state.VeryLate, in.cloud.State = 1, 19, cloudOffline }, "cloud_offline"},
		{31 * time.Hour, func(in *watched) { in.state.LoopGaps, in.state.VeryLate = 1, 19 }, ""},
	} {
		if got := at(c.up, c.edit); got != c.want {
			t.Errorf("after %s: %q, want %q", c.up, got, c.want)
		}
	}
}

// Who clears an alarm without its scope is told which there are, and the command for each.
func TestClearNamesTheScopes(t *testing.T) {
	board := alarm.New(nil)
	for _, scope := range []string{"seg-a-1.db", "state.db"} {
		board.Set(alarm.Alarm{Name: alarm.StoreDamaged, Scope: scope})
	}
	desk := alarmDesk{&Agent{board: board}}
	err := problem.From(desk.clear(api.ClearAlarm{Name: "store_damaged", Scope: alarm.ScopeUnit}))
	if err.Code != problem.CodeNotFound || err.What != "this alarm stands for seg-a-1.db, state.db" ||
		err.Remedy != "say for which: fountainctl alarms clear store_damaged seg-a-1.db; fountainctl alarms clear store_damaged state.db" {
		t.Errorf("%+v", err)
	}
	board.ClearAll(alarm.StoreDamaged)
	if err := problem.From(desk.clear(api.ClearAlarm{Name: "store_damaged", Scope: "state.db"})); err.What != "this alarm does not stand" {
		t.Errorf("%+v", err)
	}
}
