package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fountain/agent"
	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/guard"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/hal/sim"
)

// live is a whole unit: plant, guard and agent in this process, in real time, over real sockets.
type live struct {
	t      *testing.T
	plant  *sim.Plant
	socket string
	valve  string // of still water
	meter  string // that counts it
}

func newLive(t *testing.T) *live {
	t.Helper()
	state, err := os.MkdirTemp("", "fctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	plano, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	var full []sim.Cartridge
	for _, s := range plano.Slots {
		full = append(full, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: int64(s.VolumeML * 1000)})
	}
	plant, err := sim.NewPlant(sim.Config{Quiet: true, Live: true, Cartridges: full})
	if err != nil {
		t.Fatal(err)
	}
	u := &live{t: t, plant: plant, socket: filepath.Join(state, "run", api.ServiceSocket)}
	for _, p := range plant.Rig().Parts() {
		if p.Kind == hal.KindValve && p.Carrier == "water.still" {
			u.valve = p.ID
		}
	}
	for _, p := range plant.Rig().Parts() {
		if p.Kind == hal.KindMeter && slices.Contains(p.Serves, u.valve) {
			u.meter = p.ID
		}
	}
	log := func(who string) *slog.Logger {
		return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})).With("who", who)
	}
	u.guard(filepath.Join(state, "run"), log("guard"))

	rig, err := plant.Open(hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	link, err := beat.Dial(filepath.Join(state, "run", beat.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadLayers(config.Layers{
		Environ: []string{"FOUNTAIN_UNIT_SERIAL=T-1", "FOUNTAIN_CLOUD_ENABLED=false"}, Technician: filepath.Join(state, config.TechnicianName),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := agent.New(ctx, agent.Config{State: state, Rig: agent.RigSim, Config: cfg}, agent.Deps{Rig: rig, Pacer: plant.Pacer(), Guard: link, Log: log("agent")})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
		_ = link.Close()
		_ = rig.Close()
	})
	<-ready
	c := api.NewClient(u.socket)
	t.Cleanup(c.Close)
	u.await("the unit is ready", 10*time.Second, func() bool {
		s, err := c.Status(t.Context())
		return err == nil && s.Unit == api.UnitReady
	})
	return u
}

func (u *live) guard(run string, log *slog.Logger) {
	u.t.Helper()
	rig, err := u.plant.Open(hal.OwnerGuard)
	if err != nil {
		u.t.Fatal(err)
	}
	if err := os.MkdirAll(run, 0o755); err != nil {
		u.t.Fatal(err)
	}
	beats, err := beat.Listen(filepath.Join(run, beat.SocketName))
	if err != nil {
		u.t.Fatal(err)
	}
	last, err := beat.OpenLast(filepath.Join(run, beat.LastName))
	if err != nil {
		u.t.Fatal(err)
	}
	g, err := guard.New(guard.Deps{Rig: rig, Pacer: u.plant.Pacer(), Beats: beats, Memory: last, Log: log}, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	u.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			u.t.Errorf("guard: %v", err)
		}
		_ = beats.Close()
		_ = last.Close()
		_ = rig.Close()
	})
}

func (u *live) await(what string, patience time.Duration, ok func() bool) time.Duration {
	u.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > patience {
			u.t.Fatalf("not in %s: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

// open lists the valves that are commanded open.
func (u *live) open() (ids []string) {
	for _, v := range u.plant.State().Valves {
		if v.Commanded {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

func (u *live) cupML() float64 {
	sum := int64(0)
	for _, ul := range u.plant.CupUL() {
		sum += ul
	}
	return float64(sum) / 1000
}

// run runs fountainctl in this process; its input is stdin.
func (u *live) run(stdin io.Reader, args ...string) (code int, out, errs string) {
	u.t.Helper()
	var o, e bytes.Buffer
	code = run(u.t.Context(), args, u.env, stdin, &o, &e)
	u.t.Logf("fountainctl %s: %d\n%s%s", strings.Join(args, " "), code, o.String(), e.String())
	return code, o.String(), e.String()
}

// stalled tells whether an operation ended because this host stood still for more than 100 ms: then everything shuts, as
// it must, and the test is no wiser.
func stalled(s string) bool {
	return strings.Contains(s, "loop gap") || strings.Contains(s, "guard gone") || strings.Contains(s, "loop_gap") || strings.Contains(s, "guard_gone")
}

// ready tells whether the unit pours: a guard that was not heard of for too long comes back by itself.
func (u *live) ready() bool {
	c := api.NewClient(u.socket)
	defer c.Close()
	s, err := c.Status(u.t.Context())
	return err == nil && s.Reason != pour.ReasonGuardGone && s.Unit != api.UnitStarting
}

// steady is run, again when the host stalled.
func (u *live) steady(args ...string) (code int, out, errs string) {
	u.t.Helper()
	for range 8 {
		u.await("the unit is ready", 30*time.Second, u.ready)
		u.plant.NewCup()
		u.plant.EmptyTray()
		if code, out, errs = u.run(strings.NewReader(""), args...); !stalled(errs) {
			break
		}
		u.t.Log("the host stalled: once more")
	}
	return code, out, errs
}

func (u *live) env(k string) string {
	return map[string]string{envSocket: u.socket, envPerson: "ada"}[k]
}

// start runs the fountainctl that testscript has put into the path as a process of its own.
func (u *live) start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	u.t.Helper()
	cmd := exec.Command("fountainctl", args...)
	cmd.Env = append(os.Environ(), envSocket+"="+u.socket, envPerson+"=ada")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, u.t.Output()
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, &out
}

// opJSON is the last of the operations in out.
func opJSON(t *testing.T, out string) (o api.Op) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		err := d.Decode(&o)
		if err == io.EOF {
			return o
		}
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	}
}

// TestServiceOfALiveUnit drives a real agent on the simulated plant.
func TestServiceOfALiveUnit(t *testing.T) {
	t.Parallel()
	u := newLive(t)
	none := strings.NewReader("")

	// The wizard, as a person walks through it: PIN twice, language, zone, the dry self-test, calibrations later.
	code, out, _ := u.run(strings.NewReader("482915\n482915\nde\nEurope/Berlin\ny\nq\n"), "setup")
	if code != 0 || !strings.Contains(out, "everything answers") || !strings.Contains(out, "1 step left") {
		t.Errorf("the wizard: %d", code)
	}
	if code, out, _ = u.run(none, "setup", "--status"); code != 0 || strings.Count(out, "  done    ") != 6 || !strings.Contains(out, "6/7  done    rig check") {
		t.Errorf("after the wizard: %d", code)
	}
	if code, out, _ = u.run(none, "lines"); code != 0 || !strings.Contains(out, u.meter) || !strings.Contains(out, "never: by its name plate") {
		t.Errorf("lines: %d", code)
	}
	if code, out, _ = u.run(none, "cartridge", "inserted", "s01", "--json"); code != 0 || !strings.Contains(out, `"state": "ok"`) {
		t.Errorf("cartridge inserted: %d", code)
	}

	code, out, _ = u.steady("rinse", "--set", "ml=100", "--yes", "--json")
	o := opJSON(t, out)
	if in := u.cupML(); code != 0 || o.Outcome != api.OpDone || o.FlowedUL < 95_000 || in < 80 {
		t.Errorf("rinse: %d, %+v, %.0f ml in the cup", code, o, in)
	}

	if err := u.plant.Inject(sim.Fault{Kind: sim.DoorOpen}); err != nil {
		t.Fatal(err)
	}
	u.await("the open door is seen", 5*time.Second, func() bool {
		code, _, _ := u.run(none, "alarms", "--json")
		_, out, _ := u.run(none, "status", "--json")
		return code == 0 && strings.Contains(out, `"door"`)
	})
	if code, _, errs := u.steady("prime", u.valve, "--yes"); code != 3 || !strings.Contains(errs, "door") {
		t.Errorf("with the door open: %d, %s", code, errs)
	}
	if err := u.plant.Clear(sim.Fault{Kind: sim.DoorOpen}); err != nil {
		t.Fatal(err)
	}
	u.await("the unit is ready again", 5*time.Second, func() bool {
		_, out, _ := u.run(none, "status", "--json")
		return strings.Contains(out, `"unit": "ready"`)
	})

	code, out, _ = u.run(none, "audit", "--json")
	var log []api.AuditEntry
	if err := json.Unmarshal([]byte(out), &log); err != nil || code != 0 {
		t.Fatal(code, err)
	}
	for _, want := range []string{"start selftest (dry)", "selftest", "start rinse", "rinse", "start prime"} {
		if !slices.ContainsFunc(log, func(e api.AuditEntry) bool { return e.Action == want && e.Person == "ada" }) {
			t.Errorf("%q is not on record", want)
		}
	}
	if open := u.open(); len(open) > 0 {
		t.Errorf("open at the end: %v", open)
	}
}

// TestLeavingAnOperationShutsEverything: Ctrl-C, a lost terminal, a killed and a stopped fountainctl.
// Peers: CocktailPi leaves a valve open when its task is cancelled.
func TestLeavingAnOperationShutsEverything(t *testing.T) {
	u := newLive(t)
	for _, c := range []struct {
		name string
		args []string
		sig  syscall.Signal
		code int           // -1: it was killed; -2: it hangs
		most time.Duration // generous on a shared host: the limits themselves are asserted in virtual time
	}{
		{"Ctrl-C", []string{"prime", u.valve, "--yes", "--json"}, syscall.SIGINT, 1, time.Second},
		{"lost terminal", []string{"rinse", "--set", "ml=3000", "--yes", "--json"}, syscall.SIGHUP, 1, time.Second},
		{"killed", []string{"rinse", "--set", "ml=3000", "--yes", "--json"}, syscall.SIGKILL, -1, time.Second},
		{"stopped", []string{"rinse", "--set", "ml=3000", "--yes", "--json"}, syscall.SIGSTOP, -2, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			u.t = t
			client := api.NewClient(u.socket)
			defer client.Close()
			last := func() api.AuditEntry {
				log, err := client.Audit(t.Context())
				if err != nil || len(log) == 0 {
					return api.AuditEntry{}
				}
				return log[0]
			}
			var cmd *exec.Cmd
			var out *bytes.Buffer
			for try := 1; ; try++ {
				u.await("the unit is ready", 10*time.Second, func() bool {
					s, err := client.Status(t.Context())
					return err == nil && s.Unit == api.UnitReady
				})
				u.plant.NewCup()
				u.plant.EmptyTray()
				cmd, out = u.start(c.args...)
				u.await("water flows, or the host has stalled", 10*time.Second, func() bool { return u.cupML() > 3 || stalled(last().Result) })
				if !stalled(last().Result) || try == 5 {
					break
				}
				_ = cmd.Wait()
			}
			if err := cmd.Process.Signal(c.sig); err != nil {
				t.Fatal(err)
			}
			took := u.await("everything is shut", c.most, func() bool { return len(u.open()) == 0 })
			t.Logf("shut %s after %s, %.0f ml in the cup", took, c.name, u.cupML())
			if c.code == -2 {
				_ = cmd.Process.Signal(syscall.SIGCONT)
			}
			_ = cmd.Wait()
			if c.code >= 0 {
				o := opJSON(t, out.String())
				if got := cmd.ProcessState.ExitCode(); got != c.code || o.Outcome != api.OpStopped || o.FlowedUL == 0 {
					t.Errorf("exit code %d, %+v", got, o)
				}
				if in := u.cupML(); in < float64(o.FlowedUL)/1000*0.9-5 {
					t.Errorf("%d µL flowed by the tool, %.0f ml are in the cup", o.FlowedUL, in)
				}
			}
			u.await("it is on record", 5*time.Second, func() bool {
				return last().Action == c.args[0] && strings.HasPrefix(last().Result, "stopped")
			})
			if open := u.open(); len(open) > 0 {
				t.Errorf("open again: %v", open)
			}
		})
	}
}

// typist answers on standard input what is asked on standard error: a figure is what the cup holds.
type typist struct {
	u  *live
	in *io.PipeWriter

	mu  sync.Mutex
	all strings.Builder
}

func (y *typist) Write(b []byte) (int, error) {
	y.mu.Lock()
	y.all.Write(b)
	y.mu.Unlock()
	switch s := string(b); {
	case strings.HasSuffix(s, "[y/N] "):
		y.u.plant.NewCup()
		y.u.plant.EmptyTray()
		go fmt.Fprintln(y.in, "y")
	case strings.HasSuffix(s, "): "):
		go fmt.Fprintf(y.in, "%.1f ml\n", y.u.cupML())
	}
	return len(b), nil
}

// TestGuidedCalibration measures a meter as a person would: by what stands in the cup.
func TestGuidedCalibration(t *testing.T) {
	t.Parallel()
	u := newLive(t)
	for try := 1; ; try++ {
		u.await("the unit is ready", 30*time.Second, u.ready)
		r, w := io.Pipe()
		y := &typist{u: u, in: w}
		var out bytes.Buffer
		code := run(t.Context(), []string{"calibrate", u.meter}, u.env, r, &out, y)
		_ = r.Close()
		t.Logf("%d\n%s%s", code, out.String(), y.all.String())
		if code == 0 {
			break
		}
		if try == 8 || !stalled(y.all.String()) {
			t.Fatalf("exit code %d", code)
		}
	}
	line := func() api.Line {
		_, out, _ := u.run(strings.NewReader(""), "lines", u.meter, "--json")
		var l []api.Line
		if err := json.Unmarshal([]byte(out), &l); err != nil || len(l) != 1 {
			t.Fatal(err, out)
		}
		return l[0]
	}
	l := line()
	if l.Calibration == nil || l.Calibration.Person != "ada" || l.Calibration.Factor < 0.95 || l.Calibration.Factor > 1.05 || len(l.Calibration.Points) < 2 {
		t.Fatalf("%+v", l)
	}
	if code, _, _ := u.run(strings.NewReader(""), "calibrate", "--undo", u.meter); code != 0 {
		t.Errorf("undo: %d", code)
	}
	if l := line(); l.Calibration != nil {
		t.Errorf("after the undo: %+v", l)
	}
}
