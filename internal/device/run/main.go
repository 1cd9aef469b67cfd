// Command run boots the emulated unit and judges what it says.
//
//	tools/device/prepare.sh ──► kernel, modules ─┐
//	make test-device ──► arm64 binaries, tests ──┴► initramfs ──► qemu (one boot a group) ──► console ──► PASS/FAIL
//
// It runs on the host and knows no part of the project but names. A boot passes when its tests say so and PID 1 saw
// them end well; a boot that dies, hangs or says nothing has failed, unless dying is what it is to prove.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "test-device:", err)
		os.Exit(1)
	}
}

type options struct {
	work, bin, tests, init, match, sub, logs string
	seed                                     uint64
	parallel, cpus                           int
	verbose, quick                           bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&o.work, "work", "", "work folder of tools/device/prepare.sh")
	flags.StringVar(&o.bin, "bin", "bin/linux-arm64", "folder of the unit's programs")
	flags.StringVar(&o.tests, "tests", "", "the tests, built by go test -c ./internal/device for arm64")
	flags.StringVar(&o.init, "init", "", "PID 1, built from ./internal/device/init for arm64")
	flags.StringVar(&o.match, "run", "", "only tests whose name matches this regular expression")
	flags.StringVar(&o.sub, "sub", "", "only subtests whose name matches this regular expression")
	flags.StringVar(&o.logs, "logs", "", "folder for the consoles; default: logs in the work folder")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the random moments; 0 takes the clock")
	flags.IntVar(&o.parallel, "parallel", 2, "boots at the same time")
	flags.IntVar(&o.cpus, "cpus", 1, "processors of the unit")
	flags.BoolVar(&o.quick, "quick", false, "fewer repetitions, while working on a test")
	flags.BoolVar(&o.verbose, "v", false, "print whole consoles")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if o.logs == "" {
		o.logs = filepath.Join(o.work, "logs")
	}
	if err := os.MkdirAll(o.logs, 0o755); err != nil {
		return err
	}
	match, err := regexp.Compile(o.match)
	if err != nil {
		return err
	}
	kernel, err := findKernel(o.work)
	if err != nil {
		return err
	}
	initrd := filepath.Join(o.work, "initrd.cpio")
	if err := packInitrd(initrd, kernel, o); err != nil {
		return fmt.Errorf("pack the initramfs: %w", err)
	}
	start := time.Now()
	fmt.Fprintf(out, "test-device: kernel %s, seed %d, consoles in %s\n", kernel.version, o.seed, o.logs)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed []string
		ran    int
		slots  = make(chan struct{}, max(1, o.parallel))
	)
	for _, b := range boots {
		b.tests = matching(b.tests, match)
		if len(b.tests) == 0 {
			continue
		}
		slots <- struct{}{} // in the order of the list: the slowest begin
		wg.Go(func() {
			defer func() { <-slots }()
			r := boot(ctx, b, kernel, initrd, o)
			mu.Lock()
			defer mu.Unlock()
			ran += len(b.tests)
			r.print(out, o.verbose)
			if r.err != nil {
				failed = append(failed, b.name)
			}
		})
	}
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case ran == 0:
		return fmt.Errorf("no test matches %q", o.match)
	case len(failed) > 0:
		return fmt.Errorf("failed: %s (seed %d, %v)", strings.Join(failed, ", "), o.seed, time.Since(start).Round(time.Second))
	}
	fmt.Fprintf(out, "test-device: all %d passed in %v\n", ran, time.Since(start).Round(time.Second))
	return nil
}

func matching(names []string, re *regexp.Regexp) (out []string) {
	for _, n := range names {
		if re.MatchString(n) {
			out = append(out, n)
		}
	}
	return out
}
