//go:build linux

package lines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// leastLines is what a chip has when its rig file asks for fewer: a Pi's controller has 54.
const leastLines = 32

const configfs = "/sys/kernel/config/gpio-sim"

// gpioChip is a gpio-sim chip, seen from outside.
type gpioChip struct {
	pins  []gpioPin
	names map[string]int
}

// gpioPin is one of its lines.
type gpioPin struct {
	value, pulls int // descriptors of the files in sysfs; -1: not opened
}

// makeChips makes a gpio-sim chip for every gpiochip of the rig file, with the label it names. Chips of an earlier plant
// are taken over.
func (b *Board) makeChips() error {
	names := map[string][]string{} // names asked for, by chip
	lines := map[string]int{}
	b.eachLine(func(l rigfile.Line) {
		if l.Name != "" {
			names[l.Chip] = append(names[l.Chip], l.Name)
		} else {
			lines[l.Chip] = max(lines[l.Chip], l.Line+1)
		}
	})
	if _, err := os.Stat(configfs); err != nil {
		return &problem.Problem{
			Code: problem.CodeBadConfig, Where: configfs, What: "this kernel has no gpio-sim",
			Remedy: "use --lines in the emulator of make test-device only; on a desk leave it out",
		}
	}
	for _, c := range b.rig.Chips {
		if c.Kind != rigfile.ChipGPIO {
			continue
		}
		n := max(leastLines, lines[c.ID]+len(names[c.ID]))
		g, err := newGPIOChip(c, n, lines[c.ID], names[c.ID])
		if err != nil {
			return fmt.Errorf("make gpio-sim chip %s: %w", c.ID, err)
		}
		b.chips[c.ID] = g
	}
	return nil
}

// eachLine visits every line the rig file names.
func (b *Board) eachLine(f func(rigfile.Line)) {
	for _, c := range b.rig.Chips {
		if c.Reset != nil {
			f(*c.Reset)
		}
	}
	for _, v := range b.rig.Valves {
		f(v.Line)
	}
	for _, u := range b.rig.Pumps {
		f(u.Line)
		if u.Sense != nil {
			f(*u.Sense)
		}
	}
	for _, m := range b.rig.Meters {
		f(m.Line)
	}
	for _, l := range b.rig.Interlocks {
		f(l.Line)
	}
	for _, a := range b.rig.Agitators {
		f(a.Line)
	}
	if b.rig.Heartbeat != nil {
		f(b.rig.Heartbeat.Line)
	}
}

func newGPIOChip(c rigfile.Chip, n, firstNamed int, names []string) (*gpioChip, error) {
	dir := filepath.Join(configfs, c.ID)
	bank := filepath.Join(dir, "bank0")
	err := os.MkdirAll(bank, 0o755)
	if err == nil && !live(dir) {
		err = errors.Join(put(bank+"/num_lines", fmt.Sprint(n)), put(bank+"/label", c.Label))
		for i, name := range names {
			line := fmt.Sprintf("%s/line%d", bank, firstNamed+i)
			err = errors.Join(err, os.MkdirAll(line, 0o755), put(line+"/name", name))
		}
		err = errors.Join(err, put(dir+"/live", "1"))
	}
	if err != nil {
		return nil, err
	}
	chip, err := os.ReadFile(bank + "/chip_name")
	dev, err2 := os.ReadFile(dir + "/dev_name")
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	g := &gpioChip{names: map[string]int{}, pins: make([]gpioPin, n)}
	for i, name := range names {
		g.names[name] = firstNamed + i
	}
	sys := filepath.Join("/sys/devices/platform", strings.TrimSpace(string(dev)), strings.TrimSpace(string(chip)))
	for i := range g.pins {
		p := fmt.Sprintf("%s/sim_gpio%d/", sys, i)
		v, err := unix.Open(p+"value", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(&fs.PathError{Op: "open", Path: p + "value", Err: err}, g.close())
		}
		pull, err := unix.Open(p+"pull", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(&fs.PathError{Op: "open", Path: p + "pull", Err: err}, unix.Close(v), g.close())
		}
		g.pins[i] = gpioPin{v, pull}
	}
	return g, nil
}

func live(dir string) bool {
	b, err := os.ReadFile(dir + "/live")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

func put(path, s string) error { return os.WriteFile(path, []byte(s), 0o644) }

func (g *gpioChip) close() error {
	var errs []error
	for i := range g.pins {
		if g.pins[i].pulls > 0 {
			errs = append(errs, unix.Close(g.pins[i].value), unix.Close(g.pins[i].pulls))
		}
		g.pins[i] = gpioPin{-1, -1}
	}
	return errors.Join(errs...)
}

// pin finds the pin of a line.
func (b *Board) pin(l rigfile.Line) (pin, error) {
	if g := b.chips[l.Chip]; g != nil {
		n := l.Line
		if l.Name != "" {
			n = g.names[l.Name]
		}
		return &g.pins[n], nil
	}
	return b.modelPin(l)
}

var pullUp, pullDown = []byte("pull-up"), []byte("pull-down")

// Both calls are raw: a thread that steps the plant must not hand its turn to the scheduler for microseconds of kernel.

func (p *gpioPin) high() (bool, error) {
	var b [4]byte
	_, _, e := syscall.RawSyscall6(unix.SYS_PREAD64, uintptr(p.value), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	if e != 0 {
		return false, e
	}
	return b[0] == '1', nil
}

func (p *gpioPin) pull(high bool) error {
	b := pullDown
	if high {
		b = pullUp
	}
	_, _, e := syscall.RawSyscall6(unix.SYS_PWRITE64, uintptr(p.pulls), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
