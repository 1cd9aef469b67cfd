package desk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/hal/sim"
)

// bad is one wrong input given to a real binary. In every text {dir} is the case's directory and {port} a port in use.
type bad struct {
	name  string
	cmd   string // command line, split at spaces
	env   string // one more variable
	files map[string]string
	code  int
	where string // the place, exactly as told: between what and what to do
	to    string // how what to do begins
}

// longDir is a directory whose sockets would have paths that Linux does not take.
var longDir = strings.Repeat("d", 110)

var cut = `{"version": 1, "units": {"volume": "ml"}, "ingredients": [` + "\n" + `{"id": "syrup.su`

var wrongUse = []bad{
	{name: "agent/unknown flag", cmd: "fountaind --colour", code: 2, where: "-colour", to: "see fountaind --help"},
	{name: "agent/argument", cmd: "fountaind --state s now", code: 2, where: "now", to: "see fountaind --help"},
	{name: "agent/no state", cmd: "fountaind", code: 2, where: "--state", to: "give the unit's state directory"},
	{name: "agent/flag without value", cmd: "fountaind --state", code: 2, where: "-state", to: "see fountaind --help"},
	{name: "agent/check-config flag", cmd: "fountaind check-config --colour", code: 2, where: "-colour", to: "see fountaind check-config --help"},
	{name: "agent/check-config nothing", cmd: "fountaind check-config", code: 2, where: "check-config", to: "name one configuration file"},
	{name: "guard/unknown flag", cmd: "fountain-guard --colour", code: 2, where: "-colour", to: "see fountain-guard --help"},
	{name: "guard/argument", cmd: "fountain-guard now", code: 2, where: "now", to: "see fountain-guard --help"},
	{name: "guard/no state", cmd: "fountain-guard", code: 2, where: "--state", to: "give the unit's state directory"},
	{name: "plant/unknown flag", cmd: "fountain-plant --colour", code: 2, where: "-colour", to: "see fountain-plant --help"},
	{name: "plant/seed", cmd: "fountain-plant --socket p --seed x", code: 2, where: "parse error", to: "see fountain-plant --help"},
	{name: "plant/argument", cmd: "fountain-plant now", code: 2, where: "now", to: "see fountain-plant --help"},
	{name: "plant/no socket", cmd: "fountain-plant", code: 2, where: "--socket", to: "give a path"},
	{name: "ui/unknown flag", cmd: "fountain-ui --colour", code: 2, where: "-colour", to: "see fountain-ui --help"},
	{name: "ui/argument", cmd: "fountain-ui now", code: 2, where: "now", to: "see fountain-ui --help"},
	{name: "ui/display", cmd: "fountain-ui --display paper", code: 2, where: "--display paper", to: "use auto, drm, fbdev, web or none"},
	{name: "ui/size", cmd: "fountain-ui --size 10x10", code: 2, where: "--size 10x10", to: "give WxH"},
	{name: "ui/socket", cmd: "fountain-ui --socket {dir}/" + longDir, code: 2, where: "--socket {dir}/" + longDir, to: "choose a shorter one"},
	{name: "cloud/unknown flag", cmd: "fountain-cloud serve --colour", code: 2, where: "fountain-cloud serve", to: "see fountain-cloud serve --help"},
	{name: "cloud/unknown command", cmd: "fountain-cloud swim", code: 2, where: "fountain-cloud", to: "see fountain-cloud --help"},
	{name: "cloud/no dir", cmd: "fountain-cloud serve", code: 2, where: "--dir", to: "give a directory"},
	{name: "cloud/role", cmd: "fountain-cloud serve --dir c --role king", code: 2, where: "--role king", to: "leave --role away"},
	{name: "cloud/account", cmd: "fountain-cloud serve --dir c --account 12", code: 2, where: "--account 12", to: "give 12 digits"},
	{name: "cloud/region", cmd: "fountain-cloud serve --dir c --region moon", code: 2, where: "--region moon", to: "give one such as us-east-1"},
	{name: "cloud/ledger", cmd: "fountain-cloud serve --dir c --ledger-interval 0s", code: 2, where: "--ledger-interval", to: "give a duration"},
	{name: "cloud/release nothing", cmd: "fountain-cloud things release", code: 2, where: "fountain-cloud things release", to: "see fountain-cloud things release --help"},
	{name: "cloud/no data", cmd: "fountain-cloud consumption export --dir {dir}/c", code: 2, where: "{dir}/c/cloud.db", to: "give --dir the directory of fountain-cloud serve"},
	{name: "desk/unknown flag", cmd: "fountain-desk --colour", code: 2, where: "-colour", to: "see fountain-desk --help"},
	{name: "desk/argument", cmd: "fountain-desk now", code: 2, where: "now", to: "see fountain-desk --help"},
	{name: "desk/no units", cmd: "fountain-desk --dir d --units 0", code: 2, where: "--units 0", to: "give 1 to 40"},
	{name: "desk/too many", cmd: "fountain-desk --dir d --units 41", code: 2, where: "--units", to: "give 1 to 40"},
	{name: "ctl/unknown flag", cmd: "fountainctl status --colour", code: 2, where: "unknown flag: --colour", to: "see fountainctl status --help"},
	{name: "ctl/unknown command", cmd: "fountainctl swim", code: 2, where: "fountainctl", to: "see fountainctl --help"},
	{name: "ctl/pour nothing", cmd: "fountainctl pour --ml 5", code: 2, where: "fountainctl pour BEVERAGE --ml N [flags]", to: "see fountainctl pour --help"},
	{name: "ctl/no volume", cmd: "fountainctl pour kolvane.zero", code: 2, where: "--ml is missing", to: "see fountainctl pour --help"},
	{name: "ctl/negative", cmd: "fountainctl pour kolvane.zero --ml -5", code: 2, where: "--ml -5", to: "give millilitres, more than 0"},
	{name: "ctl/no number", cmd: "fountainctl pour kolvane.zero --ml lots", code: 2, where: "invalid syntax", to: "see fountainctl pour --help"},
	{name: "ctl/no agent", cmd: "fountainctl --socket {dir}/none.sock status", code: 1, where: "{dir}/none.sock", to: "start fountaind"},
	{name: "ctl/no agent anywhere", cmd: "fountainctl status", code: 1, where: "/run/fountain/service.sock, .desk/unit-1/run/service.sock", to: "name its service.sock with --socket"},
	{name: "ctl/long socket", cmd: "fountainctl --socket {dir}/" + longDir + " status", code: 2, where: "--socket {dir}/" + longDir, to: "name it by a shorter path"},
}

var wrongFiles = []bad{
	{name: "config/missing", cmd: "fountaind --state s --config none.yaml", code: 2, where: "none.yaml", to: "check the path; testdata/config/demo.yaml is such a file"},
	{name: "config/key", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "sync:\n  drain-rate: 3\n"}, code: 2, where: "c.yaml:2", to: "did you mean sync.drain_rate?"},
	{name: "config/type", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "sync:\n  drain_rate: ten\n"}, code: 2, where: "c.yaml:2", to: "write a whole number"},
	{name: "config/yaml", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "sync:\n\tdrain_rate: 3\n"}, code: 2, where: "c.yaml:2", to: "correct the line"},
	{name: "config/environment key", cmd: "fountaind --state s", env: "FOUNTAIN_SYNC_DRAINRATE=3", code: 2, where: "FOUNTAIN_SYNC_DRAINRATE", to: "did you mean FOUNTAIN_SYNC_DRAIN_RATE?"},
	{name: "config/environment value", cmd: "fountaind --state s", env: "FOUNTAIN_SYNC_WINDOW=many", code: 2, where: "FOUNTAIN_SYNC_WINDOW", to: "correct the variable or unset it"},
	{name: "config/no serial", cmd: "fountaind --state s --endpoints e.json", code: 2, where: "unit.serial", to: "set unit.serial in the configuration file, or FOUNTAIN_UNIT_SERIAL"},
	{name: "config/check", cmd: "fountaind check-config c.yaml", files: map[string]string{"c.yaml": "a: 1\n"}, code: 2, where: "c.yaml:1", to: "delete it; fountaind check-config --print"},
	{name: "catalogue/missing", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "catalogue:\n  file: k.json\n"}, code: 2, where: "c.yaml:2", to: "correct the path"},
	{name: "catalogue/cut", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "catalogue:\n  file: k.json\n", "k.json": cut}, code: 2, where: "{dir}/k.json", to: "correct the file; nothing of it was applied"},
	{name: "catalogue/cut, checked", cmd: "fountaind check-config c.yaml", files: map[string]string{"c.yaml": "catalogue:\n  file: k.json\n", "k.json": cut}, code: 2, where: "{dir}/k.json", to: "correct the file"},
	{name: "catalogue/rule", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "catalogue:\n  file: k.json\n", "k.json": `{"version": 1}`}, code: 2, where: "{dir}/k.json#/", to: "correct the file"},
	{name: "planogram/ingredient", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "planogram:\n  file: p.json\n", "p.json": strangePlanogram}, code: 2, where: "{dir}/p.json#/slots/0/ingredient", to: "correct the file"},
	{name: "planogram/plant", cmd: "fountain-plant --socket p.sock --planogram p.json", files: map[string]string{"p.json": strangePlanogram}, code: 2, where: "p.json#/slots/0/ingredient", to: "correct the file"},
	{name: "planogram/missing", cmd: "fountain-plant --socket p.sock --planogram p.json", code: 2, where: "p.json", to: "correct planogram.file"},
	{name: "rig/missing", cmd: "fountaind --state s --rig r.yaml", code: 2, where: "r.yaml", to: "check the path"},
	{name: "rig/key", cmd: "fountaind --state s --rig r.yaml", files: map[string]string{"r.yaml": "lines: 3\n"}, code: 2, where: "r.yaml:1 lines", to: "remove it or use one of"},
	{name: "rig/plant", cmd: "fountain-plant --socket p.sock --rig r.yaml", files: map[string]string{"r.yaml": "lines: 3\n"}, code: 2, where: "r.yaml:1 lines", to: "remove it or use one of"},
	{name: "rig/desk", cmd: "fountain-desk --dir d --rig r.yaml", code: 2, where: "r.yaml", to: "check the path"},
	{name: "rig/guard", cmd: "fountain-guard --state s --rig r.yaml", code: 2, where: "r.yaml", to: "check the path"},
	{name: "template/missing", cmd: "fountain-cloud serve --dir c --template t.yaml", code: 2, where: "t.yaml", to: "give a CloudFormation file"},
	{name: "template/section", cmd: "fountain-cloud serve --dir c --template t.yaml", files: map[string]string{"t.yaml": "Resource: {}\n"}, code: 2, where: "t.yaml:1", to: "correct the template"},
}

// strangePlanogram names an ingredient no catalogue has.
const strangePlanogram = `{"version": 1, "name": "strange", "slots": [{"slot": "s01", "ingredient": "syrup.moon", "volume_ml": 5000}]}`

var wrongPlaces = []bad{
	{name: "state/agent", cmd: "fountaind --state {dir}/file/s", code: 1, where: "{dir}/file/s", to: "give the agent's user write access, or choose another --state"},
	{name: "state/guard", cmd: "fountain-guard --state {dir}/file/s", code: 1, where: "{dir}/file/s/run", to: "choose another --state"},
	{name: "state/plant", cmd: "fountain-plant --socket {dir}/file/p.sock", code: 1, where: "{dir}/file", to: "choose a --socket path in a directory"},
	{name: "state/plant missing", cmd: "fountain-plant --socket {dir}/no/p.sock", code: 2, where: "{dir}/no", to: "make it first"},
	{name: "state/plant state", cmd: "fountain-plant --socket {dir}/p.sock --state {dir}/no/x", code: 1, where: "{dir}/no/x", to: "choose a --state path"},
	{name: "state/cloud", cmd: "fountain-cloud serve --dir {dir}/file/c", code: 1, where: "{dir}/file/c", to: "make the directory writable"},
	{name: "state/desk", cmd: "fountain-desk --dir {dir}/file/d", code: 1, where: "{dir}/file/d", to: "give this user write access, or choose another --dir"},
	{name: "state/log", cmd: "fountaind --state s --config c.yaml", files: map[string]string{"c.yaml": "log:\n  file: file/x.log\n"}, code: 1, where: "log.file {dir}/file/x.log", to: "make its directory writable"},
	{name: "long/agent", cmd: "fountaind --state {dir}/" + longDir, code: 2, where: "--state {dir}/" + longDir, to: "choose a shorter directory"},
	{name: "long/guard", cmd: "fountain-guard --state {dir}/" + longDir, code: 2, where: "--state {dir}/" + longDir, to: "choose a shorter directory"},
	{name: "long/plant", cmd: "fountain-plant --socket {dir}/" + longDir, code: 2, where: "{dir}/" + longDir, to: "choose a shorter state directory"},
	{name: "port/plant", cmd: "fountain-plant --socket p.sock --http 127.0.0.1:{port}", code: 1, where: "--http 127.0.0.1:{port}", to: "stop the other program or choose another port"},
	{name: "port/ui", cmd: "fountain-ui --http 127.0.0.1:{port}", code: 1, where: "--http 127.0.0.1:{port}", to: "stop the other program or choose another port"},
	{name: "port/cloud http", cmd: "fountain-cloud serve --dir c --mqtt 127.0.0.1:0 --http 127.0.0.1:{port}", code: 1, where: "--http 127.0.0.1:{port}", to: "stop the other program"},
	{name: "port/cloud mqtt", cmd: "fountain-cloud serve --dir c --http 127.0.0.1:0 --mqtt 127.0.0.1:{port}", code: 1, where: "--mqtt 127.0.0.1:{port}", to: "stop the other program"},
	{name: "port/desk http", cmd: "fountain-desk --dir d --mqtt 127.0.0.1:0 --http 127.0.0.1:{port}", code: 1, where: "--http 127.0.0.1:{port}", to: "stop the other program"},
	{name: "port/desk mqtt", cmd: "fountain-desk --dir d --http 127.0.0.1:0 --mqtt 127.0.0.1:{port}", code: 1, where: "--mqtt 127.0.0.1:{port}", to: "stop the other program"},
	{name: "address/cloud", cmd: "fountain-cloud serve --dir c --mqtt 127.0.0.1:0 --http nowhere", code: 2, where: "--http nowhere", to: "give an address of this machine as host:port"},
	{name: "address/plant", cmd: "fountain-plant --socket p.sock --http nowhere", code: 2, where: "--http nowhere", to: "give an address of this machine as host:port"},
	{name: "address/ui", cmd: "fountain-ui --http nowhere", code: 2, where: "--http nowhere", to: "give an address of this machine as host:port"},
	{name: "address/desk", cmd: "fountain-desk --dir d --http nowhere", code: 2, where: "--http nowhere", to: "give an address of this machine as host:port"},
	{name: "alone/guard", cmd: "fountain-guard --state {dir}", code: 1, where: "{dir}/run/plant.sock", to: "start fountain-plant"},
	{name: "alone/agent", cmd: "fountaind --state {dir}", code: 1, where: "{dir}/run/plant.sock", to: "start fountain-plant for this state directory, or use fountain-desk"},
}

// TestBadInput gives each command what a newcomer may give it: the message has what, place and remedy, the exit code is
// right, it comes at once and nothing is left behind.
func TestBadInput(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing was accepted
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("cases", func(t *testing.T) { // ends when all parallel ones have
		for _, cases := range [][]bad{wrongUse, wrongFiles, wrongPlaces} {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.in(t, shortDir(t), port)
				})
			}
		}
	})
}

// in runs the case in dir.
func (c bad) in(t *testing.T, dir, port string) {
	t.Helper()
	for name, text := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{dir}", dir, "{port}", port).Replace
	code, stdout, stderr := command(t, dir, c.env, strings.Fields(fill(c.cmd))...)
	if code != c.code {
		t.Errorf("exit code %d, want %d", code, c.code)
	}
	if want := fill(": " + c.where + ": " + c.to); !strings.Contains(": "+stderr, want) {
		t.Errorf("the message has no %q", want)
	}
	if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic") || strings.Contains(stderr, "Usage:") {
		t.Error("a stack or the whole help instead of a message")
	}
	if stdout != "" {
		t.Errorf("prints %q on standard output", stdout)
	}
	if t.Failed() {
		t.Logf("%s\n%s", fill(c.cmd), stderr)
	}
}

// command runs one of our commands to its end; one that does not end by itself fails the test.
func command(t *testing.T, dir, env string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, args[0]), args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "FOUNTAIN_SOCKET=", "LC_ALL=C")
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("%s does not end by itself", args[0])
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// shortDir is a temporary directory in which sockets have room.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bad")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	return dir
}

// TestHelp: help that was asked for is on standard output, with examples, and says nothing else.
func TestHelp(t *testing.T) {
	for _, c := range []string{
		"fountaind", "fountaind check-config", "fountain-guard", "fountain-plant", "fountain-ui", "fountain-desk", "fountain-cloud", "fountain-cloud serve",
		"fountain-cloud consumption tail", "fountain-cloud consumption export", "fountain-cloud things list", "fountain-cloud things release",
		"fountain-cloud things decommission", "fountain-cloud recall add", "fountain-cloud recall remove", "fountain-cloud recall list",
		"fountainctl", "fountainctl status", "fountainctl brands", "fountainctl pour", "fountainctl watch",
	} {
		t.Run(c, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, shortDir(t), "", append(strings.Fields(c), "--help")...)
			if code != 0 || stderr != "" || !strings.Contains(stdout, "Examples:\n  "+c) && !strings.Contains(stdout, "Examples:\n  "+strings.Fields(c)[0]) {
				t.Errorf("exit code %d, standard error %q:\n%s", code, stderr, stdout)
			}
		})
	}
}

// TestBadPours asks a running unit for what it cannot or must not do, and starts everything a second time beside it.
func TestBadPours(t *testing.T) {
	d, u := startDesk(t, nil)
	u.awaitReady(t)
	p := u.plant(t)
	ctl := "fountainctl --socket " + u.Socket(api.ServiceSocket)
	slot := slotOf(t, "sweet.bright") // kolvane.zero cannot do without
	for _, c := range []struct {
		bad
		fault sim.Fault // of the plant, while it is asked
	}{
		{bad: bad{name: "unknown beverage", cmd: ctl + " pour moon.juice --ml 100", code: 2, where: "moon.juice", to: "list the beverages with `fountainctl brands`"}},
		{bad: bad{name: "unknown of a brand", cmd: ctl + " pour kolvane.moon --ml 100", code: 2, where: "kolvane.moon", to: "Kolvane has kolvane.original"}},
		{bad: bad{name: "too much", cmd: ctl + " pour kolvane.zero --ml 5000", code: 2, where: "--ml 5000", to: "ask for at most"}},
		{bad: bad{name: "too little", cmd: ctl + " pour kolvane.zero --ml 1", code: 2, where: "--ml 1", to: "ask for 20 to"}},
		{bad{name: "emergency stop", cmd: ctl + " pour kolvane.zero --ml 100", code: 3, where: "e_stop", to: "release it when it is safe"}, sim.Fault{Kind: sim.EStopPressed}},
		{bad{name: "door", cmd: ctl + " pour kolvane.zero --ml 100", code: 3, where: "door", to: "close it"}, sim.Fault{Kind: sim.DoorOpen}},
		{bad{name: "no cup", cmd: ctl + " pour kolvane.zero --ml 100", code: 3, where: "no_cup", to: "put a cup there"}, sim.Fault{Kind: sim.CupRemoved}},
		{bad{name: "sold out", cmd: ctl + " pour kolvane.zero --ml 100", code: 1, where: "kolvane.zero (sweet.bright)", to: "change the cartridge or choose another beverage"}, sim.Fault{Kind: sim.CartridgeGone, Part: slot}},
		{bad: bad{name: "second agent", cmd: "fountaind --state " + u.Dir, code: 1, where: u.Dir + "/pours", to: "stop the other fountaind"}},
		{bad: bad{name: "second guard", cmd: "fountain-guard --state " + u.Dir, code: 1, where: u.Dir + "/run", to: "stop it first"}},
		{bad: bad{name: "second plant", cmd: "fountain-plant --socket " + u.Socket(sim.SocketName), code: 1, where: u.Socket(sim.SocketName), to: "stop it first"}},
		{bad: bad{name: "second cloud", cmd: "fountain-cloud serve --dir " + d.dir + "/cloud", code: 1, where: d.dir + "/cloud", to: "stop it or give another --dir"}},
		{bad: bad{name: "second desk", cmd: "fountain-desk --dir " + d.dir, code: 1, where: d.dir, to: "stop it, or choose another --dir"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fault.Kind == "" {
				c.in(t, shortDir(t), "")
				return
			}
			if _, err := p.Inject(t.Context(), c.fault); err != nil {
				t.Fatal(err)
			}
			awaitRefusal(t, u, c.where)
			c.in(t, shortDir(t), "")
			if _, err := p.Clear(t.Context(), c.fault); err != nil {
				t.Fatal(err)
			}
			u.awaitReady(t)
		})
	}
	s, err := p.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Cup.TotalUL != 0 || s.SpilledUL != 0 || s.Master.Open {
		t.Errorf("something flowed: %+v", s.Cup)
	}
}

// awaitRefusal waits until the agent has seen what the plant did: the unit's reason, or the beverage that is gone.
func awaitRefusal(t *testing.T, u *Unit, where string) {
	t.Helper()
	c := u.client(t)
	await(t, patience, "the agent sees "+where, func() (bool, string) {
		s, err := c.Status(t.Context())
		if err != nil {
			return false, err.Error()
		}
		if s.Unit != api.UnitReady {
			return true, ""
		}
		brands, err := c.Brands(t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, b := range brands {
			for _, v := range b.Beverages {
				if strings.HasPrefix(where, string(v.ID)+" ") && !v.Available {
					return true, ""
				}
			}
		}
		return where == "no_cup", s.Unit // a missing cup is no fault of the unit
	})
}

// slotOf is the cartridge slot of the built-in planogram that holds the ingredient.
func slotOf(t *testing.T, id beverage.IngredientID) string {
	t.Helper()
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range plan.Slots {
		if s.Ingredient == id {
			return s.Slot
		}
	}
	t.Fatalf("no slot holds %s", id)
	return ""
}
