package rigfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

const samples = "../../testdata/rig"

func TestGoodSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := rigfile.Load(f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestDemo(t *testing.T) {
	r, err := rigfile.Load(filepath.Join(samples, "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[hal.Kind]int{}
	parts := map[string]hal.Part{}
	for _, p := range r.Parts() {
		count[p.Kind]++
		parts[p.ID] = p
	}
	want := map[hal.Kind]int{hal.KindValve: 3, hal.KindPump: 80, hal.KindMeter: 2, hal.KindInterlock: 5, hal.KindSlot: 80}
	if d := cmp.Diff(want, count); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(hal.Part{ID: "master", Kind: hal.KindValve, Owner: hal.OwnerGuard, MaxOpen: 60e9, QMax: 110_000, Chip: "soc"}, parts["master"]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(hal.Part{ID: "flow_still", Kind: hal.KindMeter, Owner: hal.OwnerAgent, PulsesPerLitre: 1000, Serves: []string{"still"}, Chip: "soc"}, parts["flow_still"]); d != "" {
		t.Error(d)
	}
	if parts["s80"].Pump != "p80" || parts["p80"].StrokeUL != 10 || parts["still"].Carrier != "water.still" {
		t.Errorf("s80 %+v, p80 %+v", parts["s80"], parts["p80"])
	}
	if r.Sim.OnOwnerDeath != rigfile.DeathHold {
		t.Errorf("on_owner_death %q", r.Sim.OnOwnerDeath)
	}
}

func TestReference(t *testing.T) {
	r, err := rigfile.Load(filepath.Join(samples, "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]hal.Part{}
	for _, p := range r.Parts() {
		parts[p.ID] = p
	}
	for _, want := range []hal.Part{
		{ID: "master", Kind: hal.KindValve, Owner: hal.OwnerGuard, MaxOpen: time.Minute, QMax: 110000, SupplyMA: 6000, CurrentMA: 500, Chip: "soc"},
		{ID: "p01", Kind: hal.KindPump, Owner: hal.OwnerAgent, StrokeUL: 100, MaxRate: 300, CurrentMA: 600, Chip: "d1"},
		{ID: "s01", Kind: hal.KindSlot, Owner: hal.OwnerAgent, Pump: "p01", Chip: "r1"},
		{ID: "co2", Kind: hal.KindInterlock, Owner: hal.OwnerAgent, Signal: hal.NoCO2, Chip: "soc"},
		{
			ID: "stir_right", Kind: hal.KindAgitator, Owner: hal.OwnerAgent, MaxOpen: 30 * time.Second, CurrentMA: 800, Every: 2 * time.Hour, For: 15 * time.Second,
			Slots: []string{"s09", "s10", "s11", "s12", "s13", "s14", "s15", "s16"}, Chip: "x1",
		},
		{ID: "p_co2", Kind: hal.KindSensor, Owner: hal.OwnerAgent, Role: hal.RoleCO2Pressure, Chip: "a1"},
	} {
		if d := cmp.Diff(want, parts[want.ID]); d != "" {
			t.Error(d)
		}
	}
	if w := r.Board.Watchdog; w == nil || w.Path != "/dev/watchdog0" || w.Timeout != 10*time.Second {
		t.Errorf("watchdog %+v", w)
	}
	if h := r.Heartbeat; h == nil || h.Every != 25*time.Millisecond || h.Line.Chip != "soc" || h.Line.Line != 12 {
		t.Errorf("heartbeat %+v", h)
	}
	if i := slices.IndexFunc(r.Chips, func(c rigfile.Chip) bool { return c.ID == "x1" }); r.Chips[i].Reset == nil || r.Chips[i].Reset.ActiveHigh {
		t.Errorf("reset of x1: %+v", r.Chips[i].Reset)
	}
	if s := r.Sensors[0]; s.Every != 2*time.Second || s.Scale != 0.001 || s.Min != -5 || s.Max != 60 {
		t.Errorf("sensor %+v", s)
	}
}

// The twins of the emulator's machine differ in their levels and times alone, so that what one proves is proved for both.
func TestTwins(t *testing.T) {
	normal := func(name string) *rigfile.Rig {
		r, err := rigfile.Load(filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		r.Path = ""
		high := r.Valves[0].Line.ActiveHigh
		for i := range r.Valves {
			same(t, &r.Valves[i].Line.ActiveHigh, high)
		}
		for i := range r.Pumps {
			same(t, &r.Pumps[i].Line.ActiveHigh, high)
			if r.Pumps[i].Sense != nil {
				same(t, &r.Pumps[i].Sense.ActiveHigh, high)
			}
		}
		for i := range r.Agitators {
			same(t, &r.Agitators[i].Line.ActiveHigh, high)
		}
		for i := range r.Interlocks {
			same(t, &r.Interlocks[i].SafeHigh, !high)
		}
		for i := range r.Chips {
			if reset := r.Chips[i].Reset; reset != nil {
				same(t, &reset.ActiveHigh, !high)
			}
		}
		return r
	}
	ignore := cmpopts.IgnoreUnexported(rigfile.Rig{})
	if d := cmp.Diff(normal("emulator.yaml"), normal("emulator-low.yaml"), ignore); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(normal("emulator-short.yaml"), normal("emulator-low-short.yaml"), ignore); d != "" {
		t.Error(d)
	}
}

// same checks that a level is the one of the whole twin, and forgets it.
func same(t *testing.T, level *bool, want bool) {
	t.Helper()
	if *level != want {
		t.Error("a level of the other twin")
	}
	*level = false
}

// Each bad sample says in its first line what must be said about it: the line and the key path, or a text.
// Peers: CocktailBerry guesses the polarity, and pumps run at boot (#430).
func TestBadSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samples, "bad", "*.yaml"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(b), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatal("the sample does not say what it wants")
			}
			_, err = rigfile.Load(f)
			if err == nil {
				t.Fatal("accepted")
			}
			if problem.ExitCode(err) != 2 {
				t.Errorf("exit code %d, want 2", problem.ExitCode(err))
			}
			list := all(err)
			found := false
			for _, p := range list {
				line := strings.TrimPrefix(strings.TrimPrefix(p.Where, f), ":") + ": " + p.What
				found = found || strings.Contains(line, want)
				if p.Code != problem.CodeBadConfig || p.Remedy == "" || !strings.HasPrefix(p.Where, f) {
					t.Errorf("incomplete: %+v", p)
				}
			}
			if !found || len(list) > 2 {
				t.Errorf("want %q, got:\n%v", want, err)
			}
		})
	}
}

// all returns the problems an error joins.
func all(err error) (out []*problem.Problem) {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			out = append(out, all(e)...)
		}
		return out
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		out = append(out, p)
	}
	return out
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := rigfile.Parse("x", []byte("chips: [{id: a, kind: zebra}]\noutputs: [{id: b}]\nwheels: 4\n"))
	if n := len(all(err)); n < 6 {
		t.Errorf("%d problems told:\n%v", n, err)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := rigfile.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if p := problem.From(err); p.Code != problem.CodeNotFound || p.Remedy == "" {
		t.Errorf("%+v", p)
	}
}

// Whatever is broken in a good file, the parser answers with problems that have a place; it never panics, and what it
// accepts has a MASTER of the guard's.
func TestMutations(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(samples, "every-key.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := append([]byte(nil), good...)
		for range rapid.IntRange(1, 4).Draw(t, "cuts") {
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			n := rapid.IntRange(0, min(12, len(b)-at)).Draw(t, "n")
			put := rapid.SampledFrom([]string{"", " ", "x", "-1", "\n", "{", "[", "&a", "*a", "null", "!!int ", "99999999999999999999"}).Draw(t, "put")
			b = append(append(append([]byte(nil), b[:at]...), put...), b[at+n:]...)
		}
		check(t, b)
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func check(t fataler, b []byte) {
	r, err := rigfile.Parse("rig", b)
	if err != nil {
		list := all(err)
		if len(list) == 0 {
			t.Fatalf("an error that is no problem: %v", err)
		}
		for _, p := range list {
			if !strings.HasPrefix(p.Where, "rig") || p.Remedy == "" {
				t.Fatalf("incomplete: %+v", p)
			}
		}
		return
	}
	for _, p := range r.Parts() {
		if p.ID == hal.Master && p.Owner == hal.OwnerGuard && p.MaxOpen > 0 && p.QMax > 0 {
			return
		}
	}
	t.Fatalf("accepted without MASTER:\n%s", b)
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "bad/*.yaml"} {
		files, _ := filepath.Glob(filepath.Join(samples, pattern))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}
