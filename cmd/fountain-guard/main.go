// Command fountain-guard holds the master valve of one dispenser and lets go when anything stops.
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
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"fountain/agent/beat"
	"fountain/agent/guard"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/internal/build"
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

const usage = `fountain-guard holds the master valve: it opens it only while the agent beats and wants it open.

Usage:
  fountain-guard --state DIR [--rig sim|FILE]

Examples:
  fountain-guard --state /var/lib/fountain
  fountain-guard --state .desk/unit-1 --rig sim

With --rig sim it needs fountain-plant at DIR/run/plant.sock; fountain-desk starts both.

Flags:
`

// maxSocketPath is what Linux allows: sun_path less its final zero.
const maxSocketPath = 107

// memoryLimit is soft: the loop allocates nothing, so the heap stays far below it (DESIGN 2: RSS ≤ 10 MB).
const memoryLimit = 8 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fountain-guard", flag.ContinueOnError)
	state := flags.String("state", "", "state directory `DIR` of the unit; sockets are in DIR/run")
	rig := flags.String("rig", "sim", "sim, or a rig `FILE`")
	err := cmdline.Parse(flags, args, usage, stdout)
	if err == nil {
		err = cmdline.NoArguments(flags)
	}
	if err == nil {
		err = serve(ctx, *state, *rig, getenv, stderr)
	}
	return cmdline.Exit(flags.Name(), err, stderr)
}

func serve(ctx context.Context, state, rig string, getenv func(string) string, stderr io.Writer) error {
	switch {
	case state == "":
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "--state", What: "no state directory given", Remedy: "give the unit's state directory, for example /var/lib/fountain"}
	case rig != "sim":
		return &problem.Problem{
			Code: problem.CodeBadConfig, Where: "--rig " + rig, What: "this build drives no real lines yet",
			Remedy: "use --rig sim and run fountain-plant beside it",
		}
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	log := slog.New(slog.NewTextHandler(stderr, nil))
	ctx, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return err
	}

	runDir := filepath.Join(state, "run")
	beats, err := beat.Listen(filepath.Join(runDir, beat.SocketName))
	if err != nil {
		return describe(err, runDir)
	}
	defer beats.Close()
	last, err := beat.OpenLast(filepath.Join(runDir, beat.LastName))
	if err != nil {
		return describe(err, runDir)
	}
	defer last.Close()
	lines, pacer, err := sim.Dial(ctx, filepath.Join(runDir, sim.SocketName), hal.OwnerGuard)
	if err != nil {
		return err // it names the plant's socket and the remedy
	}
	defer lines.Close()
	g, err := guard.New(guard.Deps{Rig: lines, Pacer: pacer, Beats: beats, Memory: last, Log: log}, 0)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log.Info("ready", slog.String(logkey.Path, runDir), slog.String(logkey.Version, build.Version))
	return g.Run(ctx)
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
