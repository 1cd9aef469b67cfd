// Command fountain-desk runs a local cloud and simulated dispensers on one desk and prints where to look.
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
	"syscall"
	"time"

	"fountain/agent/api"
	"fountain/hal/rigfile"
	"fountain/internal/build"
	"fountain/internal/cmdline"
	"fountain/internal/desk"
	"fountain/internal/lifeline"
	"fountain/internal/problem"
)

const usage = `fountain-desk runs the whole loop on one desk: local cloud, simulated dispensers, their screens in the browser.

Usage:
  fountain-desk [--dir DIR] [--units N] [--http ADDR] [--mqtt ADDR] [--rig FILE]

Examples:
  fountain-desk
  fountain-desk --units 3 --http 127.0.0.1:9000
  fountain-desk --rig testdata/rig/reference.yaml
  fountain-desk --dir /tmp/desk --http 127.0.0.1:0 --mqtt 127.0.0.1:0

Flags:
`

// startLimit bounds the start of everything; a warm start takes a few seconds.
const startLimit = 60 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	cfg := desk.Config{Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	flags := flag.NewFlagSet("fountain-desk", flag.ContinueOnError)
	flags.StringVar(&cfg.Dir, "dir", ".desk", "state `DIR`: DIR/cloud, DIR/unit-1 …")
	flags.IntVar(&cfg.Units, "units", 1, "how many dispensers")
	flags.StringVar(&cfg.HTTP, "http", "127.0.0.1:8080", "console `ADDR`; screens follow on the next ports, panels from port+51; port 0 picks all")
	flags.StringVar(&cfg.MQTT, "mqtt", "127.0.0.1:8883", "`ADDR` of the local cloud's MQTT")
	flags.StringVar(&cfg.Rig, "rig", "", "rig `FILE` of the simulated machines (default: the built-in demo)")
	flags.BoolVar(&cfg.NoUI, "no-ui", false, "leave the screens out")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of the simulated noise; 0 takes the clock")
	flags.DurationVar(&cfg.SwapCup, "swap-cup", 5*time.Second, "put a new cup under the nozzle when a used one stood so `long`; 0: never")
	err := cmdline.Parse(flags, args, usage, stdout)
	if err == nil {
		err = cmdline.NoArguments(flags)
	}
	if err == nil && cfg.Units < 1 {
		err = &problem.Problem{Code: problem.CodeBadRequest, Where: fmt.Sprintf("--units %d", cfg.Units), What: "there is nothing to run", Remedy: "give 1 to 40"}
	}
	if err == nil && cfg.Rig != "" { // a plant that refuses it would only be started again and again
		_, err = rigfile.Load(cfg.Rig)
	}
	if err == nil {
		err = serve(ctx, cfg, getenv, stdout)
	}
	return cmdline.Exit(flags.Name(), err, stderr)
}

func serve(ctx context.Context, cfg desk.Config, getenv func(string) string, stdout io.Writer) error {
	ctx, err := lifeline.Watch(ctx, getenv)
	if err != nil {
		return err
	}
	began := time.Now()
	startCtx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("waited %v: the logs are in %s", startLimit, filepath.Join(cfg.Dir, "log")))
	d, err := desk.Start(startCtx, cfg)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting: Start has stopped everything
		}
		return err
	}
	bin, _ := filepath.Split(os.Args[0]) // as it was typed: what is printed can be typed, too
	announce(stdout, cfg, d, bin, time.Since(began))
	<-ctx.Done()
	fmt.Fprintln(stdout, "\nstopping …")
	d.Stop()
	fmt.Fprintln(stdout, "stopped")
	return nil
}

func announce(w io.Writer, cfg desk.Config, d *desk.Desk, bin string, took time.Duration) {
	e, err := desk.ReadEndpoints(filepath.Join(cfg.Dir, "cloud", "endpoints.json"))
	if err != nil { // it was read a moment ago
		fmt.Fprintln(w, err)
	}
	fmt.Fprintf(w, "Fountain %s runs (ready in %.1f s). Ctrl-C stops it.\n\n", build.Version, took.Seconds())
	for i, u := range d.Units {
		fmt.Fprintf(w, "  unit %d  %s\n", i+1, u.Serial)
		if u.UI != nil {
			fmt.Fprintf(w, "    screen   %s\n", u.UI.URL())
		}
		fmt.Fprintf(w, "    plant    %s\n", u.Plant.URL())
		fmt.Fprintf(w, "    pour     %sfountainctl --socket %s pour kolvane.zero --ml 240\n", bin, u.Socket(api.ServiceSocket))
	}
	fmt.Fprintf(w, "\n  console    %s\n  control    %s (aws iot --endpoint-url, see docs/CLOUD.md)\n  state      %s (logs in log/)\n", e.Console, e.Control, cfg.Dir)
}
