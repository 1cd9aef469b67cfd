// Command fountain-plant is the simulated hardware as a process: guard and agent own its lines over a unix socket, a
// person breaks things on its panel page. For desk and tests only, never on a device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"fountain/agent/beverage"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/localhttp"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

const usage = `fountain-plant simulates the hardware of one dispenser: water, valves, meters, pumps, cartridges and a cup.

Usage:
  fountain-plant --socket PATH [--rig sim|FILE] [--http ADDR] [--state FILE] [--seed N]
  fountain-plant --socket PATH --rig FILE --lines

Guard and agent open its lines at the socket. Tests read GET /v1/state and send POST /v1/faults, /v1/cup, /v1/tray and
/v1/cartridges there too; --http serves the same with a panel page. A connection that breaks is the death of its owner:
lines hold or release as the rig file says (sim.on_owner_death). With --lines nobody opens lines at the socket: the plant
makes gpio-sim chips and an I²C bus in the kernel and is driven through them, for the emulator (make test-device) and
never on a device. Asked to stop, it waits up to 3 s for its owners to
leave; when its parent dies it stays 2 s longer than its owners, so that it sees them shut.

Examples:
  fountain-plant --socket .desk/unit-1/run/plant.sock --http 127.0.0.1:0
  fountain-plant --socket /tmp/p.sock --rig testdata/rig/demo.yaml --state /tmp/p.state --seed 7
  curl --unix-socket /tmp/p.sock http://fountain/v1/state
  curl --unix-socket /tmp/p.sock http://fountain/v1/faults -H 'Content-Type: application/json' \
       -d '{"kind":"stuck-open","part":"still","on":true}'

Flags:
`

const (
	lingerSignal = 3 * time.Second  // after a signal: for owners to leave
	lingerParent = 10 * time.Second // after the parent's death: for owners to leave
	lingerAfter  = 2 * time.Second  // after the parent's death: beyond the last owner
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	os.Exit(code)
}

// options are the flags.
type options struct {
	rig, socket, http, state, planogram, token string
	lines                                      bool
	seed                                       uint64
	swapCup                                    time.Duration
}

func run(ctx context.Context, args []string, getenv func(string) string, _ io.Reader, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("fountain-plant", flag.ContinueOnError)
	flags.StringVar(&o.socket, "socket", "", "unix socket `PATH` for owners and tests")
	flags.StringVar(&o.rig, "rig", "sim", "sim (the built-in demo rig), or a rig `FILE`")
	flags.StringVar(&o.http, "http", "", "`ADDR` of the panel page, for example 127.0.0.1:0; empty: none")
	flags.StringVar(&o.state, "state", "", "`FILE` that always holds the newest state, also after kill -9; a plant started again goes on from it")
	flags.StringVar(&o.planogram, "planogram", "", "planogram `FILE` that says what is in the slots; empty: the built-in one")
	flags.StringVar(&o.token, "token", "", "`TOKEN` of the panel's URL; empty: a random one")
	flags.BoolVar(&o.lines, "lines", false, "put the rig file's lines and buses into the kernel, by gpio-sim and CUSE: in the emulator only, never on a device")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of everything random; 0 takes the clock")
	flags.DurationVar(&o.swapCup, "swap-cup", 0, "put a new cup under the nozzle when nothing has flowed into a used one for so long; 0: never")
	err := cmdline.Parse(flags, args, usage, stdout)
	if err == nil {
		err = cmdline.NoArguments(flags)
	}
	if err == nil {
		err = serve(ctx, o, getenv, stdout, stderr)
	}
	return cmdline.Exit(flags.Name(), err, stderr)
}

func serve(ctx context.Context, o options, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	if o.socket == "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "--socket", What: "no socket given", Remedy: "give a path, usually STATE/run/" + sim.SocketName}
	}
	if o.lines && o.rig == "sim" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "--lines", What: "the built-in rig has no lines in a kernel", Remedy: "name a rig file whose chips are gpio-sim, as testdata/rig/emulator.yaml"}
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	plant, err := newPlant(o)
	if err != nil {
		return err
	}
	l, err := listenUnix(o.socket)
	if err != nil {
		return err
	}
	defer l.Close()
	if o.state != "" { // after the socket: only the plant that has it may touch the file
		if err := restore(plant, o.state, log); err != nil {
			return err
		}
	}

	// Work ends when stop is called; live ends earlier, when somebody asks for it.
	live, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return err
	}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil) // before wg.Wait
	part := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(work); err != nil && work.Err() == nil {
				stop(err)
			}
		})
	}

	if o.lines {
		drive, unwire, werr := wireLines(plant, log)
		if werr != nil {
			return werr
		}
		defer func() {
			stop(nil)
			wg.Wait() // the plant's thread holds what is taken away
			err = errors.Join(err, unwire())
		}()
		part(drive)
	}
	owners := sim.NewServer(plant, log)
	inside := panel.Handler(plant, owners.Wake, localhttp.UnixHost)
	if o.lines { // the owners are at the kernel's lines
		part(func(ctx context.Context) error { return serveHTTP(ctx, l, inside) })
	} else {
		inner := newConnListener(l.Addr())
		owners.Other = inner.give
		part(func(ctx context.Context) error { return serveHTTP(ctx, inner, inside) })
		part(func(ctx context.Context) error { return owners.Serve(ctx, l) })
	}
	url := ""
	if o.http != "" {
		hl, err := localhttp.Listen(o.http, "--http")
		if err != nil {
			return err
		}
		if o.token == "" {
			o.token = localhttp.NewToken()
		}
		host, _, _ := net.SplitHostPort(o.http) // Listen took it
		h := localhttp.RequireToken(o.token, panel.Handler(plant, owners.Wake, host))
		part(func(ctx context.Context) error { return serveHTTP(ctx, hl, h) })
		url = fmt.Sprintf(", panel http://%s/?token=%s", hl.Addr(), o.token)
	}
	if o.state != "" {
		w, err := sim.NewStateWriter(plant, o.state)
		if err != nil {
			return err
		}
		part(w.Run)
	}
	if o.swapCup > 0 {
		part(func(ctx context.Context) error { return swapCups(ctx, plant, owners, o.swapCup) })
	}
	fmt.Fprintf(stdout, "fountain-plant ready: socket %s, seed %d%s\n", o.socket, o.seed, url)

	select {
	case <-work.Done(): // a part failed
	case <-live.Done():
		linger(work, owners, ctx.Err() == nil, log)
	}
	stop(nil)
	wg.Wait()
	if cause := context.Cause(work); cause != context.Canceled {
		return cause
	}
	return nil
}

// linger waits for the owners to leave, and a little longer when the parent died.
func linger(ctx context.Context, owners *sim.Server, orphan bool, log *slog.Logger) {
	limit := lingerSignal
	if orphan {
		limit = lingerParent
	}
	log.Info("stopping", slog.Bool("parent_gone", orphan), slog.Int("owners", owners.Owners()))
	end := time.Now().Add(limit)
	for owners.Owners() > 0 && time.Now().Before(end) && sleep(ctx, 10*time.Millisecond) {
	}
	if orphan {
		sleep(ctx, lingerAfter)
	}
}

// sleep sleeps for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// newPlant reads the rig and fills the slots as the planogram says.
func newPlant(o options) (*sim.Plant, error) {
	rig := sim.DemoRig()
	if o.rig != "sim" {
		var err error
		if rig, err = rigfile.Load(o.rig); err != nil {
			return nil, err
		}
	}
	cat, err := beverage.Default()
	if err != nil {
		return nil, err
	}
	plan, err := beverage.LoadPlanogram(o.planogram, cat)
	if err != nil {
		return nil, err
	}
	return sim.NewPlant(sim.Config{Rig: rig, Seed: o.seed, Live: true, Cartridges: cartridges(plan, rig)})
}

// cartridges fills those slots of the planogram that the rig has.
func cartridges(plan *beverage.Planogram, rig *rigfile.Rig) []sim.Cartridge {
	have := map[string]bool{}
	for _, s := range rig.Slots {
		have[s.ID] = true
	}
	var out []sim.Cartridge
	for _, s := range plan.Slots {
		if have[s.Slot] {
			out = append(out, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: int64(s.VolumeML * 1000)})
		}
	}
	return out
}

// restore goes on where a plant with the same state file stopped. A file that cannot be read is told and replaced: it
// is an observation, not a record.
func restore(p *sim.Plant, path string, log *slog.Logger) error {
	old, err := sim.ReadState(path)
	if err != nil {
		if prob := problem.From(err); prob.Code != problem.CodeNotFound {
			log.Warn("state file ignored", slog.String(logkey.Path, path), slog.Any(logkey.Err, err))
		}
		return nil
	}
	return p.Restore(old)
}

// swapCups takes a used cup away when nothing has flowed into it for a while.
func swapCups(ctx context.Context, p *sim.Plant, owners *sim.Server, after time.Duration) error {
	last, since := int64(0), time.Now()
	for sleep(ctx, 250*time.Millisecond) {
		s := p.State()
		if s.Cup.TotalUL != last || !s.Cup.Present {
			last, since = s.Cup.TotalUL, time.Now()
		}
		if last > 0 && time.Since(since) >= after {
			p.NewCup()
			p.EmptyTray()
			owners.Wake()
		}
	}
	return nil
}

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // streams have no natural end
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
