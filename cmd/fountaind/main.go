// Command fountaind is the agent of one dispenser: control, store, sync and the local API.
//
//	flags, file, environment ──► config ──► rig (sim or file) + guard link ──► agent.New ──► Run until SIGTERM
//
// Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 refused for safety.
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
	"strings"
	"syscall"
	"time"

	"fountain/agent"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/build"
	"fountain/internal/cmdline"
	"fountain/internal/lifeline"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

const usage = `fountaind is the agent of one dispenser: it pours, keeps the records and brings them to the cloud.

Usage:
  fountaind --config FILE --state DIR [--rig sim|FILE] [--endpoints FILE]
  fountaind check-config FILE [--print]

Examples:
  fountaind --config /etc/fountain/fountaind.yaml --state /var/lib/fountain
  fountaind --config testdata/config/demo.yaml --state .desk/unit-1 --rig sim
  fountaind check-config fountaind.yaml --print

Every key can also be set by the environment: FOUNTAIN_SYNC_DRAIN_RATE=20 is sync.drain_rate.

Flags:
`

const checkUsage = `fountaind check-config names every problem of a configuration with its place, and of the catalogue and planogram it names.

Usage:
  fountaind check-config FILE [--print]

Examples:
  fountaind check-config testdata/config/demo.yaml
  fountaind check-config /etc/fountain/fountaind.yaml --print

Flags:
`

const (
	deviceRun  = "/run/fountain" // where sockets lie on a device, if it exists and is ours
	rigWait    = 5 * time.Second // for a plant or a driver that starts at the same moment
	rigRetry   = 100 * time.Millisecond
	deviceRoot = "/var/lib/fountain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args, environ []string, _ io.Reader, stdout, stderr io.Writer) int {
	var err error
	if len(args) > 0 && args[0] == "check-config" {
		err = checkConfig(args[1:], environ, stdout, stderr)
	} else {
		err = serve(ctx, args, environ, stdout, stderr)
	}
	if errors.Is(err, errReported) {
		return 2
	}
	return cmdline.Exit("fountaind", err, stderr)
}

var errReported = errors.New("problems were printed")

func wrong(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadRequest, Where: where, What: what, Remedy: remedy}
}

// options are the flags.
type options struct {
	config, state, rig, endpoints, run string
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("fountaind", flag.ContinueOnError)
	flags.StringVar(&o.config, "config", "", "configuration `FILE`; without one the defaults apply")
	flags.StringVar(&o.state, "state", "", "state directory `DIR`: pours, identity and, unless this is a device, sockets")
	flags.StringVar(&o.rig, "rig", "", "sim, or a rig `FILE` (default: the configuration's rig)")
	flags.StringVar(&o.endpoints, "endpoints", "", "endpoints `FILE` of fountain-cloud (same as cloud.endpoints_file)")
	flags.StringVar(&o.run, "run", "", "run directory `DIR` for the sockets (default: "+deviceRun+" on a device, else STATE/run)")
	if err := cmdline.Parse(flags, args, usage, stdout); err != nil {
		return o, err
	}
	if err := cmdline.NoArguments(flags); err != nil {
		return o, err
	}
	if o.state == "" {
		return o, wrong("--state", "no state directory given", "give the unit's state directory, for example "+deviceRoot)
	}
	return o, nil
}

func serve(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if o.endpoints != "" {
		environ = setenv(environ, "FOUNTAIN_CLOUD_ENDPOINTS_FILE", o.endpoints)
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return fmt.Errorf("find the state directory: %w", err)
	}
	cfg, err := config.LoadLayers(config.Layers{File: o.config, Environ: environ, Technician: filepath.Join(o.state, config.TechnicianName)})
	if err != nil {
		return err
	}
	if o.rig == "" {
		o.rig = cfg.Rig
	}
	if o.run == "" {
		o.run = runDir(o.state)
	}
	out, closeLog, err := openLog(cfg.Log, stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	log := newLogger(cfg.Log, out)
	if ctx, err = lifeline.Watch(ctx, getenv(environ)); err != nil {
		return err
	}
	began := time.Now()
	kind, err := rigKind(o.rig)
	if err != nil {
		return err
	}
	var rig hal.Rig
	defer func() {
		if rig != nil {
			_ = rig.Close() // shuts everything; the machine has done so already
		}
	}()
	guard, err := beat.Dial(filepath.Join(o.run, beat.SocketName))
	if err != nil {
		return wrong("--state "+o.state, err.Error(), "choose a shorter directory")
	}
	defer guard.Close() // the guard shuts MASTER
	a, err := agent.New(ctx, agent.Config{State: o.state, Run: o.run, Rig: kind, Config: cfg},
		agent.Deps{Guard: guard, Log: log, Open: func(ctx context.Context) (_ hal.Rig, pacer hal.Pacer, err error) {
			rig, pacer, err = openSim(ctx, o.run)
			return rig, pacer, err
		}})
	if err != nil {
		return err
	}
	err = a.Run(ctx, func() {
		log.Info("ready", slog.String(logkey.Path, o.run), slog.String(logkey.Version, build.Version),
			slog.String("rig", kind), slog.Duration(logkey.Duration, time.Since(began)))
	})
	if err != nil {
		return err
	}
	log.Info("stopped", slog.Any(logkey.Reason, context.Cause(ctx)))
	return nil
}

// rigKind checks what --rig names.
func rigKind(name string) (string, error) {
	if name == config.RigSim {
		return agent.RigSim, nil
	}
	if _, err := rigfile.Load(name); err != nil {
		return "", err
	}
	return "", &problem.Problem{
		Code: problem.CodeBadConfig, Where: "--rig " + name, What: "the rig file is good, but this build drives no real lines yet",
		Remedy: "use --rig sim and run fountain-plant beside it",
	}
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

// runDir is the directory of the sockets: on a device systemd makes /run/fountain for the unit's only agent.
func runDir(state string) string {
	if fi, err := os.Stat(deviceRun); err == nil && fi.IsDir() && state == deviceRoot {
		return deviceRun
	}
	return filepath.Join(state, "run")
}

func checkConfig(args, environ []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fountaind check-config", flag.ContinueOnError)
	show := flags.Bool("print", false, "print every key with its value and where it comes from")
	var files []string
	for rest := args; ; { // flags may stand before and after the file
		if err := cmdline.Parse(flags, rest, checkUsage, stdout); err != nil {
			return err
		}
		if flags.NArg() == 0 {
			break
		}
		files, rest = append(files, flags.Arg(0)), flags.Args()[1:]
	}
	if len(files) != 1 {
		return wrong("check-config", fmt.Sprintf("%d files named", len(files)), "name one configuration file; see fountaind check-config --help")
	}
	cfg, problems := config.Check(files[0], environ)
	if len(problems) == 0 {
		if err := checkFiles(cfg); err != nil {
			problems = append(problems, problem.From(err))
		}
	}
	for _, p := range problems {
		fmt.Fprintln(stderr, p)
	}
	if len(problems) > 0 {
		return errReported
	}
	if *show {
		return cfg.Print(stdout)
	}
	fmt.Fprintf(stdout, "%s: good\n", files[0])
	return nil
}

// checkFiles reads the catalogue and the planogram as the agent would.
func checkFiles(cfg *config.Config) error {
	cat, err := beverage.Load(cfg.Catalogue.File)
	if err != nil {
		return err
	}
	_, err = beverage.LoadPlanogram(cfg.Planogram.File, cat)
	return err
}

func getenv(environ []string) func(string) string {
	return func(key string) string {
		for i := len(environ) - 1; i >= 0; i-- { // the last one counts, as for a process
			if v, ok := strings.CutPrefix(environ[i], key+"="); ok {
				return v
			}
		}
		return ""
	}
}

func setenv(environ []string, key, value string) []string {
	out := make([]string, 0, len(environ)+1)
	for _, e := range environ {
		if !strings.HasPrefix(e, key+"=") {
			out = append(out, e)
		}
	}
	return append(out, key+"="+value)
}
