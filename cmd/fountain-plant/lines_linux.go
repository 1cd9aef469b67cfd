package main

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"

	"fountain/hal/sim"
	"fountain/hal/sim/lines"
)

// memoryLimit is where the collector begins to work after all in a plant that must not pause.
const memoryLimit = 200 << 20

// wireLines puts the plant behind the kernel's lines. The plant is hardware then: nothing may hold up its thread, so the
// collector rests and there are processors to spare for it.
func wireLines(plant *sim.Plant, log *slog.Logger) (run func(context.Context) error, done func() error, err error) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	b, err := lines.New(plant, "", log)
	if err != nil {
		return nil, nil, err
	}
	return b.Run, b.Close, nil
}
