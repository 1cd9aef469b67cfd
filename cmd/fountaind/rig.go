package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"fountain/agent"
	"fountain/agent/config"
	"fountain/hal"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

const (
	rigWait  = 5 * time.Second // for a plant that starts at the same moment
	rigRetry = 100 * time.Millisecond
	shutWait = 2 * time.Second // for leaving the outputs shut without an agent

	// priority of the control loop: above the HAL's own threads, below the guard, which has the last word.
	priority = 55
)

// hardware is the rig of the agent, opened when the agent says so.
type hardware struct {
	kind string
	open func(context.Context) (hal.Rig, hal.Pacer, error)
	loop func() (restore func()) // nil: the simulator paces by package time, on any thread
	rig  hal.Rig
}

// chooseRig checks what --rig names.
func chooseRig(o options, log *slog.Logger) (*hardware, error) {
	h := &hardware{kind: agent.RigSim}
	open := func(ctx context.Context) (hal.Rig, hal.Pacer, error) { return openSim(ctx, o.run) }
	if o.rig != config.RigSim {
		file, err := rigfile.Load(o.rig)
		if err != nil {
			return nil, err
		}
		h.kind = agent.RigHW
		h.loop = func() func() { return punctual(log) }
		open = func(ctx context.Context) (hal.Rig, hal.Pacer, error) {
			return linux.Open(ctx, file, hal.OwnerAgent, append(o.hw, linux.WithLog(log))...)
		}
	}
	h.open = func(ctx context.Context) (_ hal.Rig, pacer hal.Pacer, err error) {
		h.rig, pacer, err = open(ctx)
		return h.rig, pacer, err
	}
	return h, nil
}

// close shuts everything; the machine has done so already.
func (h *hardware) close() {
	if h.rig != nil {
		_ = h.rig.Close() // nothing is left to act on
	}
}

// punctual gives the control loop a thread of its own with real-time priority, and locks the memory; what the kernel
// refuses is told once.
func punctual(log *slog.Logger) (restore func()) {
	restore, err := linux.Realtime(priority)
	if err = errors.Join(err, linux.LockMemory()); err != nil {
		log.Warn("runs without what makes it punctual", slog.Any(logkey.Err, err))
	}
	return restore
}

// openSim opens the agent's lines at the plant. The plant of a desk may start at the same moment, so it is given a while.
func openSim(ctx context.Context, run string) (hal.Rig, hal.Pacer, error) {
	socket := filepath.Join(run, sim.SocketName)
	// The rig outlives ctx: at the end the machine still has to shut its valves over it.
	life := context.WithoutCancel(ctx)
	for end := time.Now().Add(rigWait); ; {
		rig, pacer, err := sim.Dial(life, socket, hal.OwnerAgent)
		if err == nil {
			return rig, pacer, nil
		}
		if errors.Is(err, hal.ErrBusy) || time.Now().After(end) || ctx.Err() != nil {
			p := &problem.Problem{
				Code: problem.CodeUnreachable, Where: socket, What: "the rig does not answer: " + problem.From(err).What,
				Remedy: "start fountain-plant for this state directory, or use fountain-desk", Retry: true,
			}
			if errors.Is(err, hal.ErrBusy) {
				p.Code, p.What, p.Remedy = problem.CodeConflict, "another agent holds the rig's lines", "stop it first"
			}
			return nil, nil, p
		}
		t := time.NewTimer(rigRetry)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
	}
}

// leaveShut shuts what a dead agent may have left open, when this one ends before it can open the rig: a wrong
// configuration must not keep a valve open. It needs to know the rig; what a running process holds is left alone. Where
// the rig is not known (no --rig and an unreadable configuration), fountain-guard --all-off of the service unit does it.
func leaveShut(ctx context.Context, o options, stderr io.Writer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutWait)
	defer cancel()
	var err error
	switch o.rig {
	case "":
		return
	case config.RigSim:
		var rig hal.Rig
		if rig, _, err = sim.Dial(ctx, filepath.Join(o.run, sim.SocketName), hal.OwnerAgent); err == nil {
			err = rig.Close()
		}
		if errors.Is(err, hal.ErrBusy) || errors.Is(err, hal.ErrGone) {
			return // somebody else's, or no machine at all
		}
	default:
		var file *rigfile.Rig
		if file, err = rigfile.Load(o.rig); err != nil {
			return // told already, or nothing is known of the lines
		}
		var list []linux.Off
		list, err = linux.AllOff(ctx, file, o.hw...)
		for _, off := range list {
			if off.Err != nil {
				err = errors.Join(err, fmt.Errorf("shut %s: %w", off.ID, off.Err))
			}
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "fountaind: outputs may be open: %v\n", err)
	}
}
