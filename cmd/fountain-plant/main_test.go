package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
	"fountain/internal/lifeline"
)

// The test binary is also the plant and an owner, so that real processes can be killed.
const roleEnv = "FOUNTAIN_PLANT_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "plant":
		main()
	case "owner":
		own(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

// own opens MASTER and the still valve and keeps them open for ever.
func own(socket string) {
	for _, o := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		r, _, err := sim.Dial(context.Background(), socket, o)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		id := hal.Master
		if o == hal.OwnerAgent {
			id = "still"
		}
		bit, err := r.Outputs().Bit(id)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if err := r.Outputs().Apply(bit, bit); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	select {}
}

// process starts this binary in a role and waits for the line that says it is ready.
func process(t *testing.T, role string, files []*os.File, env []string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), roleEnv+"="+role), env...)
	cmd.ExtraFiles = files
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most are dead already
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "ready") {
		t.Fatalf("%s said %q, %v", role, line, err)
	}
	return cmd, line
}

type unit struct {
	socket, state string
	plant         *exec.Cmd
	control       *panel.Control
}

func start(t *testing.T) *unit {
	t.Helper()
	dir := t.TempDir()
	u := &unit{socket: filepath.Join(dir, "p"), state: filepath.Join(dir, "state")}
	u.again(t)
	u.control = panel.DialControl(u.socket)
	t.Cleanup(u.control.Close)
	return u
}

func (u *unit) again(t *testing.T) {
	t.Helper()
	u.plant, _ = process(t, "plant", nil, nil, "--socket", u.socket, "--state", u.state, "--seed", "5")
}

func (u *unit) look(t *testing.T) sim.State {
	t.Helper()
	s, err := u.control.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (u *unit) await(t *testing.T, what string, cond func(sim.State) bool) sim.State {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s := u.look(t)
		if cond(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s: %+v", what, s)
		}
	}
}

func flows(s sim.State) bool { return s.Cup.TotalUL > 2_000 }

func TestKilledOwnerLeavesTheValvesOpen(t *testing.T) {
	u := start(t)
	owner, _ := process(t, "owner", nil, nil, u.socket)
	u.await(t, "water flows", flows)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead := u.await(t, "the plant sees the death", func(s sim.State) bool { return len(s.Owners) == 0 })
	if !dead.Master.Open {
		t.Fatal("MASTER fell shut; its line holds")
	}
	u.await(t, "the cup goes on filling", func(s sim.State) bool { return s.Cup.TotalUL > dead.Cup.TotalUL+10_000 })
	g, pacer, err := sim.Dial(t.Context(), u.socket, hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	at := pacer.Now() // CLOCK_MONOTONIC of this process, comparable to the plant's
	s := u.await(t, "the next guard shuts MASTER", func(s sim.State) bool { return !s.Master.Open })
	if shut := time.Duration(s.Master.CommandedShutNS); shut < time.Duration(dead.NowNS) || shut > at {
		t.Errorf("MASTER was commanded shut at %v, want between the death (%v) and the return of Dial (%v)", shut, time.Duration(dead.NowNS), at)
	}
	if s.Master.ShutNS < s.Master.CommandedShutNS {
		t.Errorf("shut at %d, commanded at %d", s.Master.ShutNS, s.Master.CommandedShutNS)
	}
}

func TestStoppedOwnerOnlyStaysSilent(t *testing.T) {
	u := start(t)
	owner, _ := process(t, "owner", nil, nil, u.socket)
	u.await(t, "water flows", flows)
	if err := owner.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before := u.look(t)
	s := u.await(t, "the plant lives on", func(s sim.State) bool { return s.NowNS > before.NowNS+int64(500*time.Millisecond) })
	if len(s.Owners) != 2 || !s.Master.Open {
		t.Errorf("owners %v, MASTER %+v", s.Owners, s.Master)
	}
	if _, _, err := sim.Dial(t.Context(), u.socket, hal.OwnerGuard); !errors.Is(err, hal.ErrBusy) {
		t.Errorf("another guard: %v, want ErrBusy", err)
	}
}

func TestKilledPlantLeavesItsState(t *testing.T) {
	u := start(t)
	g, _, err := sim.Dial(t.Context(), u.socket, hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	a, _, err := sim.Dial(t.Context(), u.socket, hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	master, _ := g.Outputs().Bit(hal.Master)
	still, _ := a.Outputs().Bit("still")
	for rig, bit := range map[hal.Rig]uint64{g: master, a: still} {
		if err := rig.Outputs().Apply(bit, bit); err != nil {
			t.Fatal(err)
		}
	}
	last := u.await(t, "water flows", flows)
	time.Sleep(50 * time.Millisecond)
	if err := u.plant.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := g.Interlocks().Now(); errors.Is(err, hal.ErrGone) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the guard does not hear of the plant's death")
		}
	}
	if err := a.Outputs().Apply(still, 0); !errors.Is(err, hal.ErrGone) {
		t.Errorf("apply: %v", err)
	}
	left, err := sim.ReadState(u.state)
	if err != nil {
		t.Fatal(err)
	}
	if left.Cup.TotalUL < last.Cup.TotalUL || !left.Master.Open {
		t.Errorf("the file holds %d µL, the cup had %d", left.Cup.TotalUL, last.Cup.TotalUL)
	}
	u.control.Close()
	u.again(t)
	s := u.look(t)
	if s.Cup.TotalUL != left.Cup.TotalUL || s.Master.Open || s.Master.ShutNS <= left.NowNS {
		t.Errorf("started again with %d µL (file %d), MASTER %+v", s.Cup.TotalUL, left.Cup.TotalUL, s.Master)
	}
}

func TestStaysUntilItsOwnersShut(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket, state := filepath.Join(dir, "p"), filepath.Join(dir, "state")
	plant, _ := process(t, "plant", []*os.File{r}, []string{lifeline.EnvFD + "=3"}, "--socket", socket, "--state", state)
	_ = r.Close() // the plant has its own
	g, _, err := sim.Dial(t.Context(), socket, hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	bit, _ := g.Outputs().Bit(hal.Master)
	if err := g.Outputs().Apply(bit, bit); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the parent is gone
	time.Sleep(300 * time.Millisecond)
	if _, err := g.Interlocks().Now(); err != nil {
		t.Fatalf("the plant left before its owner: %v", err)
	}
	closed := time.Now()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := plant.Wait(); err != nil {
		t.Errorf("plant: %v", err)
	}
	if d := time.Since(closed); d < lingerAfter {
		t.Errorf("it stayed only %v beyond its owner", d)
	}
	s, err := sim.ReadState(state)
	if err != nil || s.Master.Open || s.Master.ShutNS == 0 {
		t.Errorf("MASTER %+v, %v", s.Master, err)
	}
}

func TestStopsBySignal(t *testing.T) {
	u := start(t)
	if err := u.plant.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := u.plant.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if _, err := os.Stat(u.socket); err == nil {
		t.Error("the socket file is left")
	}
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	l, err := net.Listen("unix", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	sock := filepath.Join(dir, "p")
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no socket", nil, 2, "--socket"},
		{"unknown flag", []string{"--colour"}, 2, "colour"},
		{"argument", []string{"--socket", sock, "x"}, 2, "unexpected argument: x"},
		{"socket taken", []string{"--socket", taken}, 1, "another plant already serves"},
		{"no directory", []string{"--socket", filepath.Join(dir, "no", "p")}, 2, "mkdir -p"},
		{"path too long", []string{"--socket", filepath.Join(dir, strings.Repeat("x", 120))}, 2, "shorter"},
		{"no rig file", []string{"--socket", sock, "--rig", filepath.Join(dir, "rig.yaml")}, 2, "no such rig file"},
		{"bad rig file", []string{"--socket", sock, "--rig", "../../testdata/rig/bad/no-owner.yaml"}, 2, "no-owner.yaml:8 outputs[1](still).owner"},
		{"state not writable", []string{"--socket", sock, "--state", filepath.Join(dir, "no", "s")}, 1, "--state"},
		{"port in use", []string{"--socket", sock, "--http", tcp.Addr().String()}, 1, "already in use"},
		{"help", []string{"--help"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := run(t.Context(), tt.args, func(string) string { return "" }, strings.NewReader(""), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("exit %d, want %d with %q:\n%s", code, tt.code, tt.says, stderr.String())
			}
			if tt.code == 0 && !strings.Contains(stdout.String(), "Examples:") {
				t.Errorf("help: %s", stdout.String())
			}
			if tt.code != 0 && stdout.Len() > 0 {
				t.Errorf("it claims to be ready: %s", stdout.String())
			}
		})
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	u := start(t)
	if err := u.plant.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = u.plant.Wait() // killed
	u.control.Close()
	u.again(t)
	u.look(t)
}

// The demo machine can pour what the demo catalogue asks for: at the strongest flow each pump keeps its ratio with 25 %
// to catch up, and half a stroke is at most 1.25 % of the smallest dose of a 240 ml drink.
func TestDemoRigFitsTheCatalogue(t *testing.T) {
	const fastest, drink = 100_000.0, 240_000.0 // µL/s of carrier, µL
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	rig := sim.DemoRig()
	pumpOf := map[beverage.IngredientID]hal.Part{}
	for _, s := range plan.Slots {
		for _, slot := range rig.Slots {
			for _, p := range rig.Parts() {
				if slot.ID == s.Slot && p.ID == slot.Pump {
					pumpOf[s.Ingredient] = p
				}
			}
		}
		if _, ok := pumpOf[s.Ingredient]; !ok {
			t.Errorf("slot %s of the planogram is not in the demo rig", s.Slot)
		}
	}
	checked := 0
	for _, b := range cat.Brands {
		for _, v := range b.Beverages {
			total, carrier := 0.0, 0.0
			for _, p := range v.Recipe.Parts {
				total += p.Parts
				if p.Ingredient == beverage.IngredientID("water."+v.Recipe.Carrier) {
					carrier += p.Parts
				}
			}
			for _, p := range v.Recipe.Parts {
				pump, ok := pumpOf[p.Ingredient]
				if !ok {
					continue
				}
				checked++
				if rate, can := fastest*p.Parts/carrier, float64(pump.StrokeUL)*pump.MaxRate; can < 1.25*rate {
					t.Errorf("%s: %s needs %.0f µL/s, %s gives %.0f", v.ID, p.Ingredient, rate, pump.ID, can)
				}
				if dose := drink * p.Parts / total; float64(pump.StrokeUL)/2 > 0.0125*dose {
					t.Errorf("%s: half a stroke of %s is %.1f %% of its %.0f µL of %s", v.ID, pump.ID, 50*float64(pump.StrokeUL)/dose, dose, p.Ingredient)
				}
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d doses checked", checked)
	}
}
