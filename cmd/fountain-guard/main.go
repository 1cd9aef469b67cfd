// Command fountain-guard holds the master valve of one dispenser and lets go when anything stops.
//
//	flags ──► rig (sim or file, as the guard) + watchdog + beat socket ──► guard.Run until SIGTERM
//	      └──► --all-off: every output that nobody holds is shut, and let go of
//
// Exit codes: 0 done, 1 failed, 2 wrong use or rig file, 3 refused for safety.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"fountain/agent/beat"
	"fountain/agent/guard"
	"fountain/hal/linux"
	"fountain/internal/build"
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

const usage = `fountain-guard holds the master valve: it opens it only while the agent beats and wants it open.

Usage:
  fountain-guard --state DIR [--rig sim|FILE] [--run DIR]
  fountain-guard --all-off --rig FILE
  fountain-guard --all-off --state DIR [--rig sim]

Examples:
  fountain-guard --state /var/lib/fountain --rig /etc/fountain/rig.yaml
  fountain-guard --state .desk/unit-1 --rig sim
  fountain-guard --all-off --rig /etc/fountain/rig.yaml

With --rig sim it needs fountain-plant at DIR/run/plant.sock; fountain-desk starts both. --all-off shuts every output that
no running process holds and ends; a service unit runs it when the agent or the guard has died (ExecStopPost).

Flags:
`

// maxSocketPath is what Linux allows: sun_path less its final zero.
const maxSocketPath = 107

// memoryLimit is soft: the loop allocates nothing, so the heap stays far below it (DESIGN 2: RSS ≤ 10 MB).
const memoryLimit = 8 << 20

// bootID is the kernel's random id of this boot.
const bootID = "/proc/sys/kernel/random/boot_id"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	state, rig, run string
	allOff          bool

	hw []linux.Option // for tests
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case err != nil:
	case o.allOff:
		err = allOff(ctx, o, stdout)
	default:
		err = serve(ctx, o, getenv, stderr)
	}
	return cmdline.Exit("fountain-guard", err, stderr)
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("fountain-guard", flag.ContinueOnError)
	flags.StringVar(&o.state, "state", "", "state directory `DIR` of the unit")
	flags.StringVar(&o.rig, "rig", rigSim, "sim, or a rig `FILE`")
	flags.StringVar(&o.run, "run", "", "run directory `DIR` for the sockets (default: /run/fountain on a device, else STATE/run)")
	flags.BoolVar(&o.allOff, "all-off", false, "shut every output that no running process holds, and end")
	if err := cmdline.Parse(flags, args, usage, stdout); err != nil {
		return o, err
	}
	if err := cmdline.NoArguments(flags); err != nil {
		return o, err
	}
	if o.rig == "" {
		return o, &problem.Problem{Code: problem.CodeBadRequest, Where: "--rig", What: "no rig given", Remedy: "use sim, or the path of a rig file"}
	}
	if o.state == "" {
		if o.run != "" || o.allOff && o.rig != rigSim {
			return o, nil
		}
		return o, &problem.Problem{Code: problem.CodeBadRequest, Where: "--state", What: "no state directory given", Remedy: "give the unit's state directory, for example " + cmdline.DeviceState}
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return o, fmt.Errorf("find the state directory: %w", err)
	}
	if o.run == "" {
		o.run = cmdline.RunDir(o.state)
	}
	return o, nil
}

func serve(ctx context.Context, o options, getenv func(string) string, stderr io.Writer) error {
	if o.state == "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "--state", What: "no state directory given", Remedy: "give the unit's state directory, for example " + cmdline.DeviceState}
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	log := slog.New(slog.NewTextHandler(stderr, nil))
	ctx, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return err
	}
	beats, err := beat.Listen(filepath.Join(o.run, beat.SocketName))
	if err != nil {
		return describe(err, o.run)
	}
	defer beats.Close()
	last, err := beat.OpenLast(filepath.Join(o.run, beat.LastName))
	if err != nil {
		return describe(err, o.run)
	}
	defer last.Close()
	r, err := openRig(ctx, o, log)
	if err != nil {
		return err
	}
	defer r.Close()
	return watch(ctx, o, log, r, guard.Deps{Rig: r.lines, Pacer: r.pacer, Beats: beats, Memory: last, Log: log})
}

// watch guards until ctx ends. When it cannot begin, for example because the state directory is not writable, it stops the
// watchdog: nothing is open, and a reset would mend nothing.
func watch(ctx context.Context, o options, log *slog.Logger, r *rig, deps guard.Deps) (err error) {
	began := false
	defer func() {
		if !began {
			err = errors.Join(err, r.disarm())
		}
	}()
	if r.dog != nil {
		boot, err := os.ReadFile(bootID)
		if err != nil {
			return fmt.Errorf("read the boot's id: %w", err)
		}
		if err := os.MkdirAll(o.state, 0o755); err != nil {
			return describe(err, o.state)
		}
		ledger := guard.OpenLedger(filepath.Join(o.state, guard.LedgerName), strings.TrimSpace(string(boot)), r.pacer.Now, log)
		lctx, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { ledger.Run(lctx) })
		defer wg.Wait()
		defer stop()
		deps.Dog, deps.Resets = r.dog, ledger
	}
	g, err := guard.New(deps, 0)
	if err != nil {
		return err
	}
	restore := r.ready(log)
	defer restore()
	log.Info("ready", slog.String(logkey.Path, o.run), slog.String("rig", o.rig), slog.String(logkey.Version, build.Version))
	began = true
	if err := g.Run(ctx); err != nil {
		return err // the watchdog runs on: without another guard the machine resets
	}
	return r.disarm()
}

// describe adds the place and the remedy to what the run directory may refuse.
func describe(err error, runDir string) error {
	switch {
	case errors.Is(err, unix.ENAMETOOLONG), len(filepath.Join(runDir, beat.SocketName)) > maxSocketPath:
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "--state " + filepath.Dir(runDir), What: fmt.Sprintf("the sockets' path is longer than %d bytes", maxSocketPath), Remedy: "choose a shorter directory"}
	case errors.Is(err, unix.ENOTDIR):
		return &problem.Problem{Code: problem.CodeNotWritable, Where: runDir, What: "the run directory cannot be made: a part of its path is a file", Remedy: "choose another --state"}
	case errors.Is(err, unix.EADDRINUSE):
		return &problem.Problem{Code: problem.CodeAddrInUse, Where: runDir, What: "another guard runs for this unit", Remedy: "stop it first", Retry: true}
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EROFS):
		return &problem.Problem{Code: problem.CodeNotWritable, Where: runDir, What: "the run directory is not writable", Remedy: "give this user write access, or choose another --state"}
	}
	return err
}
