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
	"fountain/agent/store"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
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
  fountaind store restore FILE --state DIR [--force]

Examples:
  fountaind --config /etc/fountain/fountaind.yaml --state /var/lib/fountain --rig /etc/fountain/rig.yaml
  fountaind --config testdata/config/demo.yaml --state .desk/unit-1 --rig sim
  fountaind check-config fountaind.yaml --print

Whatever keeps it from starting, it leaves the outputs of the rig shut that --rig names. Give --rig on a device, so that
this holds with an unreadable configuration too.

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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == verifyStore {
		return store.CheckFile(args[1], stdout)
	}
	var err error
	switch {
	case len(args) > 0 && args[0] == "check-config":
		err = checkConfig(args[1:], environ, stdout, stderr)
	case len(args) > 0 && args[0] == "store":
		err = storeCommand(args[1:], stdin, stdout)
	default:
		var o options
		if o, err = parse(args, stdout); err == nil {
			err = serve(ctx, o, environ, stderr)
		}
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

	hw []linux.Option // for tests
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("fountaind", flag.ContinueOnError)
	flags.StringVar(&o.config, "config", "", "configuration `FILE`; without one the defaults apply")
	flags.StringVar(&o.state, "state", "", "state directory `DIR`: pours, identity and, unless this is a device, sockets")
	flags.StringVar(&o.rig, "rig", "", "sim, or a rig `FILE` (default: the configuration's rig)")
	flags.StringVar(&o.endpoints, "endpoints", "", "endpoints `FILE` of fountain-cloud (same as cloud.endpoints_file)")
	flags.StringVar(&o.run, "run", "", "run directory `DIR` for the sockets (default: /run/fountain on a device, else STATE/run)")
	if err := cmdline.Parse(flags, args, usage, stdout); err != nil {
		return o, err
	}
	if err := cmdline.NoArguments(flags); err != nil {
		return o, err
	}
	if o.state == "" {
		return o, wrong("--state", "no state directory given", "give the unit's state directory, for example "+cmdline.DeviceState)
	}
	return o, nil
}

// load reads every layer of the configuration; the cloud's and a technician's lie in the state directory.
func (o options) load(environ []string) (*config.Config, error) {
	return config.LoadLayers(config.Layers{
		File: o.config, Environ: environ, Cloud: filepath.Join(o.state, config.CloudName), Technician: filepath.Join(o.state, config.TechnicianName),
	})
}

func serve(ctx context.Context, o options, environ []string, stderr io.Writer) (err error) {
	if o.state, err = filepath.Abs(o.state); err != nil {
		return fmt.Errorf("find the state directory: %w", err)
	}
	if o.run == "" {
		o.run = cmdline.RunDir(o.state)
	}
	tried := false // the agent opened the rig, or tried to: that is what shuts what the last process left open
	defer func() {
		if err != nil && !tried {
			leaveShut(ctx, o, stderr)
		}
	}()
	if o.endpoints != "" {
		environ = setenv(environ, "FOUNTAIN_CLOUD_ENDPOINTS_FILE", o.endpoints)
	}
	cfg, err := o.load(environ)
	if err != nil {
		return err
	}
	if o.rig == "" {
		o.rig = cfg.Rig
	}
	out, closeLog, err := openLog(cfg.Log, stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	log, level := newLogger(cfg.Log, out)
	if ctx, err = lifeline.Watch(ctx, getenv(environ)); err != nil {
		return err
	}
	began := time.Now()
	hardware, err := chooseRig(o, log)
	if err != nil {
		return err
	}
	defer hardware.close()
	guard, err := beat.Dial(filepath.Join(o.run, beat.SocketName))
	if err != nil {
		return wrong("--state "+o.state, err.Error(), "choose a shorter directory")
	}
	defer guard.Close() // the guard shuts MASTER
	tried = true
	a, err := agent.New(ctx, agent.Config{State: o.state, Run: o.run, Rig: hardware.kind, Config: cfg},
		agent.Deps{Guard: guard, Log: log, Level: level, Open: hardware.open, Loop: hardware.loop, CheckStore: checkStore(log), Shed: shedders(out)})
	if err != nil {
		return err
	}
	err = a.Run(ctx, func() {
		log.Info("ready", slog.String(logkey.Path, o.run), slog.String(logkey.Version, build.Version),
			slog.String("rig", hardware.kind), slog.Duration(logkey.Duration, time.Since(began)))
	})
	if err != nil {
		return err
	}
	log.Info("stopped", slog.Any(logkey.Reason, context.Cause(ctx)))
	return nil
}

func checkConfig(args, environ []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fountaind check-config", flag.ContinueOnError)
	show := flags.Bool("print", false, "print every key with its value and where it comes from")
	files, err := cmdline.ParseAround(flags, args, checkUsage, stdout)
	if err != nil {
		return err
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

// checkFiles reads the catalogue, the planogram and the rig file as the agent would.
func checkFiles(cfg *config.Config) error {
	if cfg.Rig != config.RigSim {
		if _, err := rigfile.Load(cfg.Rig); err != nil {
			return err
		}
	}
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
