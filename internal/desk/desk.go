// Package desk runs a whole Fountain on one desk: a local cloud and simulated units, each with plant, guard, agent and
// UI as processes of their own. It does what systemd does on a device (order, restart, stop) and is the end-to-end
// test harness.
//
//	desk ──starts──► cloud ─► per unit: plant ─► guard ─► agent ─► ui
//	     ──holds the write end of a pipe──► every child ends when the desk does, however it ends
//	     ──stops──► ui, agent, guard, plant, then cloud
//
// State lies in Dir: Dir/cloud, Dir/unit-1 … with their sockets in unit-1/run, logs in Dir/log.
package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/hal/sim"
	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Config says what to run. The zero value of a field means its default.
type Config struct {
	Dir   string       // state directory; required
	Bin   string       // directory of the fountain binaries; default: that of this executable
	Units int          // default 1
	HTTP  string       // console; unit i's screen is on port+i, its plant's panel on port+50+i; port 0: all ports are picked
	MQTT  string       // local cloud's MQTT listener; default 127.0.0.1:0
	NoUI  bool         // leave the screens out
	Seed  uint64       // noise of the plants; 0 = by the clock
	Log   *slog.Logger // default: discard
	Cloud []string     // more arguments for fountain-cloud serve
	Rig   string       // rig file of the plants; default: the built-in demo rig

	Healthy time.Duration // a child that lived so long is started again at once; default 1 min
	SwapCup time.Duration // the plant puts a new cup under the nozzle when a used one stood so long; 0: never
}

// Desk is what runs.
type Desk struct {
	Cloud *Child
	Units []*Unit

	dir  string
	logs []*os.File
	lock *os.File
	ends [2]*os.File // lifeline: [0] for the children, [1] ours
}

// Unit is one dispenser.
type Unit struct {
	Serial string
	Dir    string // state directory

	Plant, Guard, Agent, UI *Child // UI is nil with Config.NoUI
}

// Socket returns the path of one of the unit's sockets (api.AgentSocket …).
func (u *Unit) Socket(name string) string { return filepath.Join(u.Dir, "run", name) }

// Children lists the unit's processes in starting order.
func (u *Unit) Children() []*Child {
	all := []*Child{u.Plant, u.Guard, u.Agent}
	if u.UI != nil {
		all = append(all, u.UI)
	}
	return all
}

// Start starts everything in order and returns when all is ready. On error it stops what it had started.
func Start(ctx context.Context, cfg Config) (_ *Desk, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	d := &Desk{dir: cfg.Dir}
	defer func() {
		if err != nil {
			d.Stop()
		}
	}()
	if err := d.prepare(); err != nil {
		return nil, err
	}
	if d.Cloud, err = d.cloud(cfg); err != nil {
		return nil, err
	}
	for i := range cfg.Units {
		u, err := d.unit(cfg, i+1)
		if err != nil {
			return nil, err
		}
		d.Units = append(d.Units, u)
	}
	if err := d.Cloud.start(ctx, d.ends[0]); err != nil {
		return nil, err
	}
	var g errgroup.Group
	for _, u := range d.Units {
		g.Go(func() error {
			for _, c := range u.Children() {
				if err := c.start(ctx, d.ends[0]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return d, nil
}

// Stop stops everything in reverse order and releases the directory.
func (d *Desk) Stop() {
	var g errgroup.Group
	for _, u := range d.Units {
		g.Go(func() error {
			all := u.Children()
			for i := len(all) - 1; i >= 0; i-- {
				all[i].Stop()
			}
			return nil
		})
	}
	_ = g.Wait() // Stop has no error
	if d.Cloud != nil {
		d.Cloud.Stop()
	}
	for _, f := range append(d.logs, d.ends[0], d.ends[1], d.lock) {
		if f != nil {
			_ = f.Close() // nothing is written any more
		}
	}
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Dir == "" {
		return cfg, &problem.Problem{Code: problem.CodeBadRequest, Where: "--dir", What: "no state directory given", Remedy: "give a directory"}
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return cfg, fmt.Errorf("find %s: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	if cfg.Bin == "" {
		exe, err := os.Executable()
		if err != nil {
			return cfg, fmt.Errorf("find the binaries: %w", err)
		}
		cfg.Bin = filepath.Dir(exe)
	}
	for _, name := range []string{"fountain-cloud", "fountain-plant", "fountain-guard", "fountaind", "fountain-ui"} {
		if _, err := os.Stat(filepath.Join(cfg.Bin, name)); err != nil && (name != "fountain-ui" || !cfg.NoUI) {
			return cfg, &problem.Problem{Code: problem.CodeBadConfig, Where: filepath.Join(cfg.Bin, name), What: "binary is missing", Remedy: "run make build"}
		}
	}
	if cfg.Units == 0 {
		cfg.Units = 1
	}
	if cfg.Units < 0 || cfg.Units > 40 {
		return cfg, &problem.Problem{Code: problem.CodeBadRequest, Where: "--units", What: fmt.Sprintf("%d units", cfg.Units), Remedy: "give 1 to 40"}
	}
	if cfg.HTTP == "" {
		cfg.HTTP = "127.0.0.1:0"
	}
	if cfg.Healthy == 0 {
		cfg.Healthy = time.Minute
	}
	if cfg.MQTT == "" {
		cfg.MQTT = "127.0.0.1:0"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

// prepare takes the directory for this desk alone and opens the lifeline.
func (d *Desk) prepare() (err error) {
	if err := os.MkdirAll(filepath.Join(d.dir, "log"), 0o755); err != nil {
		return &problem.Problem{Code: problem.CodeNotWritable, Where: d.dir, What: fmt.Sprintf("the desk's state cannot be written: %v", err), Remedy: "give this user write access, or choose another --dir"}
	}
	if d.lock, err = os.OpenFile(filepath.Join(d.dir, "desk.lock"), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return &problem.Problem{Code: problem.CodeNotWritable, Where: d.dir, What: fmt.Sprintf("the desk's state cannot be written: %v", err), Remedy: "give this user write access, or choose another --dir"}
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return &problem.Problem{Code: problem.CodeConflict, Where: d.dir, What: "another desk runs in this directory", Remedy: "stop it, or choose another --dir"}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make the lifeline: %w", err)
	}
	d.ends = [2]*os.File{r, w}
	return nil
}

func (d *Desk) cloud(cfg Config) (*Child, error) {
	dir := filepath.Join(d.dir, "cloud")
	endpoints := filepath.Join(dir, "endpoints.json")
	if err := os.Remove(endpoints); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old endpoints: %w", err)
	}
	args := append([]string{"serve", "--dir", dir}, cfg.Cloud...)
	mqtt, console := newPort(cfg.MQTT, 0), newPort(cfg.HTTP, 0)
	return d.child(cfg, "cloud", "fountain-cloud", func() []string {
		return append(args, "--mqtt", mqtt.addr(), "--http", console.addr())
	}, func(context.Context) error {
		e, err := ReadEndpoints(endpoints)
		if err != nil {
			return err
		}
		if err := answers(e.MQTT); err != nil {
			return err
		}
		mqtt.keep(e.MQTT)
		console.keep(hostOf(e.Console))
		return answers(hostOf(e.Console))
	})
}

func (d *Desk) unit(cfg Config, n int) (*Unit, error) {
	name := "unit-" + strconv.Itoa(n)
	u := &Unit{Dir: filepath.Join(d.dir, name)}
	run := filepath.Join(u.Dir, "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	for _, s := range []string{sim.SocketName, beat.SocketName, api.AgentSocket, api.ServiceSocket} {
		if err := os.Remove(filepath.Join(run, s)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove old socket: %w", err)
		}
	}
	var err error
	if u.Serial, err = serial(filepath.Join(u.Dir, "serial"), n); err != nil {
		return nil, err
	}
	conf := filepath.Join(u.Dir, "fountaind.yaml")
	text := fmt.Sprintf("# Written by fountain-desk at each start.\nunit:\n  serial: %s\n  units: both\ncloud:\n  endpoints_file: %s\n",
		u.Serial, filepath.Join(d.dir, "cloud", "endpoints.json"))
	if err := atomicfile.Write(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	socketUp := func(name string) func(context.Context) error {
		return func(ctx context.Context) error { return dialUnix(ctx, u.Socket(name)) }
	}

	rig := "sim"
	if cfg.Rig != "" {
		rig = cfg.Rig
	}
	panel := newPort(cfg.HTTP, 50+n)
	plantArgs := []string{"--rig", rig, "--socket", u.Socket(sim.SocketName), "--state", filepath.Join(u.Dir, "plant.state")}
	if cfg.Seed != 0 {
		plantArgs = append(plantArgs, "--seed", strconv.FormatUint(cfg.Seed+uint64(n), 10))
	}
	if cfg.SwapCup > 0 {
		plantArgs = append(plantArgs, "--swap-cup", cfg.SwapCup.String())
	}
	u.Plant, err = d.child(cfg, name+"-plant", "fountain-plant", func() []string {
		return append(plantArgs, "--http", panel.addr())
	}, socketUp(sim.SocketName))
	if err != nil {
		return nil, err
	}
	u.Guard, err = d.child(cfg, name+"-guard", "fountain-guard", func() []string { return []string{"--state", u.Dir} },
		func(context.Context) error { _, err := os.Stat(u.Socket(beat.SocketName)); return err })
	if err != nil {
		return nil, err
	}
	u.Agent, err = d.child(cfg, name+"-agent", "fountaind", func() []string { return []string{"--config", conf, "--state", u.Dir, "--rig", "sim"} },
		socketUp(api.AgentSocket))
	if err != nil || cfg.NoUI {
		return u, err
	}
	screen, token := newPort(cfg.HTTP, n), rand.Text()
	var ui *Child
	ui, err = d.child(cfg, name+"-ui", "fountain-ui", func() []string {
		return []string{"--display", "web", "--http", screen.addr(), "--socket", u.Socket(api.AgentSocket), "--token", token, "--assets", u.Dir + "-assets"}
	}, func(context.Context) error {
		url := ui.URL()
		if url == "" {
			return errors.New("it has not printed its URL")
		}
		screen.keep(hostOf(url))
		return answers(hostOf(url))
	})
	u.UI = ui
	return u, err
}

func (d *Desk) child(cfg Config, name, binary string, args func() []string, ready func(context.Context) error) (*Child, error) {
	log, err := os.OpenFile(filepath.Join(d.dir, "log", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	d.logs = append(d.logs, log)
	c := &Child{Name: name, path: filepath.Join(cfg.Bin, binary), args: args, log: log, slog: cfg.Log, ready: ready, healthy: cfg.Healthy}
	switch binary {
	case "fountain-guard", "fountaind", "fountain-plant":
		c.nice = controlNice
	}
	return c, nil
}

// controlNice puts the processes with deadlines before everything else on the desk.
const controlNice = -15

// serial reads the unit's serial number, or makes one: random, because a serial is claimed at a cloud once.
func serial(path string, n int) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read serial number: %w", err)
	}
	s := fmt.Sprintf("DESK-%s-%d", rand.Text()[:6], n)
	return s, atomicfile.Write(path, []byte(s+"\n"), 0o644)
}

// port is an address that, once picked by the system, stays over restarts.
type port struct{ at string }

// newPort returns base with its port moved by offset; port 0 stays 0.
func newPort(base string, offset int) *port {
	host, p, err := net.SplitHostPort(base)
	if err != nil {
		return &port{base} // the child refuses it with its own words
	}
	if k, err := strconv.Atoi(p); err == nil && k != 0 {
		p = strconv.Itoa(k + offset)
	}
	return &port{net.JoinHostPort(host, p)}
}

func (p *port) addr() string { return p.at }

func (p *port) keep(addr string) {
	if _, n, err := net.SplitHostPort(addr); err == nil {
		if host, old, err := net.SplitHostPort(p.at); err == nil && old == "0" {
			p.at = net.JoinHostPort(host, n)
		}
	}
}

// hostOf returns host:port of a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func answers(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

func dialUnix(ctx context.Context, path string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}
