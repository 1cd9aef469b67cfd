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
	"strings"
	"testing"
	"time"

	"fountain/agent"
	"fountain/agent/config"
	"fountain/hal"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
)

const samples = "../../testdata/rig"

// asOwner makes this test binary an agent that opens a valve at the plant whose socket it names, and waits to be killed.
const asOwner = "FOUNTAIN_TEST_OWNER"

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

// flooded is a plant whose agent died with a valve open, on lines that hold.
func flooded(t *testing.T) (state string, open func() bool) {
	t.Helper()
	file, err := rigfile.Load(samples + "/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := sim.NewPlant(sim.Config{Rig: file, Seed: 1, Quiet: true, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	if state, err = os.MkdirTemp("", "fd"); err != nil { // a socket's path is short
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	if err := os.MkdirAll(filepath.Join(state, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(state, "run", sim.SocketName)
	l, err := net.Listen("unix", socket)
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
	open = func() bool {
		for _, v := range p.State().Valves {
			if v.ID == "still" {
				return v.Commanded
			}
		}
		t.Fatal("the demo rig has no valve still")
		return false
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asOwner+"="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !open(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			t.Fatal("the agent opens no valve")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !open() {
		t.Fatal("the line fell by itself: the test proves nothing")
	}
	return state, open
}

// An agent that cannot start, for whatever reason, leaves the outputs shut that its predecessor left open.
func TestOutputsAreShutWhateverKeepsItFromStarting(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("sync:\n  drain_rate: lots\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log.yaml")
	if err := os.WriteFile(log, []byte("log:\n  file: /proc/none/log\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		code int
		args []string
	}{
		"unreadable configuration": {2, []string{"--config", bad}},
		"missing configuration":    {2, []string{"--config", "none.yaml"}},
		"log cannot be opened":     {1, []string{"--config", log}},
	} {
		t.Run(name, func(t *testing.T) {
			state, open := flooded(t)
			var out, errs bytes.Buffer
			code := run(t.Context(), append(tc.args, "--state", state, "--rig", "sim"), nil, nil, &out, &errs)
			if code != tc.code || strings.Contains(errs.String(), "may be open") {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, errs.String())
			}
			if open() {
				t.Errorf("the valve is still open: %s", errs.String())
			}
		})
	}
}

// The lines of an agent that lives are his, whatever a second one is told.
func TestSecondAgentShutsNothing(t *testing.T) {
	state, open := flooded(t)
	rig, _, err := sim.Dial(t.Context(), filepath.Join(state, "run", sim.SocketName), hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer rig.Close()
	bit, _ := rig.Outputs().Bit("still")
	if err := rig.Outputs().Apply(bit, bit); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !open(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the valve does not open")
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--config", "none.yaml", "--state", state, "--rig", "sim"}, nil, nil, &out, &errs); code != 2 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if !open() {
		t.Error("a second agent shut the valve of the first")
	}
}

// With a rig file: what is wrong is told with its place; a kernel that keeps levels is refused with exit code 3.
func TestRigFile(t *testing.T) {
	keeps := t.TempDir()
	dir := filepath.Join(keeps, "sys/module/pinctrl_rp1/parameters")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "persist_gpio_outputs"), []byte("Y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		rig  string
		root string
		code int
		says string
	}{
		"missing":       {"none.yaml", "/", 2, "no such rig file"},
		"bad":           {samples + "/bad/line-twice.yaml", "/", 2, "line-twice.yaml:9 outputs[2](sparkling).line"},
		"no such chip":  {samples + "/emulator.yaml", "/", 2, "emulator.yaml chips(soc).label"},
		"unsafe kernel": {samples + "/reference.yaml", keeps, 3, "dtparam=strict_gpiod"},
	} {
		t.Run(name, func(t *testing.T) {
			var errs bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := serve(ctx, options{state: t.TempDir(), rig: tc.rig, hw: []linux.Option{linux.WithRoot(tc.root)}}, nil, &errs)
			if err == nil || problem.ExitCode(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("exit code %d, want %d with %q: %v", problem.ExitCode(err), tc.code, tc.says, err)
			}
		})
	}
}

func TestRigKind(t *testing.T) {
	for name, want := range map[string]string{config.RigSim: agent.RigSim, samples + "/reference.yaml": agent.RigHW} {
		h, err := chooseRig(options{rig: name}, slog.New(slog.DiscardHandler))
		if err != nil || h.kind != want {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

// What cannot be shut is told, besides the reason why the agent does not start.
func TestUnshutOutputsAreTold(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--config", "none.yaml", "--state", t.TempDir(), "--rig", samples + "/emulator.yaml"}, nil, nil, &out, &errs); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if s := errs.String(); !strings.Contains(s, "outputs may be open") || !strings.Contains(s, "shut master") || !strings.Contains(s, "none.yaml") {
		t.Errorf("stderr: %s", s)
	}
}

// The thread of the control loop can always be readied; what the kernel refuses is one line of the log.
func TestPunctual(t *testing.T) {
	var b bytes.Buffer
	done := make(chan struct{})
	go func() { // a goroutine of its own: a thread that keeps its priority must not be another test's
		defer close(done)
		restore := punctual(slog.New(slog.NewTextHandler(&b, nil)))
		restore()
	}()
	<-done
	if n := strings.Count(b.String(), "\n"); n > 1 {
		t.Errorf("%d lines: %s", n, b.String())
	}
}
