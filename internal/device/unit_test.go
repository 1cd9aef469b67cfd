//go:build linux

package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/store"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
	"fountain/sync/wire"
)

// unit is the emulated dispenser: the shipping guard and agent, and the plant behind the kernel's lines, each a process.
//
//	fountain-plant --lines ◄── gpio-sim, CUSE, files ──► fountain-guard ◄── beat ── fountaind ◄── this test (a person)
type unit struct {
	t                   *testing.T
	dir, rig            string
	plant, guard, agent *process
	control             *panel.Control
	client              *api.Client
	trace               *lineTrace
}

// watchdogLine is what the emulator's rig files say of the watchdog.
const watchdogLine = "  watchdog: { path: /dev/watchdog0, timeout: 5s }\n"

// newUnit starts the unit on a rig file of /rig. changes are old, new pairs replaced in it.
func newUnit(t *testing.T, rig string, changes ...string) *unit {
	t.Helper()
	u := &unit{t: t, dir: filepath.Join("/tmp", strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")))}
	if err := os.MkdirAll(u.dir+"/run", 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(rigPath(rig))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(b), changes[i]) {
			t.Fatalf("%s has no %q", rig, changes[i])
		}
		b = []byte(strings.ReplaceAll(string(b), changes[i], changes[i+1]))
	}
	if _, err := os.Stat("/dev/watchdog0"); err != nil { // only the boots about it load one
		b = []byte(strings.ReplaceAll(string(b), watchdogLine, ""))
	}
	u.rig = u.dir + "/rig.yaml"
	u.write("rig.yaml", string(b))
	u.write("planogram.json", `{"version": 1, "name": "emulator", "slots": [{"slot": "s01", "ingredient": "juice.apple", "volume_ml": 5000}]}`)
	u.write("fountaind.yaml", "unit: { serial: emulator-1, timezone: UTC }\nplanogram: { file: "+u.dir+"/planogram.json }\ncloud: { enabled: false }\nlimits: { temp_delay: 1s, pressure_delay: 1s }\nlog: { level: warn }\n")
	u.plant = u.process("fountain-plant", "--socket", u.socket(sim.SocketName), "--rig", u.rig, "--lines", "--planogram", u.dir+"/planogram.json", "--seed", fmt.Sprint(*seed))
	u.guard = u.process("fountain-guard", "--state", u.dir, "--rig", u.rig)
	u.agent = u.process("fountaind", "--state", u.dir, "--rig", u.rig, "--config", u.dir+"/fountaind.yaml")
	u.plant.start()
	u.control = panel.DialControl(u.socket(sim.SocketName))
	t.Cleanup(u.control.Close)
	eventually(t, 20*time.Second, "the plant answers", func() bool { _, err := u.control.State(t.Context()); return err == nil })
	u.client = api.NewClient(u.socket(api.ServiceSocket))
	t.Cleanup(u.client.Close)
	_, base, err := chipByLabel("rig")
	if err != nil {
		t.Fatal(err)
	}
	u.trace = traceLines(t, base)
	return u
}

func (u *unit) write(name, body string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(body), 0o644); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unit) socket(name string) string { return filepath.Join(u.dir, "run", name) }

// state is the plant's truth.
func (u *unit) state() sim.State {
	u.t.Helper()
	s, err := u.control.State(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

// ready waits until the unit can pour.
func (u *unit) ready() {
	u.t.Helper()
	last := "no answer"
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Second)
		s, err := u.client.Status(ctx)
		cancel()
		if err == nil && s.Unit == api.UnitReady {
			return
		}
		if err != nil {
			last = err.Error()
		} else {
			last = fmt.Sprintf("%s: %s %+v", s.Unit, s.Reason, s.Alarms)
		}
		if time.Now().After(end) {
			u.t.Fatalf("the unit is not ready: %s", last)
		}
	}
}

// records are what the store holds; the agent must not run.
func (u *unit) records() (out []wire.Record) {
	u.t.Helper()
	s, err := store.Open(u.dir+"/pours", store.Options{})
	if err != nil {
		u.t.Fatal(err)
	}
	defer s.Close()
	entries, err := s.Read(1, 1000, 10<<20)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, e := range entries {
		var r wire.Record
		if err := json.Unmarshal(e.Body, &r); err != nil {
			u.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// lastBeat is what the guard saw last.
func (u *unit) lastBeat() beat.Last {
	u.t.Helper()
	l, err := beat.ReadLast(u.socket(beat.LastName))
	if err != nil {
		u.t.Fatal(err)
	}
	return l
}

// process is one program of the unit.
type process struct {
	t    *testing.T
	name string
	args []string
	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

func (u *unit) process(name string, args ...string) *process {
	p := &process{t: u.t, name: name, args: args}
	u.t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = exec.Command("/bin/"+p.name, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stdout
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(c *exec.Cmd, done chan struct{}) {
		_ = c.Wait() // how it ended is the test's affair
		close(done)
	}(p.cmd, p.done)
}

// signal sends s; a process that is gone is no error.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s: %v", p.name, err)
	}
}

// stop sends s and waits for the end.
func (p *process) stop(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	p.signal(s)
	if s != syscall.SIGKILL {
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			p.t.Errorf("%s does not end after %v", p.name, s)
			p.signal(syscall.SIGKILL)
		}
	}
	<-p.done
}
