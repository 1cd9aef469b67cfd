package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// result is how one boot went.
type result struct {
	group   group
	console []byte
	took    time.Duration
	err     error
}

// boot runs one group to its end and judges it.
func boot(ctx context.Context, b group, k kernel, initrd string, o options) result {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	line := fmt.Sprintf("console=ttyAMA0 quiet panic=-1 device.run=%s device.seed=%d %s", strings.Join(b.tests, ","), o.seed, b.append)
	if o.quick {
		line += " device.quick=1"
	}
	if o.sub != "" {
		line += " device.sub=" + o.sub
	}
	args := []string{
		"-M", "virt", "-cpu", "cortex-a72", "-smp", strconv.Itoa(o.cpus), "-m", "768",
		"-accel", "tcg,thread=single", "-icount", "shift=" + strconv.Itoa(b.shift()) + ",sleep=off", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", k.image, "-initrd", initrd, "-append", strings.TrimSpace(line),
	}
	var someone *attendant
	if b.screen {
		dir, err := os.MkdirTemp("", "device")
		if err != nil {
			return result{group: b, err: err}
		}
		defer os.RemoveAll(dir)
		someone = &attendant{dir: o.logs, boot: b.name, socket: filepath.Join(dir, "qmp")}
		args = append(args, "-qmp", "unix:"+someone.socket+",server=on,wait=off",
			"-device", "virtio-gpu-pci,xres=1080,yres=1920", "-device", "pcie-root-port,id=port1,chassis=1,slot=1",
			"-device", "virtio-tablet-pci,id=touch,bus=port1")
	}
	c := exec.CommandContext(ctx, "qemu-system-aarch64", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = 5 * time.Second
	r := result{group: b}
	f, err := os.Create(filepath.Join(o.logs, b.name+".log"))
	if err != nil {
		r.err = err
		return r
	}
	defer f.Close()
	var console bytes.Buffer
	c.Stdout = io.MultiWriter(&console, f)
	c.Stderr = c.Stdout
	if someone != nil {
		in, err := c.StdinPipe()
		if err != nil {
			r.err = err
			return r
		}
		someone.answer = in
		c.Stdout = io.MultiWriter(&console, f, someone)
		c.Stderr = c.Stdout
		defer someone.close()
	}
	err = c.Run()
	r.console, r.took = bytes.ReplaceAll(console.Bytes(), []byte("\r"), nil), time.Since(start)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.err = fmt.Errorf("the guest did not end within %v", b.limit)
	case err != nil:
		r.err = fmt.Errorf("qemu: %w", err)
	default:
		r.err = judge(b, string(r.console))
	}
	return r
}

// judge reads a console that ended by itself.
func judge(b group, console string) error {
	var errs []error
	ended := regexp.MustCompile(`(?m)^device: exit (\d+)$`).FindStringSubmatch(console)
	switch {
	case b.resets && !regexp.MustCompile(`(?m)^=== RUN   `+b.tests[0]).MatchString(console):
		errs = append(errs, errors.New("the guest reset before the test"))
	case b.resets && ended != nil:
		errs = append(errs, errors.New("PID 1 powered off: nothing reset the guest"))
	case !b.resets && ended == nil:
		errs = append(errs, errors.New("the guest stopped before PID 1 could power off"))
	case !b.resets && ended[1] != "0":
		errs = append(errs, fmt.Errorf("the tests ended with %s", ended[1]))
	}
	for _, t := range b.tests {
		if !b.resets && !regexp.MustCompile(`(?m)^--- PASS: `+t+` `).MatchString(console) {
			errs = append(errs, fmt.Errorf("%s did not pass", t))
		}
	}
	for _, want := range b.console {
		if !regexp.MustCompile(want).MatchString(console) {
			errs = append(errs, fmt.Errorf("the console has no %q", want))
		}
	}
	for _, not := range b.never {
		if m := regexp.MustCompile(not).FindString(console); m != "" {
			errs = append(errs, fmt.Errorf("the console has %q", m))
		}
	}
	return errors.Join(errs...)
}

// told are the console lines worth a person's time when all went well.
var told = regexp.MustCompile(`(?m)^ *(--- (PASS|FAIL|SKIP): .*|device: .*| +\w+_test\.go:\d+: figure: .*)$`)

func (r result) print(out io.Writer, verbose bool) {
	verdict := "ok  "
	if r.err != nil {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s %s (%.1f s)\n", verdict, r.group.name, r.took.Seconds())
	if r.err != nil || verbose {
		fmt.Fprintf(out, "%s\n", r.console)
	} else {
		for _, m := range told.FindAllString(string(r.console), -1) {
			fmt.Fprintf(out, "  %s\n", m)
		}
	}
	if r.err != nil {
		fmt.Fprintf(out, "FAIL %s: %v\n", r.group.name, r.err)
	}
}
