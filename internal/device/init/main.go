//go:build linux

// Command init is PID 1 of the emulated unit: it mounts the kernel's file systems, loads the modules packed beside it,
// runs the one program the kernel command line names, and powers off. It imports nothing of the project, so that it
// proves nothing by accident.
//
//	kernel ──► init ──► modules, configfs, tracefs ──► /bin/device.test -test.run=… ──► "device: exit N" ──► power off
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	code := 1
	if err := setUp(); err != nil {
		fmt.Println("device: set up:", err)
	} else {
		code = run()
	}
	// The runner trusts no boot that does not end with this line.
	fmt.Printf("device: exit %d\n", code)
	powerOff()
}

func setUp() error {
	for _, m := range []struct{ what, where, kind string }{
		{"proc", "/proc", "proc"},
		{"sys", "/sys", "sysfs"},
		{"dev", "/dev", "devtmpfs"},
		{"tmp", "/tmp", "tmpfs"},
		{"run", "/run", "tmpfs"},
	} {
		if err := mount(m.what, m.where, m.kind); err != nil {
			return err
		}
	}
	lists := []string{"/modules"}
	if argument("device.screen") != "" {
		lists = append(lists, "/modules.screen")
	}
	for _, list := range lists {
		if err := loadModules(list); err != nil {
			return err
		}
	}
	for _, m := range []struct{ where, kind string }{{"/sys/kernel/config", "configfs"}, {"/sys/kernel/tracing", "tracefs"}} {
		if err := mount(m.kind, m.where, m.kind); err != nil {
			return err
		}
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring up lo: %w", err)
	}
	return nil
}

func mount(what, where, kind string) error {
	if err := os.MkdirAll(where, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(what, where, kind, 0, ""); err != nil && !errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("mount %s: %w", where, err)
	}
	return nil
}

// loadModules loads what the list names, one "file arguments" a line, in its order.
func loadModules(list string) error {
	b, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		file, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if skip(file) {
			continue
		}
		if err := loadModule(file, args); err != nil && !errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return nil
}

// skip leaves the watchdog out unless the boot is about it: nothing else may reset the guest.
func skip(file string) bool {
	return filepath.Base(file) == "softdog.ko" && argument("device.watchdog") == ""
}

func run() int {
	args := []string{"-test.v", "-test.timeout=20m"}
	if v := argument("device.run"); v != "" {
		re := "^(" + strings.ReplaceAll(v, ",", "|") + ")$"
		if sub := argument("device.sub"); sub != "" {
			re += "/" + sub
		}
		args = append(args, "-test.run="+re)
	}
	if v := argument("device.seed"); v != "" {
		args = append(args, "-seed="+v)
	}
	if argument("device.quick") != "" {
		args = append(args, "-quick")
	}
	c := exec.Command("/bin/device.test", args...)
	c.Stdout, c.Stderr, c.Dir = os.Stdout, os.Stdout, "/"
	c.Env = []string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp", "FOUNTAIN_DEVICE=guest", "GOTRACEBACK=all"}
	if err := c.Start(); err != nil {
		fmt.Println("device:", err)
		return 1
	}
	return reap(c.Process.Pid)
}

// reap waits for everything that has become ours and returns the exit code of the one that counts.
func reap(pid int) int {
	for {
		var ws syscall.WaitStatus
		p, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Println("device: wait:", err)
			return 1
		case p == pid && ws.Exited():
			return ws.ExitStatus()
		case p == pid && ws.Signaled():
			fmt.Println("device: the tests died of", ws.Signal())
			return 1
		}
	}
}

func argument(key string) string {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return ""
	}
	for _, f := range strings.Fields(string(b)) {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return v
		}
	}
	return ""
}

func powerOff() {
	syscall.Sync()
	time.Sleep(50 * time.Millisecond) // the serial console drains
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("device: power off:", err)
	}
	select {}
}
