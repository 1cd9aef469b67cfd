// Command fountain-ui is the touch screen of a dispenser. It draws, takes fingers and asks the agent; it controls
// nothing itself. Without its beats a pour stops.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"fountain/agent/api"
	_ "fountain/internal/clocale" // before Fyne reads the locale
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/problem"
)

const usage = `fountain-ui is the touch screen of a dispenser.

Usage:
  fountain-ui [--display auto|web|none] [--http ADDR] [--socket SOCKET] [--size WxH] [--token T]

Examples:
  fountain-ui --socket .desk/unit-1/run/agent.sock
  fountain-ui --display web --http 127.0.0.1:8081 --size 800x480
  fountain-ui --display none --socket /run/fountain/agent.sock

It waits for an agent that is not there yet. FOUNTAIN_SOCKET names the socket too.

Flags:
`

// options are the command line.
type options struct {
	display, http, socket, token string
	width, height                int
}

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

// parse reads the flags.
func parse(args []string, getenv func(string) string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("fountain-ui", flag.ContinueOnError)
	socket := filepath.Join("/run/fountain", api.AgentSocket)
	if s := getenv("FOUNTAIN_SOCKET"); s != "" {
		socket = s
	}
	flags.StringVar(&o.display, "display", "auto", "where to draw: auto, web (a page in a browser), none (in memory)")
	flags.StringVar(&o.http, "http", "127.0.0.1:0", "`ADDR` of the web display; port 0 picks a free one")
	flags.StringVar(&o.socket, "socket", socket, "the agent's `SOCKET`")
	flags.StringVar(&o.token, "token", "", "token `T` of the printed URL; random when empty")
	size := flags.String("size", "1080x1920", "`WxH` of the panel in pixels, for displays that have no size of their own")
	if err := cmdline.Parse(flags, args, usage, stdout); err != nil {
		return o, err
	}
	if err := cmdline.NoArguments(flags); err != nil {
		return o, err
	}
	if o.width, o.height, err = parseSize(*size); err != nil {
		return o, err
	}
	if len(o.socket) > maxSocketPath {
		return o, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "--socket " + o.socket, What: fmt.Sprintf("the path has %d bytes, Linux allows %d", len(o.socket), maxSocketPath),
			Remedy: "choose a shorter one",
		}
	}
	return o, checkDisplay(o.display)
}

// maxSocketPath is what Linux allows: sun_path less its final zero.
const maxSocketPath = 107

// Limits of a panel: below, nothing fits; above, a frame takes more memory than a unit has to spare.
const (
	minSide = 320
	maxSide = 4096
)

func parseSize(s string) (w, h int, err error) {
	a, b, ok := strings.Cut(s, "x")
	w, err1 := strconv.Atoi(a)
	h, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || min(w, h) < minSide || max(w, h) > maxSide {
		return 0, 0, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "--size " + s, What: "that is no size of a panel",
			Remedy: fmt.Sprintf("give WxH with sides of %d to %d pixels, such as 1080x1920 or 800x480", minSide, maxSide),
		}
	}
	return w, h, nil
}

func checkDisplay(d string) error {
	switch d {
	case "auto", "web", "none":
		return nil
	case "drm", "fbdev":
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "--display " + d, What: "this version cannot draw on a panel of its own yet",
			Remedy: "use --display web and open the printed URL",
		}
	}
	return &problem.Problem{
		Code: problem.CodeBadRequest, Where: "--display " + d, What: "there is no such display", Remedy: "use auto, web or none",
	}
}

// watch ends ctx with the parent process.
func watch(ctx context.Context, getenv func(string) string) (context.Context, error) {
	ctx, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadRequest, Where: lifeline.EnvFD, What: err.Error(), Remedy: "start fountain-ui without it"}
	}
	return ctx, nil
}
