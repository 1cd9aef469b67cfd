// Command fountain-ui is the touch screen of a dispenser. It draws, takes fingers and asks the agent; it controls
// nothing itself. Without its beats a pour stops.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	_ "fountain/internal/clocale" // before Fyne reads the locale
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/problem"
)

const usage = `fountain-ui is the touch screen of a dispenser.

Usage:
  fountain-ui [--display auto|drm|fbdev|web|none] [--http ADDR] [--socket SOCKET] [flags]

Examples:
  fountain-ui --socket .desk/unit-1/run/agent.sock
  fountain-ui --display web --http 127.0.0.1:8081 --size 800x480
  fountain-ui --display drm --rotate 90 --panel-mm 476x268
  fountain-ui --display drm --http 127.0.0.1:8081      # a panel, and a page that looks on
  fountain-ui --display fbdev --touch-calibration "0 1 0 -1 0 1"

auto draws on a panel on a device only, which is a machine with /run/fountain (its unit files make it): on the first
card with a panel, else on a frame buffer. Anywhere else, and without a panel, it is a page in a browser.
It waits for an agent that is not there yet. FOUNTAIN_SOCKET names the socket too.
With --assets, or CACHE_DIRECTORY as systemd sets it, tiles are composed once and mapped at every later start.

Flags:
`

// gcPercent keeps the heap near what is alive: pictures are most of it, which cost the collector nothing to look at.
const gcPercent = 15

// memoryLimit is where the runtime begins to give back what a fling left over: pictures and all else, and the frame of
// the painter, of the web display and of one browser. It is soft; more browsers go beyond it.
func memoryLimit(w, h int) int64 { return 40<<20 + 3*4*int64(w)*int64(h) }

func main() {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, _ io.Reader, stdout, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	o, err := parse(args, getenv, stdout)
	if err == nil {
		err = serve(ctx, o, getenv, stdout, log)
	}
	return cmdline.Exit("fountain-ui", err, stderr)
}

// watch ends ctx with the parent process.
func watch(ctx context.Context, getenv func(string) string) (context.Context, error) {
	ctx, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadRequest, Where: lifeline.EnvFD, What: err.Error(), Remedy: "start fountain-ui without it"}
	}
	return ctx, nil
}
