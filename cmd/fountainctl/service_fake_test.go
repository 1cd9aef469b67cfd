package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

// serveService serves the service API at path: operations and lines by the fake, everything else by s.
func serveService(path string, s *apiserver.Server, f *fakeService) (stop func(), err error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/service/ops", reply(http.StatusCreated, func(r *http.Request) (any, error) {
		var req api.StartOp
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return nil, err
		}
		return f.start(req)
	}))
	mux.HandleFunc("GET /v1/service/ops/{id}", reply(http.StatusOK, func(*http.Request) (any, error) { return f.now() }))
	mux.HandleFunc("POST /v1/service/ops/{id}/beat", reply(http.StatusNoContent, func(*http.Request) (any, error) { return nil, f.beat() }))
	mux.HandleFunc("POST /v1/service/ops/{id}/answer", reply(http.StatusOK, func(r *http.Request) (any, error) {
		var a api.Answer
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			return nil, err
		}
		return f.answer(a)
	}))
	mux.HandleFunc("DELETE /v1/service/ops/{id}", reply(http.StatusNoContent, func(*http.Request) (any, error) { f.stop(); return nil, nil }))
	mux.HandleFunc("GET /v1/service/lines", reply(http.StatusOK, func(*http.Request) (any, error) { return f.lines(), nil }))
	mux.HandleFunc("POST /v1/service/lines/{id}/undo", reply(http.StatusOK, func(r *http.Request) (any, error) { return f.undo(r.PathValue("id")) }))
	mux.Handle("/", s.Handler(true))
	srv := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	return func() { _ = srv.Close(); <-done }, nil
}

func reply(status int, f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			problem.Write(w, err)
			return
		}
		w.WriteHeader(status)
		if v != nil {
			_ = json.NewEncoder(w).Encode(v)
		}
	}
}

// fakeService is the unit's service side: every beat lets 10 ml flow.
type fakeService struct {
	units    string // set by config set
	mu       sync.Mutex
	req      api.StartOp
	op       api.Op
	measured []float64
	factor   float64
	state    map[string]api.SetupStep
	slots    []api.Cartridge
	alarms   []api.Alarm
	trail    []api.AuditEntry
}

func newFakeService() *fakeService {
	f := &fakeService{state: map[string]api.SetupStep{}, factor: 1.02}
	for _, id := range []string{api.SetupPIN, api.SetupLanguage, api.SetupZone, api.SetupNetwork, api.SetupClaim, api.SetupRig, api.SetupCalibrate} {
		f.state[id] = api.SetupStep{ID: id, State: stepOpen, What: id + " is open", Remedy: "do " + id}
	}
	expires := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	f.slots = []api.Cartridge{
		{Slot: "s01", Ingredient: "kolvane.base", Tag: "04a1", Contents: "kolvane.base", LeftUL: 900_000, Expires: &expires, State: "ok"},
		{Slot: "s02", Ingredient: "lemon", Contents: "cherry", Tag: "04a2", LeftUL: 1_200_000, State: "wrong", Remedy: "put the lemon cartridge in"},
	}
	since := time.Now().Add(-3 * time.Hour)
	f.alarms = []api.Alarm{
		{Name: "no_water", Severity: "blocks", Scope: "unit", What: "the water supply has no pressure", Evidence: "12 kPa", Remedy: "open the water supply; check the filter", Since: since},
		{Name: "store_damaged", Severity: "warns", Scope: "state.db", What: "a file of recorded pours is damaged; it was kept aside", Remedy: "keep the file and call support", Since: since},
	}
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	f.trail = []api.AuditEntry{
		{At: at.Add(time.Hour), Person: "bob", Action: "prime", Line: "s01", Result: "done"},
		{At: at, Person: "ada", Action: "setup pin", Result: "done"},
	}
	return f
}

const stepOpen = "open"

func (f *fakeService) start(req api.StartOp) (api.Op, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := func(names ...string) (out []api.OpStep) {
		for _, n := range names {
			out = append(out, api.OpStep{Name: n, State: "waiting"})
		}
		return out
	}
	f.req, f.measured = req, nil
	f.op = api.Op{ID: "01OP", Kind: req.Kind, Line: req.Line, Say: "starting"}
	switch {
	case req.Line == "door":
		return api.Op{}, &problem.Problem{Code: problem.CodeUnsafe, Where: "door", What: "the service door is open", Remedy: "close it", Retry: true}
	case req.Line == "s99":
		return api.Op{}, &problem.Problem{Code: problem.CodeNotFound, Where: req.Line, What: "there is no such line for this operation", Remedy: "GET /v1/service/lines lists them"}
	case req.Params["colour"] != "":
		return api.Op{}, &problem.Problem{Code: problem.CodeBadRequest, Where: "params.colour", What: "this operation takes no such parameter", Remedy: "leave it out"}
	case req.Kind == api.OpCalibrate:
		f.op.Steps = steps("cup 1", "run 1", "read 1", "cup 2", "run 2", "read 2", "judge")
	case req.Kind == api.OpSelfTest && req.Params["dry"] == "true":
		f.op.Steps = steps("dry test")
	case req.Kind == api.OpSelfTest:
		f.op.Steps = steps("ask", "water, cycle 1")
	case req.Kind == api.OpClean && req.Params["recipe"] != "":
		f.op.Steps = steps("recipe " + req.Params["recipe"])
	default:
		f.op.Steps = steps("ask", "prime", "rinse the nozzle")
	}
	f.enter(0)
	return f.op, nil
}

// enter begins step i; called with mu held.
func (f *fakeService) enter(i int) {
	o := &f.op
	if i == len(o.Steps) {
		o.Outcome, o.Ask, o.Step = api.OpDone, nil, i-1
		if f.req.Kind == api.OpSelfTest {
			f.state[api.SetupRig] = api.SetupStep{ID: api.SetupRig, State: stepDone, What: "a self-test was passed"}
			o.Evidence = []api.Evidence{{What: "valves shut", Is: 5, Min: 5, Max: 5, OK: true}}
		}
		return
	}
	o.Step, o.Steps[i].State, o.Ask = i, "running", nil
	switch name := o.Steps[i].Name; {
	case name == "ask", strings.HasPrefix(name, "cup"):
		o.Ask = &api.Ask{Kind: api.AskConfirm, What: "Put a jug under the nozzle."}
	case strings.HasPrefix(name, "read"):
		o.Ask = &api.Ask{Kind: api.AskNumber, What: "What does the cup say?", Unit: "ml", Min: 10, Max: 1000}
	case name == "judge":
		f.factor = (f.measured[0] + f.measured[1]) / 60
		if f.factor < 0.5 || f.factor > 2 {
			o.Ask = &api.Ask{Kind: api.AskConfirm, What: fmt.Sprintf("%.2f times the plate. Only an expert may accept it.", f.factor)}
			return
		}
		f.pass(fmt.Sprintf("factor %.4f", f.factor))
	default:
		o.Say = "Water flows."
	}
}

// pass ends the present step well; called with mu held.
func (f *fakeService) pass(proof string) {
	f.op.Steps[f.op.Step].State, f.op.Steps[f.op.Step].Proof = stepDone, proof
	f.enter(f.op.Step + 1)
}

func (f *fakeService) fail(outcome, reason, remedy string) {
	f.op.Steps[f.op.Step].State = stepFailed
	f.op.Outcome, f.op.Reason, f.op.Remedy, f.op.Ask = outcome, reason, remedy, nil
}

func (f *fakeService) beat() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := &f.op
	switch {
	case o.Outcome != "":
		return &problem.Problem{Code: problem.CodeConflict, What: "the operation has ended"}
	case o.Ask != nil:
		return nil
	}
	o.FlowedUL += 10_000
	switch name := o.Steps[o.Step].Name; {
	case f.req.Line == "endless":
	case strings.HasPrefix(name, "water"):
		o.Evidence = append(o.Evidence, api.Evidence{What: "close lag", Is: 0.181, Max: 0.15, Unit: "s"}, api.Evidence{What: "flow", Is: 74.25, Min: 60, Max: 90, Unit: "ml/s", OK: true})
		f.fail(api.OpFailed, "slow", "clean or change the valve")
	default:
		f.pass(ml(o.FlowedUL))
	}
	return nil
}

func (f *fakeService) answer(a api.Answer) (api.Op, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ask := f.op.Ask
	if ask == nil || f.op.Outcome != "" {
		return api.Op{}, &problem.Problem{Code: problem.CodeConflict, What: "the operation asks nothing now"}
	}
	before := f.op
	before.Steps = slices.Clone(f.op.Steps)
	switch {
	case ask.Kind == api.AskNumber && (a.Number < ask.Min || a.Number > ask.Max):
		return api.Op{}, &problem.Problem{Code: problem.CodeBadRequest, Where: "number", What: fmt.Sprintf("%g ml cannot be", a.Number), Remedy: "enter 10 to 1000 ml"}
	case ask.Kind == api.AskNumber:
		f.measured = append(f.measured, a.Number)
		f.pass(fmt.Sprintf("%g ml", a.Number))
	case f.op.Steps[f.op.Step].Name == "judge" && !(a.Yes && a.Expert):
		f.fail(api.OpFailed, "absurd", "enter the right figure, and calibrate again")
	case !a.Yes:
		f.fail(api.OpStopped, "no", "begin again when you are ready")
	default:
		f.pass("yes")
	}
	return before, nil // the control loop takes the answer a moment later
}

func (f *fakeService) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.op.Outcome == "" {
		f.fail(api.OpStopped, "stopped", "begin again when you are ready")
	}
}

func (f *fakeService) now() (api.Op, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.op
	o.Steps = slices.Clone(o.Steps)
	return o, nil
}

func (f *fakeService) lines() []api.Line {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	old := api.Calibration{At: at.AddDate(0, -6, 0), Person: "bob", Factor: 0.98, Expires: at}
	cal := api.Calibration{At: at, Person: "ada", Factor: math.Round(f.factor*1e4) / 1e4, Expires: at.AddDate(9, 0, 0), Points: []api.CalPoint{{Rate: 74_000, Counted: 102, Measured: 100_000}}}
	due := at.AddDate(0, 0, 7)
	return []api.Line{
		{ID: "water", Kind: "valve", Ingredient: "water.still", Cleaned: &at, CleanDue: &due, LockedOut: "cleaning"},
		{ID: "flow_water", Kind: "flow-meter", Calibration: &cal, History: []api.Calibration{old}},
		{ID: "p01", Kind: "dosing-pump", Ingredient: "kolvane.base"},
	}
}

func (f *fakeService) undo(id string) (api.Line, error) {
	if id != "flow_water" {
		return api.Line{}, &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "this line has no earlier calibration", Remedy: "see its history"}
	}
	l := f.lines()[1]
	l.Calibration, l.History = &l.History[0], nil
	return l, nil
}

// The parts of apiserver.Admin.
type (
	fakeSlots  struct{ f *fakeService }
	fakeAlarms struct{ f *fakeService }
	fakeSetup  struct{ f *fakeService }
	fakeTrail  struct{ f *fakeService }
)

func (s fakeSlots) List(context.Context) ([]api.Cartridge, error) { return s.f.slots, nil }

func (s fakeSlots) Change(_ context.Context, slot string, c api.CartridgeChange) (api.Cartridge, error) {
	for _, x := range s.f.slots {
		if x.Slot == slot {
			if c.Action == removed {
				x.State, x.LeftUL, x.Contents = "absent", 0, ""
			}
			return x, nil
		}
	}
	return api.Cartridge{}, &problem.Problem{Code: problem.CodeNotFound, Where: slot, What: "there is no such slot", Remedy: "see the list"}
}

func (s fakeAlarms) List() []api.Alarm {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.alarms)
}

func (s fakeAlarms) Clear(_ context.Context, c api.ClearAlarm) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for i, a := range s.f.alarms {
		switch {
		case a.Name != c.Name || a.Scope != c.Scope:
		case a.Severity == "blocks":
			return &problem.Problem{Code: problem.CodeUnsafe, Where: a.Name + " " + a.Scope, What: "its cause still stands", Remedy: a.Remedy}
		default:
			s.f.alarms = slices.Delete(s.f.alarms, i, i+1)
			return nil
		}
	}
	return &problem.Problem{Code: problem.CodeNotFound, Where: c.Name, What: "this alarm does not stand", Remedy: "see fountainctl alarms"}
}

func (s fakeSetup) State(context.Context) (api.Setup, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	out := api.Setup{Done: true}
	for _, id := range []string{api.SetupPIN, api.SetupLanguage, api.SetupZone, api.SetupNetwork, api.SetupClaim, api.SetupRig, api.SetupCalibrate} {
		out.Steps = append(out.Steps, s.f.state[id])
		out.Done = out.Done && s.f.state[id].State == stepDone
	}
	return out, nil
}

func (s fakeSetup) Answer(ctx context.Context, step string, a api.SetupAnswer) (api.Setup, error) {
	s.f.mu.Lock()
	next := api.SetupStep{ID: step, State: stepDone, What: step + " is " + a.Value}
	switch {
	case step == api.SetupPIN && len(a.Value) < 6:
		s.f.mu.Unlock()
		return api.Setup{}, &problem.Problem{Code: problem.CodeBadRequest, Where: "PIN", What: "the PIN is too short", Remedy: "choose 6 to 12 digits"}
	case step == api.SetupPIN:
		next.What = "a service PIN is set"
	case step == api.SetupClaim:
		next.State, next.What, next.Remedy = stepFailed, "not claimed: the endpoint is away", "see the network step first"
	case step == api.SetupNetwork:
		next.What = "localhost:8883 answers"
	}
	s.f.state[step] = next
	s.f.mu.Unlock()
	return s.State(ctx)
}

func (s fakeTrail) List() ([]api.AuditEntry, error) { return s.f.trail, nil }

type (
	fakeSettings struct{ f *fakeService }
	fakeDiag     struct{}
)

func (s fakeSettings) List() ([]api.ConfigValue, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	list := []api.ConfigValue{
		{Key: "unit.units", Value: "ml", Origin: "file", Where: "unit.yaml:4", Doc: "volumes are shown in ml, fl_oz or both", Tech: true},
		{Key: "unit.languages", Value: []string{"en", "de"}, Origin: "default", Doc: "languages offered", Tech: true},
		{Key: "pour.sizes", Value: []map[string]any{{"id": "small", "ml": 355}}, Origin: "default", Doc: "portions offered"},
	}
	if s.f.units != "" {
		list[0].Next = s.f.units
	}
	return list, nil
}

func (s fakeSettings) Set(key string, in api.SetConfig) (api.ConfigValue, error) {
	if key != "unit.units" || in.Person == "" {
		return api.ConfigValue{}, &problem.Problem{Code: problem.CodeBadRequest, Where: key, What: "this key is not a technician's to set", Remedy: "set it in the configuration file"}
	}
	s.f.mu.Lock()
	s.f.units = in.Value
	s.f.mu.Unlock()
	list, err := s.List()
	return list[0], err
}

func (fakeDiag) File(context.Context) ([]byte, error)  { return []byte("\x1f\x8bpacked"), nil }
func (fakeDiag) Short(context.Context) (string, error) { return "FN1 V-1\nunit ready\n", nil }
