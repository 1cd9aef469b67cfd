package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fountainctl": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
	}})
}

// TestScripts runs testdata/*.txtar against an agent whose machine is a fake: $FOUNTAIN_SOCKET names it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp("", "fctl") // short: a unix socket path has at most 107 bytes
			if err != nil {
				return err
			}
			u := &unit{changed: make(chan struct{})}
			f := newFakeService()
			s := apiserver.New(apiserver.Config{
				Dir: dir, Log: slog.New(slog.DiscardHandler), Admin: apiserver.Admin{
					Cartridges: fakeSlots{f}, Alarms: fakeAlarms{f}, Setup: fakeSetup{f}, Audit: fakeTrail{f}, Settings: fakeSettings{f}, Diag: fakeDiag{},
				},
			}, u, u)
			ctx, cancel := context.WithCancel(context.Background())
			ready, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- s.Run(ctx, func() { close(ready) }) }()
			select {
			case <-ready:
			case err := <-done:
				cancel()
				return err
			}
			stop, err := serveService(filepath.Join(dir, "ops.sock"), s, f)
			if err != nil {
				cancel()
				return err
			}
			e.Defer(func() {
				cancel()
				<-done
				stop()
				_ = os.RemoveAll(dir)
			})
			e.Setenv("TZ", "UTC")
			e.Setenv("OPS_SOCKET", filepath.Join(dir, "ops.sock"))
			e.Setenv("SOCKET", filepath.Join(dir, api.ServiceSocket))
			e.Setenv("AGENT_SOCKET", filepath.Join(dir, api.AgentSocket))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "signal-when": signalWhen, "signal-op": signalOp},
	})
}

// exits runs a command and asserts its exit code: exits CODE COMMAND ARGS…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// signalWhen waits until the fake has poured something and interrupts the command in the background, as Ctrl-C does:
// signal-when NAME
func signalWhen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal-when NAME")
	}
	c := api.NewClient(ts.Getenv("SOCKET"))
	defer c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s, err := c.Snapshot(context.Background())
		if err == nil && s.Pour != nil && s.Pour.PouredUL >= 20_000 {
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing flows: %+v, %v", s.Pour, err)
		}
	}
	for _, bg := range ts.BackgroundCmds() {
		ts.Check(bg.Process.Signal(os.Interrupt))
	}
}

// signalOp waits until an operation lets something flow and sends a signal to the command in the background:
// signal-op NAME INT|HUP
func signalOp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal-op NAME INT|HUP")
	}
	c := api.NewClient(ts.Getenv("OPS_SOCKET"))
	defer c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		o, err := c.Op(context.Background(), "01OP")
		if err == nil && o.Line == "endless" && o.Outcome == "" && o.FlowedUL >= 20_000 {
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing flows: %+v, %v", o, err)
		}
	}
	sig := map[string]os.Signal{"INT": os.Interrupt, "HUP": syscall.SIGHUP}[args[1]]
	for _, bg := range ts.BackgroundCmds() {
		ts.Check(bg.Process.Signal(sig))
	}
}

// unit is a fake machine: each beat pours 10 ml. Beverages decide what happens.
type unit struct {
	mu      sync.Mutex
	changed chan struct{}
	rev     uint64
	pour    *api.Pour
}

func (u *unit) Status() api.Status {
	return api.Status{
		Version: "v1.2.3", Thing: "fountain-T1", Serial: "T1", Rig: "sim", Unit: api.UnitReady, StartedAt: time.Now().Add(-time.Minute),
		Master: "shut", Store: api.Store{Log: "Labc", Last: 12, Acked: 10, Segments: 1, Damaged: 1},
		Cloud:  api.Cloud{State: "online", Endpoint: "localhost:8883", Backlog: 2},
		Alarms: []api.Alarm{{Name: "cartridge_empty", Severity: "warns", Scope: "s07", What: "the cartridge has run dry", Remedy: "change it"}},
	}
}

func (u *unit) Snapshot() api.Snapshot {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := api.Snapshot{Rev: u.rev, Unit: api.UnitReady, Cup: true, Online: true, Blocked: map[beverage.ID]string{}}
	if u.pour != nil {
		p := *u.pour
		s.Pour = &p
	}
	return s
}

func (u *unit) Changed() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.changed
}

func (u *unit) Brands() []api.Brand {
	return []api.Brand{
		{ID: "kolvane", Name: "Kolvane", Available: true, Beverages: []api.BeverageStatus{
			{ID: "kolvane.classic", Name: "Classic", Available: true}, {ID: "kolvane.zero", Name: "Zero", Why: "sold_out"},
		}},
		{ID: "dry", Name: "Dry & Co", Why: "not_stocked", Beverages: []api.BeverageStatus{{ID: "dry.one", Name: "One", Why: "not_stocked"}}},
	}
}

func (u *unit) Catalogue() ([]byte, string) { return []byte("{}"), "sha256:0" }
func (u *unit) UIAlive()                    {}

func (u *unit) Start(_ context.Context, req api.StartPour) (api.Pour, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch req.Beverage {
	case "kolvane.classic", "faulty.one":
	case "door.open":
		return api.Pour{}, &problem.Problem{Code: problem.CodeUnsafe, Where: "door", What: "the service door is open", Remedy: "close it", Retry: true}
	default:
		return api.Pour{}, &problem.Problem{Code: problem.CodeNotFound, Where: string(req.Beverage), What: "there is no such beverage", Remedy: "see fountainctl brands"}
	}
	u.pour = &api.Pour{ID: "01POUR", Beverage: req.Beverage, Mode: req.Mode, Source: req.Source, Phase: api.PhaseFlowing, TargetUL: req.TargetUL}
	u.bump()
	return *u.pour, nil
}

func (u *unit) bump() {
	u.rev++
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *unit) Beat(string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pour.Phase != api.PhaseFlowing {
		return &problem.Problem{Code: problem.CodeConflict, What: "the pour has ended"}
	}
	u.pour.PouredUL += 10_000
	switch {
	case u.pour.Beverage == "faulty.one":
		u.end(wire.Faulted, "no_flow")
	case u.pour.PouredUL >= u.pour.TargetUL:
		u.end(wire.Completed, "")
	}
	u.bump()
	return nil
}

func (u *unit) end(o wire.Outcome, reason string) {
	p := u.pour
	p.Phase, p.Outcome, p.Reason, p.Seq = api.PhaseDone, string(o), reason, 13
	p.Record = json.RawMessage(fmt.Sprintf(`{"v":1,"id":%q,"seq":13,"counted_ul":%d,"outcome":%q,`+
		`"parts":[{"ingredient":"water.still","ul":%d,"how":"metered"}]}`, p.ID, p.PouredUL, o, p.PouredUL))
}

func (u *unit) Stop(string, string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pour.Phase == api.PhaseFlowing {
		u.end(wire.Stopped, "stopped")
		u.bump()
	}
	return nil
}

func (u *unit) Pause(string) error                    { return errNot }
func (u *unit) Resume(string) error                   { return errNot }
func (u *unit) Rinse(context.Context) (string, error) { return "", errNot }

// errNot is what this fake answers to what fountainctl never asks.
var errNot = &problem.Problem{Code: problem.CodeConflict, What: "this fake does not do that"}

func (u *unit) Pour(string) (api.Pour, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return *u.pour, nil
}
