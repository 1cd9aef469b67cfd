package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fountain/agent/access"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/config"
	"fountain/hal"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// settingSetup holds what the wizard has proven and nothing else tells.
const settingSetup = "setup"

// claimPatience is how long an answer to the claim step waits for the cloud.
const claimPatience = 5 * time.Second

// setup is the unit's side of the first-run wizard. It is no lock: a unit pours without it. What a step found out stands
// where it belongs (the PIN in the store, language and zone in the technician's file, the identity in its directory);
// only the proven way to the cloud is remembered here.
//
//	GET setup ──► PIN, technician's file, cloud, service book ──► seven steps
//
// State it owns: what was proven; one check at a time.
type setup struct {
	a     *Agent
	lines func() ([]api.Line, error) // with calibrations; nil: not known

	mu      sync.Mutex
	proven  proven
	failure *problem.Problem // of the last network check in this process; nil: none or good
	at      chan struct{}    // one token: who holds it checks
	pins    sync.Mutex       // one PIN is set at a time
}

var _ apiserver.Setup = (*setup)(nil)

// proven is what is stored of the checks.
type proven struct {
	Network *proof `json:"network,omitempty"` // Of is the endpoint
	Rig     *proof `json:"rig,omitempty"`     // Of is the person
}

type proof struct {
	Of    string    `json:"of"`
	At    time.Time `json:"at"`
	Found string    `json:"found,omitempty"`
}

func newSetup(a *Agent) *setup {
	s := &setup{a: a, at: make(chan struct{}, 1)}
	b, ok, err := a.store.Setting(settingSetup)
	if err == nil && ok {
		err = json.Unmarshal(b, &s.proven)
	}
	if err != nil { // the checks are made again
		a.log.Warn("read the state of the setup", slog.Any(logkey.Err, err))
		s.proven = proven{}
	}
	for _, p := range a.cfg.Config.Refused { // the steps show it too
		a.log.Warn("the technician's file is not used", slog.Any(logkey.Err, p))
	}
	return s
}

// technicianFile is where language and zone are kept.
func (a *Agent) technicianFile() string { return filepath.Join(a.cfg.State, config.TechnicianName) }

// State lists the steps in order.
func (s *setup) State(context.Context) (api.Setup, error) {
	out := api.Setup{Steps: []api.SetupStep{
		s.pinStep(),
		s.valueStep(api.SetupLanguage, "unit.language", "the language of the screen", "fountainctl setup --language de"),
		s.valueStep(api.SetupZone, "unit.timezone", "the venue's time zone", "fountainctl setup --zone Europe/Berlin"),
		s.networkStep(), s.claimStep(), s.rigStep(), s.calibrateStep(),
	}}
	out.Done = true
	for _, st := range out.Steps {
		out.Done = out.Done && st.State == stepDone
	}
	return out, nil
}

// States of a step.
const (
	stepOpen   = "open"
	stepDone   = "done"
	stepFailed = "failed"
)

func (s *setup) pinStep() api.SetupStep {
	st := s.a.pin.State()
	switch {
	case st.Locked:
		return api.SetupStep{
			ID: api.SetupPIN, State: stepFailed, What: fmt.Sprintf("the service PIN is locked out: %d wrong ones in a row", st.Failures),
			Remedy: "set a new one with fountainctl setup --pin-file FILE",
		}
	case st.Set:
		return api.SetupStep{ID: api.SetupPIN, State: stepDone, What: "a service PIN is set"}
	}
	return api.SetupStep{
		ID: api.SetupPIN, State: stepOpen, What: "no service PIN is set: the screen's service menu stays shut",
		Remedy: fmt.Sprintf("choose one of %d digits or more", access.MinDigits),
	}
}

// valueStep is a step whose answer is a configuration key. A value that anyone chose, in whatever layer, is an answer.
func (s *setup) valueStep(id, key, what, example string) api.SetupStep {
	cfg := s.a.present.Load()
	now := map[string]string{"unit.language": cfg.Unit.Language, "unit.timezone": s.a.cfg.Config.Unit.Timezone}[key]
	set, err := config.Technician(s.a.technicianFile())
	chosen, _ := set[key].(string)
	switch {
	case err != nil:
		p := problem.From(err)
		return api.SetupStep{ID: id, State: stepFailed, What: "the technician's file is not used: " + p.What + ": " + p.Where, Remedy: "set it again: " + example}
	case chosen != "" && chosen != now:
		return api.SetupStep{ID: id, State: stepDone, What: what + " is " + chosen + " from the next start on", Remedy: "restart fountaind when it suits"}
	case chosen != "":
		return api.SetupStep{ID: id, State: stepDone, What: what + " is " + chosen}
	case cfg.Origin(key).Kind != config.FromDefault && now != "":
		return api.SetupStep{ID: id, State: stepDone, What: what + " is " + now + ", by " + origin(cfg.Origin(key))}
	}
	if now != "" {
		now = ": " + now + " for now"
	}
	return api.SetupStep{ID: id, State: stepOpen, What: "nobody has chosen " + what + now, Remedy: example}
}

func origin(o config.Origin) string {
	if o.Where != "" {
		return o.Where
	}
	return o.Kind
}

func (s *setup) networkStep() api.SetupStep {
	step := api.SetupStep{ID: api.SetupNetwork}
	if !s.a.cfg.Config.Cloud.Enabled {
		step.State, step.What = stepDone, "the cloud is switched off in the configuration: nothing to reach"
		return step
	}
	if c := s.a.cloud.status(); c.State == cloudOnline {
		step.State, step.What = stepDone, "connected to "+c.Endpoint
		return step
	}
	ep, err := s.a.cloud.endpoints()
	if err != nil {
		p := problem.From(err)
		step.State, step.What, step.Remedy = stepFailed, p.What+": "+p.Where, p.Remedy
		return step
	}
	s.mu.Lock()
	seen, failure := s.proven.Network, s.failure
	s.mu.Unlock()
	switch {
	case failure != nil:
		step.State, step.What, step.Remedy = stepFailed, failure.What+": "+failure.Where, failure.Remedy
	case seen != nil && seen.Of == ep.MQTT:
		step.State, step.What = stepDone, seen.Found
	default:
		step.State, step.What, step.Remedy = stepOpen, "the way to "+ep.MQTT+" was not checked yet", "fountainctl setup --network"
	}
	return step
}

func (s *setup) claimStep() api.SetupStep {
	step := api.SetupStep{ID: api.SetupClaim}
	c := s.a.cloud.status()
	switch thing := s.a.cloud.thing(); {
	case thing != "":
		step.State, step.What = stepDone, "the cloud knows this unit as "+thing
	case !s.a.cfg.Config.Cloud.Enabled:
		step.State, step.What = stepDone, "the cloud is switched off in the configuration: nothing to claim"
	case c.LastErr != "":
		step.State, step.What, step.Remedy = stepFailed, "not claimed: "+c.LastErr, "the unit tries again by itself; see the network step first"
	default:
		step.State, step.What, step.Remedy = stepOpen, "the unit has not introduced itself to the cloud yet", "it does so as soon as it reaches the cloud"
	}
	return step
}

func (s *setup) rigStep() api.SetupStep {
	step := api.SetupStep{ID: api.SetupRig, State: stepOpen, What: "no self-test was passed yet", Remedy: "fountainctl selftest --dry"}
	s.mu.Lock()
	p := s.proven.Rig
	s.mu.Unlock()
	if p != nil {
		step.State, step.Remedy = stepDone, ""
		step.What = "a self-test was passed on " + p.At.In(s.a.cfg.Config.Location()).Format("2006-01-02 15:04") + " by " + p.Of
	}
	return step
}

// rigChecked tells whether a self-test was ever passed on this unit.
func (s *setup) rigChecked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proven.Rig != nil
}

// passed notes a self-test that person ran and the unit passed.
func (s *setup) passed(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.proven
	next.Rig = &proof{Of: person, At: time.Now().UTC()}
	if err := s.keep(next); err != nil {
		s.a.log.Error("note the self-test", slog.Any(logkey.Err, err)) // it has to be run again
	}
}

// keep makes next durable and present; called with mu held.
func (s *setup) keep(next proven) error {
	b, err := json.Marshal(next)
	if err == nil {
		err = s.a.store.PutSetting(settingSetup, b)
	}
	if err != nil {
		return fmt.Errorf("store the state of the setup: %w", err)
	}
	s.proven = next
	return nil
}

func (s *setup) calibrateStep() api.SetupStep {
	step := api.SetupStep{ID: api.SetupCalibrate, State: stepOpen, What: "the calibrations are not known", Remedy: "fountainctl lines"}
	if s.lines == nil {
		step.What, step.Remedy = "this agent keeps no calibrations", "install a newer one"
		return step
	}
	all, err := s.lines()
	if err != nil {
		step.State, step.What = stepFailed, "the calibrations cannot be read: "+err.Error()
		return step
	}
	var missing []string
	n := 0
	for _, l := range all {
		if !calibrates(l) {
			continue
		}
		n++
		if l.Calibration == nil {
			missing = append(missing, l.ID)
		}
	}
	if len(missing) == 0 {
		step.State, step.What, step.Remedy = stepDone, fmt.Sprintf("all %d meters and pumps are calibrated", n), ""
		return step
	}
	const named = 4
	list := strings.Join(missing[:min(named, len(missing))], ", ")
	if len(missing) > named {
		list += fmt.Sprintf(" and %d more", len(missing)-named)
	}
	step.What = fmt.Sprintf("%d of %d meters and pumps go by their name plate: %s", len(missing), n, list)
	step.Remedy = "fountainctl calibrate " + missing[0]
	return step
}

// Answer takes a person's answer to a step, or runs its check, and returns all of them.
func (s *setup) Answer(ctx context.Context, step string, in api.SetupAnswer) (api.Setup, error) {
	var err error
	switch step {
	case api.SetupPIN:
		err = s.setPIN(ctx, in.Value)
	case api.SetupLanguage:
		err = s.set(step, "unit.language", in.Value)
	case api.SetupZone:
		err = s.set(step, "unit.timezone", in.Value)
	case api.SetupNetwork, api.SetupClaim, api.SetupRig, api.SetupCalibrate:
		if in.Value != "" {
			err = &problem.Problem{Code: problem.CodeBadRequest, Where: step, What: "this step is a check and takes no value", Remedy: "leave the value out"}
		} else {
			err = s.check(ctx, step)
		}
	default:
		return api.Setup{}, &problem.Problem{
			Code: problem.CodeNotFound, Where: step, What: "there is no such step",
			Remedy: "the steps are pin, language, zone, network, claim, rig and calibrate",
		}
	}
	s.a.audit.noted(in.Person, "setup "+step, "", err)
	if err != nil {
		return api.Setup{}, err
	}
	return s.State(ctx)
}

// setPIN sets the PIN: who has no session only the first one, also when the call began before somebody else set it.
func (s *setup) setPIN(ctx context.Context, pin string) error {
	if err := s.needs(api.SetupPIN, pin); err != nil {
		return err
	}
	s.pins.Lock()
	defer s.pins.Unlock()
	if apiserver.ByWizard(ctx) && !s.a.pin.State().Never {
		_, err := s.a.sessions.Use("", false)
		return err
	}
	return s.a.pin.Set(pin)
}

func (s *setup) needs(step, value string) error {
	if value == "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: step, What: "this step needs a value", Remedy: "give one"}
	}
	return nil
}

// set writes a value into the technician's file.
func (s *setup) set(step, key, value string) error {
	if err := s.needs(step, value); err != nil {
		return err
	}
	return s.a.setTechnician(key, value)
}

// check runs a step's check. What it finds wrong is the step's state, not an error.
func (s *setup) check(ctx context.Context, step string) error {
	switch step {
	case api.SetupNetwork:
		return s.checkNetwork(ctx)
	case api.SetupClaim:
		s.awaitClaim(ctx)
	}
	return nil // the rig check and calibrations are operations: their steps show what came of them
}

func (s *setup) checkNetwork(ctx context.Context) error {
	if !s.a.cfg.Config.Cloud.Enabled {
		return nil
	}
	select {
	case s.at <- struct{}{}:
		defer func() { <-s.at }()
	default:
		return &problem.Problem{Code: problem.CodeBusy, Where: api.SetupNetwork, What: "the network is being checked already", Remedy: "wait for it", Retry: true}
	}
	ep, err := s.a.cloud.endpoints()
	if err != nil {
		return nil // the step shows it
	}
	found, err := s.a.cloud.reach(ctx, ep)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failure = problem.From(err)
		return nil
	}
	next := s.proven
	next.Network = &proof{Of: ep.MQTT, At: time.Now().UTC(), Found: found}
	if err := s.keep(next); err != nil {
		return err
	}
	s.failure = nil
	return nil
}

// awaitClaim waits a while for the unit to get its identity, which it does by itself.
func (s *setup) awaitClaim(ctx context.Context) {
	if !s.a.cfg.Config.Cloud.Enabled {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	for s.a.cloud.thing() == "" && ctx.Err() == nil {
		changed := s.a.cloud.changed()
		if s.a.cloud.thing() != "" {
			return
		}
		t := time.NewTimer(time.Second) // the identity is not a change of the link
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// calibrates tells whether a line is one that is calibrated.
func calibrates(l api.Line) bool {
	return l.Kind == string(hal.KindMeter) || l.Kind == string(hal.KindPump)
}
