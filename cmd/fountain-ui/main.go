// Command fountain-ui is the touch screen of a dispenser. It draws, takes fingers and asks the agent; it controls
// nothing itself. Without its beats a pour stops.
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
	"strconv"
	"strings"
	"syscall"

	"fountain/agent/api"
	"fountain/internal/build"
	"fountain/internal/lifeline"
	"fountain/internal/problem"
)

const usage = `fountain-ui is the touch screen of a dispenser.

Usage:
  fountain-ui [--display auto|web|none] [--http ADDR] [--socket SOCKET] [--size WxH] [--token T]

Examples:
  fountain-ui --socket .desk/unit-1/run/agent.sock
  fountain-ui --display web --http 127.0.0.1:8081 --size 800x480
  fountain-ui --display none

Flags:
`

// options are the command line.
type options struct {
	display, http, socket, token string
	width, height                int
}

// gcPercent keeps the heap near what is alive: pictures are most of it, and they are seldom made.
const gcPercent = 40

func main() {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, _ io.Reader, stdout, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	o, done, code := parse(args, getenv, stdout, stderr)
	if done {
		return code
	}
	err := serve(ctx, o, getenv, stdout, log)
	if err != nil {
		fmt.Fprintln(stderr, "fountain-ui:", err)
	}
	return problem.ExitCode(err)
}

// parse reads the flags; done says that there is nothing left to do.
func parse(args []string, getenv func(string) string, stdout, stderr io.Writer) (o options, done bool, code int) {
	flags := flag.NewFlagSet("fountain-ui", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	socket := filepath.Join("/run/fountain", api.AgentSocket)
	if s := getenv("FOUNTAIN_SOCKET"); s != "" {
		socket = s
	}
	flags.StringVar(&o.display, "display", "auto", "where to draw: auto, web (a page in a browser), none (in memory)")
	flags.StringVar(&o.http, "http", "127.0.0.1:0", "`ADDR` of the web display; port 0 picks a free one")
	flags.StringVar(&o.socket, "socket", socket, "the agent's `SOCKET`")
	flags.StringVar(&o.token, "token", "", "token `T` of the printed URL; random when empty")
	size := flags.String("size", "1080x1920", "`WxH` of the panel in pixels, for displays that have no size of their own")
	version := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, true, 0
	case err != nil:
		return o, true, 2
	case *version:
		fmt.Fprintln(stdout, "fountain-ui", build.Version)
		return o, true, 0
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "fountain-ui: unexpected argument: %s: see fountain-ui --help\n", flags.Arg(0))
		return o, true, 2
	}
	var err error
	if o.width, o.height, err = parseSize(*size); err == nil {
		err = checkDisplay(o.display)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fountain-ui:", err)
		return o, true, problem.ExitCode(err)
	}
	return o, false, 0
}

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
