package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/agent/guard"
	"fountain/hal"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
)

const samples = "../../testdata/rig"

// asOwner makes this test binary an agent that opens its valves at the plant whose socket it names, and waits to be killed;
// asGuard makes it fountain-guard.
const (
	asOwner = "FOUNTAIN_TEST_OWNER"
	asGuard = "FOUNTAIN_TEST_GUARD"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asOwner) != "":
		os.Exit(owner(os.Getenv(asOwner)))
	case os.Getenv(asGuard) != "":
		main()
	}
	os.Exit(m.Run())
}

func owner(socket string) int {
	rig, _, err := sim.Dial(context.Background(), socket, hal.OwnerAgent)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	bit, err := rig.Outputs().Bit("still")
	if err == nil {
		err = rig.Outputs().Apply(bit, bit)
	}
	fmt.Println("open", err)
	select {}
}

// command runs fountain-guard in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

// short is a directory whose path leaves room for a socket's name.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string // on stdout with code 0, else on stderr
	}{
		"help":              {[]string{"--help"}, 0, []string{"Usage:", "--all-off", "--rig", "Examples:"}},
		"version":           {[]string{"--version"}, 0, []string{"fountain-guard"}},
		"unknown flag":      {[]string{"--valve", "still"}, 2, []string{"-valve", "--help"}},
		"argument":          {[]string{"--state", "x", "open"}, 2, []string{"unexpected argument", "open"}},
		"no state":          {nil, 2, []string{"no state directory", "--state", "/var/lib/fountain"}},
		"no state, a run":   {[]string{"--run", "x", "--rig", "reference.yaml"}, 2, []string{"no state directory"}},
		"no rig":            {[]string{"--state", "x", "--rig", ""}, 2, []string{"no rig given"}},
		"all off, nothing":  {[]string{"--all-off"}, 2, []string{"no state directory"}},
		"no rig file":       {[]string{"--state", short(t), "--rig", "none.yaml"}, 2, []string{"no such rig file", "none.yaml"}},
		"all off, no file":  {[]string{"--all-off", "--rig", "none.yaml"}, 2, []string{"no such rig file"}},
		"bad rig file":      {[]string{"--state", short(t), "--rig", samples + "/bad/master-of-agent.yaml"}, 2, []string{"MASTER must be the guard's", "master-of-agent.yaml:7 outputs[0](master).owner", "set owner: guard"}},
		"all off, bad file": {[]string{"--all-off", "--rig", samples + "/bad/no-max-open.yaml"}, 2, []string{"max_open: "}},
		"no such chip":      {[]string{"--state", short(t), "--rig", samples + "/emulator.yaml"}, 2, []string{"emulator.yaml chips(soc).label", "GPIO"}},
		"state is a file":   {[]string{"--state", file}, 1, []string{"a part of its path is a file"}},
		"long state":        {[]string{"--state", filepath.Join(t.TempDir(), strings.Repeat("x", 100))}, 2, []string{"longer than 107 bytes", "shorter directory"}},
		"no plant":          {[]string{"--state", short(t)}, 1, []string{"no plant answers", "plant.sock", "start fountain-plant"}},
		"all off, no plant": {[]string{"--all-off", "--state", short(t)}, 1, []string{"no plant answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := command(t, tc.args...)
			said := errs
			if tc.code == 0 {
				said = out
			}
			if code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, said)
			}
			for _, s := range tc.says {
				if !strings.Contains(said, s) {
					t.Errorf("%q is missing in: %s", s, said)
				}
			}
			if tc.code != 0 && out != "" {
				t.Errorf("stdout: %s", out)
			}
		})
	}
}

// A kernel that keeps the level of a dead process's lines is refused with exit code 3, before any line is opened.
func TestUnsafeKernelIsRefused(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "sys/module/pinctrl_bcm2835/parameters")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "persist_gpio_outputs"), []byte("Y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := short(t)
	o := options{state: state, run: filepath.Join(state, "run"), rig: samples + "/reference.yaml", hw: []linux.Option{linux.WithRoot(root)}}
	err := serve(t.Context(), o, func(string) string { return "" }, &bytes.Buffer{})
	if code := problem.ExitCode(err); code != 3 || !strings.Contains(err.Error(), "strict_gpiod") {
		t.Errorf("exit code %d: %v", code, err)
	}
}

// On a machine without the rig's chips nothing can be shut, and every part says so.
func TestAllOffWithoutHardware(t *testing.T) {
	code, out, errs := command(t, "--all-off", "--rig", samples+"/emulator.yaml")
	if code != 1 || !strings.Contains(errs, "6 of 6 outputs and chips could not be shut") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, id := range []string{"master", "still", "sparkling", "p09", "d1", "x1"} {
		if !strings.Contains(out, "\n"+id+": not shut: ") && !strings.HasPrefix(out, id+": not shut: ") {
			t.Errorf("%s is missing in: %s", id, out)
		}
	}
}

// plant serves a simulated machine, whose lines hold when their owner dies, in the run directory of a new state directory.
func plant(t *testing.T) (*sim.Plant, string) {
	t.Helper()
	rig, err := rigfile.Load(samples + "/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := sim.NewPlant(sim.Config{Rig: rig, Seed: 1, Quiet: true, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	state := short(t)
	if err := os.MkdirAll(filepath.Join(state, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(state, "run", sim.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.NewServer(p, slog.New(slog.DiscardHandler)).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("plant: %v", err)
		}
	})
	return p, state
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// opened tells whether MASTER was ever opened: a beat that a busy host delays shuts it again, and latches.
func opened(p *sim.Plant) bool {
	return slices.ContainsFunc(p.State().Events, func(e sim.Event) bool { return e.Part == hal.Master && e.What == sim.CommandedOpen })
}

// An agent dies with a valve open and its line holds: --all-off shuts it, and leaves the living guard's MASTER alone.
func TestAllOffAfterADeath(t *testing.T) {
	p, state := plant(t)
	still := func() bool {
		for _, v := range p.State().Valves {
			if v.ID == "still" {
				return v.Commanded
			}
		}
		t.Fatal("the demo rig has no valve still")
		return false
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asOwner+"="+filepath.Join(state, "run", sim.SocketName))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	await(t, "the agent opens a valve", still)
	code, out, _ := command(t, "--all-off", "--state", state)
	if code != 0 || !strings.Contains(out, "agent: held by a running process") || !still() {
		t.Errorf("with a living agent: exit code %d, open %v: %s", code, still(), out)
	}
	guard, _, err := sim.Dial(t.Context(), filepath.Join(state, "run", sim.SocketName), hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !still() {
		t.Fatal("the line fell by itself: the test proves nothing")
	}
	code, out, errs := command(t, "--all-off", "--state", state)
	if code != 0 || !strings.Contains(out, "agent: all outputs shut") || !strings.Contains(out, "guard: held by a running process") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if still() {
		t.Error("the valve is still open")
	}
}

// The program as a whole: it says ready, refuses a second one, opens MASTER for a beat, stays small, and ends on SIGTERM
// with MASTER shut.
func TestProgram(t *testing.T) {
	p, state := plant(t)
	cmd := exec.Command(os.Args[0], "--state", state)
	cmd.Env = append(os.Environ(), asGuard+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	link, err := beat.Dial(filepath.Join(state, "run", beat.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	tick := uint64(0)
	await(t, "MASTER opens for a beat", func() bool {
		tick++
		return link.Send(beat.Packet{Session: 1, Tick: tick, WantMaster: true}) == nil && opened(p)
	})
	if code, _, errs := command(t, "--state", state); code != 1 || !strings.Contains(errs, "another guard runs") {
		t.Errorf("a second guard: exit code %d: %s", code, errs)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	ended = true
	if err != nil {
		t.Errorf("ended with %v: %s", err, errs.String())
	}
	if p.State().Master.Commanded {
		t.Error("MASTER is open after the guard ended")
	}
	if !strings.Contains(errs.String(), "msg=ready") {
		t.Errorf("log: %s", errs.String())
	}
	if l, err := beat.ReadLast(filepath.Join(state, "run", beat.LastName)); err != nil || l.MasterOpen || l.Packet.Session != 1 {
		t.Errorf("last-beat file: %+v, %v", l, err)
	}
}

// dogDevice is a watchdog that knows whether it was stopped.
type dogDevice struct{ disarmed bool }

func (d *dogDevice) Feed() error   { return nil }
func (d *dogDevice) Disarm() error { d.disarmed = true; return nil }
func (d *dogDevice) Close() error  { return nil }

// A guard that cannot begin stops the watchdog: a state directory that is not writable is no reboot loop.
func TestNoRebootLoopByABadDirectory(t *testing.T) {
	p, state := plant(t)
	lines, err := p.Open(hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	file := filepath.Join(state, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dog := &dogDevice{}
	log := slog.New(slog.DiscardHandler)
	r := &rig{lines: lines, pacer: p.Pacer(), dog: dog, watch: dog}
	err = watch(t.Context(), options{state: filepath.Join(file, "state")}, log, r, guard.Deps{Rig: lines, Pacer: r.pacer, Log: log})
	if problem.ExitCode(err) == 0 || !dog.disarmed {
		t.Errorf("watchdog stopped: %v; %v", dog.disarmed, err)
	}
}
