package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"

	"fountain/agent/guard"
	"fountain/hal"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// rigSim is the --rig of a simulated machine.
const rigSim = "sim"

// priority of the guard's loop: above the agent's and above the HAL's threads, because it is the last to stop.
const priority = 60

// rig is the guard's hardware.
type rig struct {
	lines hal.Rig
	pacer hal.Pacer
	dog   guard.Dog // nil: the board has none
	watch watchdog  // the same; nil: none
}

// watchdog is what the program does with one; *linux.Watchdog is the real one.
type watchdog interface {
	guard.Dog
	Disarm() error
	Close() error
}

// openRig opens the guard's lines and, last, the watchdog: once it runs, only a guard that runs keeps the machine up.
func openRig(ctx context.Context, o options, log *slog.Logger) (*rig, error) {
	if o.rig == rigSim {
		lines, pacer, err := sim.Dial(ctx, filepath.Join(o.run, sim.SocketName), hal.OwnerGuard)
		if err != nil {
			return nil, err // it names the plant's socket and the remedy
		}
		return &rig{lines: lines, pacer: pacer}, nil
	}
	file, err := rigfile.Load(o.rig)
	if err != nil {
		return nil, err
	}
	r := &rig{}
	if r.lines, r.pacer, err = linux.Open(ctx, file, hal.OwnerGuard, append(o.hw, linux.WithLog(log))...); err != nil {
		return nil, err
	}
	if w := file.Board.Watchdog; w != nil {
		dog, err := linux.OpenWatchdog(w.Path, w.Timeout)
		if err != nil {
			_ = r.lines.Close() // nothing was opened yet; the watchdog is what there is to tell
			return nil, err
		}
		r.dog, r.watch = dog, dog
		if got := dog.Timeout(); got != w.Timeout {
			log.Warn("the watchdog's driver chose another timeout", slog.Duration("want", w.Timeout), slog.Duration("got", got))
		}
	}
	return r, nil
}

// ready gives the loop its thread and, on real lines, priority and locked memory; what the kernel refuses is told once.
func (r *rig) ready(log *slog.Logger) (restore func()) {
	if _, real := r.pacer.(linux.Pacer); !real {
		runtime.LockOSThread()
		return runtime.UnlockOSThread
	}
	restore, err := linux.Realtime(priority)
	if err = errors.Join(err, linux.LockMemory()); err != nil {
		log.Warn("runs without what makes it punctual", slog.Any(logkey.Err, err))
	}
	return restore
}

// disarm stops the watchdog: the guard was told to end.
func (r *rig) disarm() error {
	if r.watch == nil {
		return nil
	}
	return r.watch.Disarm()
}

// Close shuts MASTER and lets go of its line. A watchdog that was not disarmed runs on.
func (r *rig) Close() {
	_ = r.lines.Close() // the guard has shut it already, or told why not
	if r.watch != nil {
		_ = r.watch.Close() // running, it is in nobody's hands now
	}
}

// allOff shuts what nobody holds and tells about the rest.
func allOff(ctx context.Context, o options, stdout io.Writer) error {
	if o.rig == rigSim {
		return simOff(ctx, o, stdout)
	}
	file, err := rigfile.Load(o.rig)
	if err != nil {
		return err
	}
	list, err := linux.AllOff(ctx, file, o.hw...)
	if err != nil {
		return err
	}
	shut, failed := 0, 0
	for _, off := range list {
		switch {
		case off.Err != nil:
			p := problem.From(off.Err)
			fmt.Fprintf(stdout, "%s: not shut: %s: %s\n", off.ID, p.What, p.Remedy)
			failed++
		case off.Busy != "":
			fmt.Fprintf(stdout, "%s: held by %s, left alone\n", off.ID, off.Busy)
		default:
			shut++
		}
	}
	fmt.Fprintf(stdout, "%d of %d outputs and chips shut\n", shut, len(list))
	if failed > 0 {
		return &problem.Problem{
			Code: problem.CodeUnreachable, Where: o.rig, What: fmt.Sprintf("%d of %d outputs and chips could not be shut", failed, len(list)),
			Remedy: "press the emergency stop, which cuts the valve supply, and see the list", Retry: true,
		}
	}
	return nil
}

// simOff does the same at the plant, where an owner is opened as a whole.
func simOff(ctx context.Context, o options, stdout io.Writer) error {
	socket := filepath.Join(o.run, sim.SocketName)
	for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		lines, _, err := sim.Dial(ctx, socket, owner)
		switch {
		case errors.Is(err, hal.ErrBusy):
			fmt.Fprintf(stdout, "%s: held by a running process, left alone\n", owner)
		case err != nil:
			return err
		default:
			if err := lines.Close(); err != nil {
				return fmt.Errorf("shut the lines of the %s: %w", owner, err)
			}
			fmt.Fprintf(stdout, "%s: all outputs shut\n", owner)
		}
	}
	return nil
}
