package linux

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

func TestStroker(t *testing.T) {
	s := stroker{shortest: 10 * ms}
	s.dose(0, 3, 0)
	var ups, downs []time.Duration
	was := false
	for now := time.Duration(0); now < 200*ms; now += ms {
		level, _, _ := s.step(now)
		if level != was {
			if was = level; level {
				ups = append(ups, now)
			} else {
				downs = append(downs, now)
			}
		}
		if now == 100*ms {
			s.dose(now, 2, 40*ms)
		}
	}
	wantUps, wantDowns := []time.Duration{0, 10 * ms, 20 * ms, 101 * ms, 141 * ms}, []time.Duration{5 * ms, 15 * ms, 25 * ms, 106 * ms, 146 * ms}
	for i := range wantUps {
		if i >= len(ups) || i >= len(downs) || ups[i] != wantUps[i] || downs[i] != wantDowns[i] {
			t.Fatalf("up %v, down %v, want %v and %v", ups, downs, wantUps, wantDowns)
		}
	}
	if s.given != 5 {
		t.Errorf("%d given", s.given)
	}
}

// A driver that comes late never makes two pulses closer than the pump can do, nor one shorter.
func TestStrokerLate(t *testing.T) {
	for step := ms; step < 15*ms; step += ms {
		s := stroker{shortest: 10 * ms}
		s.dose(0, 20, 0)
		var last time.Duration
		was, first := false, true
		for now := time.Duration(0); s.given < 20; now += step {
			if level, _, _ := s.step(now); level != was {
				if !first && now-last < 5*ms {
					t.Fatalf("asked every %v: a phase of %v at %v", step, now-last, now)
				}
				was, last, first = level, now, false
			}
		}
	}
}

// A pump's line that could not be driven low is tried again until it is; nothing starts again by itself.
func TestPumpLineIsTriedAgain(t *testing.T) {
	var now time.Duration
	f := &file{}
	l := &linePumps{file: f, now: func() time.Duration { return now }, pumps: []stroker{{shortest: 10 * ms}, {shortest: 10 * ms}}}
	l.pumps[0].dose(now, 5, 0)
	step := func() time.Duration {
		d, ok := l.step()
		if !ok {
			t.Fatal("ended")
		}
		return d
	}
	now += step() // up
	f.fail(hal.ErrGone)
	for range 3 { // should fall
		d := step()
		if d > deadManRetry {
			t.Fatalf("a line that is high is left alone for %v", d)
		}
		now += d
	}
	f.fail(nil)
	for range 3 {
		now += min(step(), 50*ms)
	}
	if f.bits != 0 {
		t.Errorf("lines %b, want low", f.bits)
	}
	n := f.writes
	for range 20 {
		now += min(step(), 50*ms)
	}
	if f.bits != 0 || f.writes != n {
		t.Errorf("lines %b, %d more writes", f.bits, f.writes-n)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestParseRaw(t *testing.T) {
	for in, want := range map[string]float64{
		"23125\n": 23125, "-1250": -1250, "12.5\n": 12.5,
		"50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n": 85000,
	} {
		if got, err := parseRaw(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "warm", "12 13", "50 05 : crc=1c NO\n50 t=85000\n"} {
		if v, err := parseRaw(in); err == nil {
			t.Errorf("%q is read as %v", in, v)
		}
	}
}

func TestFileSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		path := filepath.Join(root, "sys/bus/w1/devices/28-0316/temperature")
		cfg := rigfile.Sensor{ID: "t", Path: "/sys/bus/w1/devices/28-*/temperature", Scale: 0.001, Offset: 1, Min: -10, Max: 60}
		start := time.Now()
		s := newSensor(cfg, func() time.Duration { return time.Since(start) + time.Second }, fileRaw(root, cfg.Path))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if r := s.Read(); r.Quality != hal.Bad || r.Why == "" || r.At != 0 || s.fault() != "" {
			t.Errorf("before the first poll: %+v, fault %q", r, s.fault())
		}
		go s.run(ctx)
		time.Sleep(10 * ms)
		if r := s.Read(); r.Quality != hal.Bad || !strings.Contains(r.Why, "not connected") || s.fault() == "" {
			t.Errorf("without a file: %+v", r)
		}
		writeFile(t, path, "4250\n")
		time.Sleep(time.Second)
		if r := s.Read(); r.Quality != hal.Good || r.Value != 5.25 || r.Why != "" || r.At < time.Second {
			t.Errorf("%+v", r)
		}
		writeFile(t, path, "85000\n")
		time.Sleep(time.Second)
		if r := s.Read(); r.Quality != hal.Bad || r.Value != 86 || !strings.Contains(r.Why, "plausible") {
			t.Errorf("beyond its range: %+v", r)
		}
		writeFile(t, path, "5000\n")
		time.Sleep(time.Second)
		_ = os.Remove(path)
		time.Sleep(2 * time.Second)
		if r := s.Read(); r.Quality != hal.Good || r.Value != 6 {
			t.Errorf("a moment after it broke: %+v", r)
		}
		time.Sleep(2 * time.Second)
		if r := s.Read(); r.Quality != hal.Stale || r.Value != 6 || !strings.Contains(r.Why, "not connected") {
			t.Errorf("four polls after it broke: %+v", r)
		}
		writeFile(t, filepath.Join(root, "sys/bus/w1/devices/28-0999/temperature"), "1")
		writeFile(t, path, "5000\n")
		time.Sleep(time.Second)
		if r := s.Read(); r.Quality != hal.Stale || !strings.Contains(r.Why, "2 sensors") {
			t.Errorf("two sensors: %+v", r)
		}
	})
}

// A file that blocks (a converter that hangs) makes the reading stale, and holds nobody up.
func TestSensorThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, polls := time.Now(), 0
		hang := make(chan struct{})
		s := newSensor(rigfile.Sensor{Scale: 2}, func() time.Duration { return time.Since(start) }, func(context.Context) (float64, error) {
			if polls++; polls > 2 {
				<-hang
			}
			return 21, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		time.Sleep(3 * time.Second)
		if r := s.Read(); r.Quality != hal.Good || r.Value != 42 {
			t.Errorf("%+v", r)
		}
		time.Sleep(2 * time.Second)
		if r := s.Read(); r.Quality != hal.Stale || r.Why == "" {
			t.Errorf("%+v", r)
		}
		cancel()
		close(hang)
	})
}

func TestStrictGPIO(t *testing.T) {
	for _, tc := range []struct {
		name    string
		model   string
		module  string
		value   string
		expects []string
		code    string
	}{
		{name: "nothing expected", module: "pinctrl_rp1", value: "Y\n"},
		{name: "a Pi that keeps levels, nothing expected", model: "Raspberry Pi 5 Model B Rev 1.0", module: "pinctrl_rp1", value: "Y\n", code: problem.CodeUnsafe},
		{name: "a strict Pi, nothing expected", model: "Raspberry Pi 5 Model B Rev 1.0", module: "pinctrl_rp1", value: "N\n"},
		{name: "no such parameter", expects: []string{"strict_gpiod"}},
		{name: "strict", module: "pinctrl_rp1", value: "N\n", expects: []string{"strict_gpiod"}},
		{name: "Pi 5 keeps levels", module: "pinctrl_rp1", value: "Y\n", expects: []string{"strict_gpiod"}, code: problem.CodeUnsafe},
		{name: "Pi 4 keeps levels", module: "pinctrl_bcm2835", value: "Y\n", expects: []string{"strict_gpiod"}, code: problem.CodeUnsafe},
		{name: "unknown", expects: []string{"strict_gpio"}, code: problem.CodeBadConfig},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			if tc.module != "" {
				writeFile(t, filepath.Join(root, "sys/module", tc.module, "parameters/persist_gpio_outputs"), tc.value)
			}
			rf := &rigfile.Rig{Path: "rig.yaml", Board: rigfile.Board{Expects: tc.expects}}
			kernel := newFakeKernel()
			kernel.model = tc.model
			_, _, err := Open(t.Context(), rf, hal.OwnerAgent, WithRoot(root), WithPriority(0), withSystem(kernel.system()))
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			p := problem.From(err)
			if p.Code != tc.code || !strings.HasPrefix(p.Where, "rig.yaml board.expects") || p.Remedy == "" {
				t.Errorf("%+v", p)
			}
			if tc.code == problem.CodeUnsafe && (problem.ExitCode(err) != 3 || !strings.Contains(p.Remedy, "dtparam=strict_gpiod") || !strings.Contains(p.What, "valve open")) {
				t.Errorf("it does not say why or what to do: %v", err)
			}
		})
	}
}

func TestPacer(t *testing.T) {
	p := NewPacer()
	a, _ := monotonic()
	now := p.Now()
	b, _ := monotonic()
	if now < a-100*time.Microsecond || now > b+100*time.Microsecond {
		t.Errorf("Now %v is not CLOCK_MONOTONIC, between %v and %v", now, a, b)
	}
	for range 20 {
		want := p.Now() + ms
		p.SleepUntil(want)
		if got := p.Now(); got < want {
			t.Fatalf("woke %v early", want-got)
		}
	}
	p.SleepUntil(0)
}

func TestRealtimeSaysWhy(t *testing.T) {
	done := make(chan struct{})
	go func() { // on a thread that may be thrown away
		defer close(done)
		restore, err := Realtime(10)
		if restore == nil {
			t.Error("no restore")
			return
		}
		attr, aerr := unix.SchedGetAttr(0, 0)
		if aerr != nil {
			t.Error(aerr)
			return
		}
		if err != nil {
			if p := problem.From(err); p.Code != problem.CodeForbidden || p.Remedy == "" || attr.Policy != unix.SCHED_NORMAL {
				t.Errorf("%+v, policy %d", p, attr.Policy)
			}
			restore()
			return
		}
		if attr.Policy != unix.SCHED_FIFO || attr.Priority != 10 || attr.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
			t.Errorf("%+v", attr)
		}
		restore()
		if attr, err = unix.SchedGetAttr(0, 0); err != nil || attr.Policy != unix.SCHED_NORMAL {
			t.Errorf("restored to %+v, %v", attr, err)
		}
	}()
	<-done
}

// Go's monitor must not be locked out by a thread that spins for it on the only processor.
func TestNoPriorityOnOneProcessor(t *testing.T) {
	if p := problem.From(enough(1)); p.Code != problem.CodeForbidden || p.Remedy == "" || enough(2) != nil {
		t.Errorf("%+v, %v", p, enough(2))
	}
}

// dog is a watchdog driver.
type dog struct {
	wrote   [64]byte
	n       int
	timeout int
	set     error
	closed  int
}

func (d *dog) write(b []byte) error { d.n += copy(d.wrote[d.n:], b); return nil }
func (d *dog) text() string         { return string(d.wrote[:d.n]) }
func (d *dog) setTimeout(s int) error {
	d.timeout = min(s, 15) // as the Raspberry Pi's: no more than 15 s
	return d.set
}
func (d *dog) getTimeout() (int, error) { return d.timeout, nil }
func (d *dog) close() error             { d.closed++; return nil }

func TestWatchdog(t *testing.T) {
	d := &dog{}
	w, err := newWatchdog(d, "/dev/watchdog0", 4500*ms)
	if err != nil || w.Timeout() != 5*time.Second {
		t.Fatalf("%v, timeout %v", err, w.Timeout())
	}
	if n := testing.AllocsPerRun(10, func() { _ = w.Feed() }); n != 0 {
		t.Errorf("Feed allocates %v times", n)
	}
	if strings.Contains(d.text(), "V") {
		t.Error("feeding disarms")
	}
	if err := errors.Join(w.Close(), w.Close(), w.Disarm()); err != nil || strings.Contains(d.text(), "V") || d.closed != 1 {
		t.Errorf("%v: Close disarmed it or closed it %d times", err, d.closed)
	}
	if err := w.Feed(); err == nil {
		t.Error("a closed watchdog is fed")
	}
	d = &dog{}
	w, _ = newWatchdog(d, "/dev/watchdog0", time.Minute)
	if w.Timeout() != 15*time.Second {
		t.Errorf("timeout %v, the driver runs with 15 s", w.Timeout())
	}
	if err := w.Disarm(); err != nil || d.text() != "V" || d.closed != 1 {
		t.Errorf("%v: wrote %q", err, d.text())
	}
	d = &dog{set: unix.EINVAL}
	if _, err := newWatchdog(d, "/dev/watchdog0", time.Minute); problem.From(err).Code != problem.CodeBadConfig || d.text() != "V" || d.closed != 1 {
		t.Errorf("a timeout that is refused: %v, wrote %q", err, d.text())
	}
	if _, err := OpenWatchdog(filepath.Join(t.TempDir(), "watchdog9"), time.Second); problem.From(err).Code != problem.CodeBadConfig {
		t.Errorf("no such device: %v", err)
	}
}
