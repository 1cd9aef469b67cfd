package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// fakeAgent serves the routes of the local API that the service screens use, over a real unix socket. Operations follow a
// script; a lease that is not beaten ends as the real one does.
type fakeAgent struct {
	t      *testing.T
	socket string
	srv    *http.Server
	cat    []byte

	mu       sync.Mutex
	pin      string // empty: none was set
	wait     time.Time
	locked   bool
	wrong    int
	session  string
	n        int
	overview api.Overview
	lines    []api.Line
	slots    []api.Cartridge
	alarms   []api.Alarm
	stands   map[string]bool // alarms whose cause stands
	setup    api.Setup
	network  api.Network
	logs     []api.LogLine
	audit    []api.AuditEntry
	read     api.Cartridge // what is found in a slot next
	script   func(api.StartOp) []fakeStep
	ops      map[string]*fakeOp
	last     string
	started  []api.StartOp
	stopped  int
	answers  []api.Answer
	pours    map[string]*fakePour
	lease    time.Duration
	calls    map[string]int
	diag     []byte
	short    string
	refuse   error // of the next operation
}

// fakeStep is one step of a scripted operation.
type fakeStep struct {
	name, say string
	ask       *api.Ask
	ul        int64         // flows evenly
	lasts     time.Duration // without an ask
	fail      string        // reason: the operation fails here
	proof     string
}

type fakeOp struct {
	api.Op
	script []fakeStep
	since  time.Time
	base   int64
	beat   time.Time
	beats  int
}

type fakePour struct {
	api.Pour
	began, beat time.Time
}

// catalogueJSON is what every fake agent answers: to check the catalogue anew for each takes longer than many a test.
var catalogueJSON = sync.OnceValues(func() ([]byte, error) {
	cat, err := beverage.Load("")
	if err != nil {
		return nil, err
	}
	return json.Marshal(cat)
})

func newFakeAgent(t *testing.T) *fakeAgent {
	t.Helper()
	raw, err := catalogueJSON()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "svc") // t.TempDir is too long for a socket path in long test names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := &fakeAgent{
		t: t, socket: filepath.Join(dir, "agent.sock"), cat: raw, pin: "246810", lease: 30 * time.Second, // a loaded host must not end what a test does not mean to end
		stands: map[string]bool{},
		ops:    map[string]*fakeOp{}, pours: map[string]*fakePour{}, calls: map[string]int{}, script: usualScript, diag: []byte("tar"),
		short: strings.Repeat("fountain 0.9 FTN-0007 ok. ", 20),
	}
	f.fill()
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	f.srv = &http.Server{Handler: f.routes()}
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.srv.Serve(l) })
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() { f.run(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = f.srv.Close()
		wg.Wait()
	})
	return f
}

func p[T any](v T) *T { return &v }

var fakeDay = time.Date(2026, 10, 14, 11, 58, 0, 0, time.UTC)

// fill gives the unit 32 slots, four lines, three things to do.
func (f *fakeAgent) fill() {
	names := []string{
		"Bright sweetener", "Orange", "Lemon", "Ginger", "Mint", "Cola base", "Bright sweetener", "Berry", "Lime", "Vanilla", "Cherry", "Peach", "Apple", "Rose", "Coconut", "Lavender",
		"Raspberry", "Mango", "Elderflower", "Blueberry", "Pear", "Apricot", "Kiwi", "Blackcurrant", "Olive leaf", "Lychee", "Pineapple", "Plum", "Aqua mint", "Melon", "Carrot", "Guava",
	}
	left := []int{22, 83, 66, 49, 32, 93, 0, 59, 42, 25, 86, 69, 52, 9, 96, 79, 62, 45, 28, 89, 72, 55, 14, 99, 82, 65, 48, 31, 92, 75, 58, 41}
	for i, n := range names {
		id := fmt.Sprintf("s%02d", i+1)
		state := "ok"
		if left[i] == 0 {
			state = "empty"
		}
		ing := strings.ToLower(strings.ReplaceAll(n, " ", "-"))
		f.overview.Slots = append(f.overview.Slots, api.SlotLevel{
			Slot: id, Ingredient: ing, Name: n, LeftUL: int64(left[i]) * 14_000, FullUL: 1_400_000, Percent: left[i], State: state, Low: left[i] > 0 && left[i] < 15,
		})
		f.slots = append(f.slots, api.Cartridge{Slot: id, Ingredient: n, Contents: n, Tag: "E004-01" + id, LeftUL: int64(left[i]) * 14_000, State: state, Expires: p(fakeDay.AddDate(0, 6, i))})
		f.lines = append(f.lines, api.Line{ID: id, Kind: kindPump, Ingredient: ing, Slot: id, Cleaned: p(fakeDay.AddDate(0, 0, -3)), CleanDue: p(fakeDay.AddDate(1, 0, 4))})
	}
	f.lines[6].Calibration = &api.Calibration{At: fakeDay.AddDate(0, 0, -12), Person: "crew 2", Factor: 1.004, Expires: fakeDay.AddDate(0, 6, 0)}
	f.lines[6].History = []api.Calibration{{At: fakeDay.AddDate(0, -3, 0), Person: "crew 2", Factor: .998}}
	f.lines = append(
		f.lines, api.Line{ID: "still", Kind: kindValve, CleanDue: p(fakeDay.AddDate(1, 0, 4)), Cleaned: p(fakeDay)},
		api.Line{ID: "sparkling", Kind: kindValve, LockedOut: "clean_unfinished"},
		api.Line{ID: "flow_still", Kind: kindMeter, Calibration: &api.Calibration{At: fakeDay, Person: "crew 2", Factor: .987, Expires: fakeDay.AddDate(0, 6, 0)}},
		api.Line{ID: "flow_sparkling", Kind: kindMeter}, api.Line{ID: "stirrer", Kind: kindAgitator},
	)
	f.alarms = []api.Alarm{
		{Name: "cartridge_empty", Severity: "blocks", Scope: "s07", What: "the cartridge has run dry", Evidence: "Bright sweetener, 0 ml of 1400 ml", Remedy: "change it", Since: fakeDay},
		{Name: "co2_low", Severity: "warns", Scope: "sparkling", What: "the gas for sparkling drinks is running out", Evidence: "421 kPa, limit 450 kPa", Remedy: "have a full CO2 cylinder ready; check the regulator", Since: fakeDay},
		{Name: "clean_due", Severity: "warns", Scope: "nozzle", What: "a cleaning is due", Evidence: "nozzle, last done yesterday 17:36 by crew 2", Remedy: "clean it: fountainctl clean", Since: fakeDay},
		{Name: "meter_dead", Severity: "blocks", Scope: "flow_still", What: "the flow meter flow_still does not count", Evidence: "70 ml by time, 0 pulses", Remedy: "check the meter and its wire, then clear the alarm", Since: fakeDay},
	}
	todo := func(i int, line, action string, hidden int) api.Todo {
		a := f.alarms[i]
		return api.Todo{Severity: a.Severity, Alarm: a.Name, Scope: a.Scope, What: a.What, Evidence: a.Evidence, Remedy: a.Remedy, Line: line, Action: action, Hidden: hidden}
	}
	f.overview.Todos = []api.Todo{todo(0, "s07", api.ActionCartridge, 6), todo(1, "", api.ActionShow, 0), todo(2, "nozzle", api.ActionClean, 0)}
	f.overview.At, f.overview.Place, f.overview.Serial, f.overview.Thing = fakeDay, "Food court, level 2", "FTN-0007", "ftn-0007"
	f.overview.Figures = api.Figures{
		WaterC: p(2.9), GasKPa: p(421.), InletKPa: p(379.), DrinksToday: 214, Online: true, LastSync: p(fakeDay), FreeBytes: 5 << 30, TotalBytes: 14 << 30, UptimeS: 266_000,
	}
	f.overview.Versions = api.Versions{Software: "0.9.0", BootSlot: "A", Catalogue: "sha256:9f8e7d6c5b4a", Planogram: "mall-32", Campaign: "starfall", Rig: "sim"}
	f.network = api.Network{
		Links: []api.NetLink{{Name: "eth0", Up: true, MAC: "02:42:ac:11:00:02", Addresses: []string{"10.20.0.17/24"}}, {Name: "wlan0"}},
		Cloud: "online", Endpoint: "fountain.example:8883",
	}
	f.overview.Network = f.network
	f.setup = api.Setup{Steps: []api.SetupStep{
		{ID: api.SetupPIN, State: "open", What: "no service PIN is set: the screen's service menu stays shut"},
		{ID: api.SetupLanguage, State: "open", What: "nobody has chosen the language"},
		{ID: api.SetupZone, State: "open", What: "nobody has chosen the venue's time zone"},
		{ID: api.SetupNetwork, State: "open", What: "not checked yet"},
		{ID: api.SetupClaim, State: "open", What: "the cloud does not know this unit yet"},
		{ID: api.SetupRig, State: "open", What: "no self-test was passed yet", Remedy: "fountainctl selftest --dry"},
		{ID: api.SetupCalibrate, State: "open", What: "34 lines go by their name plate"},
	}}
	for i := range 80 {
		level := []string{"info", "debug", "warn", "error"}[i%4]
		f.logs = append(f.logs, api.LogLine{N: uint64(i + 1), At: fakeDay.Add(time.Duration(i) * time.Minute), Level: level, Text: fmt.Sprintf("pour %d recorded", i), Attrs: "seq=" + fmt.Sprint(i)})
	}
	f.audit = []api.AuditEntry{{At: fakeDay, Person: "screen", Action: "clean", Line: "nozzle", Result: "done"}, {At: fakeDay, Person: "crew 2", Action: "calibrate", Line: "s07", Result: "failed: points_apart"}}
	f.read = api.Cartridge{Slot: "s07", Ingredient: "Bright sweetener", Contents: "Bright sweetener", Tag: "E004-0199", LeftUL: 1_400_000, State: "ok", Expires: p(fakeDay.AddDate(1, 0, 0))}
}

// usualScript is what the machine's programs are like, shorter.
func usualScript(req api.StartOp) []fakeStep {
	confirm := func(what string) *api.Ask { return &api.Ask{Kind: api.AskConfirm, What: what} }
	switch req.Kind {
	case api.OpCalibrate:
		return []fakeStep{
			{name: "cup 1", ask: confirm("The line has to be primed. Put an empty, dry measuring cup for about 20.0 ml under the nozzle.")},
			{name: "run 1", say: "The pump makes a fixed number of strokes.", ul: 20_400, lasts: 600 * time.Millisecond, proof: "500 of 500 strokes confirmed, 20.4 ml"},
			{name: "measured 1", ask: &api.Ask{Kind: api.AskNumber, What: "How much is in the cup?", Unit: "ml", Min: .1, Max: 500}},
			{name: "factor", say: "The factor is computed.", lasts: 50 * time.Millisecond, proof: "factor 1.0200 of the plate"},
		}
	case api.OpSelfTest:
		return []fakeStep{{name: "dry test", say: "Nothing may move.", lasts: 300 * time.Millisecond, proof: "nothing moved, everything answers"}}
	case api.OpClean:
		return []fakeStep{
			{name: "1 confirm", ask: confirm("Take nozzle and diffuser off, brush them, and put them into sanitiser (50 to 100 ppm chlorine).")},
			{name: "2 dwell", say: "Nozzle and diffuser soak. Meanwhile wipe drip pan and splash area.", lasts: 400 * time.Millisecond, proof: "stood 3m0s"},
			{name: "3 rinse", say: "The nozzle is rinsed.", ul: 250_000, lasts: 500 * time.Millisecond, proof: "250 ml in 3.4 s"},
		}
	}
	return []fakeStep{
		{name: "ask", ask: confirm("Priming pumps about 12.0 ml of the cartridge into the nozzle, at most 36.0 ml. Put a jug below.")},
		{name: req.Kind, say: "The line is filled.", ul: 12_000, lasts: 500 * time.Millisecond, proof: "300 of 300 strokes confirmed, 12.0 ml"},
	}
}

// set changes the agent.
func (f *fakeAgent) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func get[T any](f *fakeAgent, what func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return what()
}

// live counts operations and pours that may flow.
func (f *fakeAgent) live() int {
	return get(f, func() int {
		n := 0
		for _, o := range f.ops {
			if o.Outcome == "" {
				n++
			}
		}
		for _, q := range f.pours {
			if q.Phase == api.PhaseFlowing {
				n++
			}
		}
		return n
	})
}

// run moves the operations and pours.
func (f *fakeAgent) run(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			f.mu.Lock()
			for _, o := range f.ops {
				if o.Outcome == "" && now.Sub(o.beat) > f.lease {
					o.end(api.OpStopped, "lease_lost", "stay with the unit while it works, and begin again")
				}
				o.move(now)
			}
			for _, q := range f.pours {
				if q.Phase != api.PhaseFlowing {
					continue
				}
				q.PouredUL = min(int64(now.Sub(q.began).Seconds()*75_000), q.TargetUL)
				if now.Sub(q.beat) > f.lease {
					q.Phase, q.Outcome, q.Reason = api.PhaseDone, "interrupted", "lease_lost"
				}
			}
			f.mu.Unlock()
		}
	}
}

func (o *fakeOp) move(now time.Time) {
	if o.Outcome != "" {
		return
	}
	st := o.script[o.Step]
	o.Say, o.Ask = st.say, st.ask
	if st.ask != nil {
		o.Say = st.ask.What
		return
	}
	done := min(1, float64(now.Sub(o.since))/float64(st.lasts))
	o.FlowedUL = o.base + int64(float64(st.ul)*done)
	if done < 1 {
		return
	}
	if st.fail != "" {
		o.Steps[o.Step].State, o.Steps[o.Step].Proof = "failed", st.fail
		o.end(api.OpFailed, st.fail, "check the supply, the valve and the meter of this line, and begin again")
		return
	}
	o.next(now, st.proof)
}

func (o *fakeOp) next(now time.Time, proof string) {
	o.Steps[o.Step].State, o.Steps[o.Step].Proof = "done", proof
	o.base, o.since, o.Ask = o.FlowedUL, now, nil
	if o.Step == len(o.Steps)-1 {
		o.Evidence = []api.Evidence{{What: o.Steps[o.Step].Name + ": volume", Is: float64(o.FlowedUL) / 1000, Min: 0, Max: 600, Unit: "ml", OK: true}}
		o.end(api.OpDone, "", "")
		return
	}
	o.Step++
	o.Steps[o.Step].State = "running"
	o.move(now)
}

func (o *fakeOp) end(outcome, reason, remedy string) {
	o.Outcome, o.Reason, o.Remedy, o.Ask = outcome, reason, remedy, nil
	if outcome == api.OpFailed {
		o.Evidence = []api.Evidence{{What: "run 1: flow", Is: 3.2, Min: 15, Max: 150, Unit: "ml/s"}}
	}
}
