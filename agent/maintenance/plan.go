package maintenance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/problem"
	"fountain/internal/units"
)

// Figures of the operations. Volumes µL, rates µL/s.
const (
	slowest    = 15_000  // a line in service gives more: a third of 44 ml/s (spec/peers.md 3, finished flow 1.5 oz/s)
	fastest    = 150_000 // and less: 133 ml/s (4.5 oz/s) and some
	nominal    = 75_000  // 3.0 oz/s of water
	primeMost  = 1_000_000
	primeLeast = 60_000
	rinseUL    = 250_000
	nozzleUL   = 60_000 // rinses the nozzle after something was dosed into it
	purgeMost  = 3_000_000
	testUL     = 60_000
	lineTime   = 1.5 // s at full rate: an unprimed line takes 1 to 2 s (spec/peers.md 3, priming)
	brixUL     = 300_000
	dryWatch   = 2500 * time.Millisecond
	agitateFor = 10 * time.Second
)

// Unit is what an operation is planned for.
type Unit struct {
	Parts   []hal.Part // of the rig, as its file has them
	Factors map[string]float64
	Lags    map[string]time.Duration // learned close lags by valve
	Lines   []Line                   // in service
	Recipes []*Recipe
	Drink   *recipe.Plan   // of a Brix check
	Given   []api.Evidence // of a dry self-test: what was found off the control loop
}

// Plan makes the program of an operation. Errors are problems: CodeBadRequest, CodeNotFound.
func Plan(req api.StartOp, u Unit) (*Program, error) {
	if req.Person == "" {
		return nil, bad("person", "nobody is named", "say who does it, for the service book")
	}
	b := &builder{u: u, p: &Program{Kind: req.Kind, Line: req.Line, Person: req.Person, Params: req.Params, Temp: -1, presentFx: 1, unit: "ml", density: 1}, used: map[string]bool{}}
	b.meters()
	var err error
	switch req.Kind {
	case api.OpPrime:
		err = b.prime()
	case api.OpPurge:
		err = b.purge()
	case api.OpRinse:
		err = b.rinse()
	case api.OpClean:
		err = b.clean()
	case api.OpCalibrate:
		err = b.calibrate()
	case api.OpSelfTest:
		err = b.selfTest()
	case api.OpBrix:
		err = b.brix()
	case api.OpAgitate:
		err = b.agitate()
	default:
		err = bad("kind", fmt.Sprintf("operation %q is unknown", req.Kind), "GET /v1/service/lines and the help of fountainctl list what there is")
	}
	if err != nil {
		return nil, err
	}
	for k := range req.Params {
		if !b.used[k] {
			return nil, bad("params."+k, "this operation takes no such parameter", "leave it out")
		}
	}
	for _, s := range b.p.Steps {
		b.p.MaxUL += s.MaxUL + s.MaxUL/20
	}
	b.p.MaxUL += 100_000 // what coasts or leaks until it is seen
	return b.p, nil
}

func bad(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadRequest, Where: where, What: what, Remedy: remedy}
}

func noLine(id string) error {
	return &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "there is no such line for this operation", Remedy: "GET /v1/service/lines lists them"}
}

// builder collects a program.
type builder struct {
	u    Unit
	p    *Program
	used map[string]bool // parameters
}

func (b *builder) factor(id string) float64 {
	if f := b.u.Factors[id]; f > 0 {
		return f
	}
	return 1
}

// meters lists every meter and sensor of the agent.
func (b *builder) meters() {
	for _, p := range b.u.Parts {
		switch {
		case p.Owner != hal.OwnerAgent && p.Owner != "":
		case p.Kind == hal.KindMeter:
			b.p.Meters = append(b.p.Meters, Meter{ID: p.ID, PulsesPerLitre: p.PulsesPerLitre / b.factor(p.ID), Plate: p.PulsesPerLitre})
		case p.Kind == hal.KindSensor:
			if p.Role == hal.RoleWaterTemp && b.p.Temp < 0 {
				b.p.Temp = len(b.p.Sensors)
			}
			b.p.Sensors = append(b.p.Sensors, Sensor{ID: p.ID, Role: p.Role})
		}
	}
}

func (b *builder) part(id string) (hal.Part, bool) {
	for _, p := range b.u.Parts {
		if p.ID == id {
			return p, true
		}
	}
	return hal.Part{}, false
}

// valve adds the channel of a carrier valve.
func (b *builder) valve(id string) (int, error) {
	p, ok := b.part(id)
	if !ok || p.Kind != hal.KindValve || p.Carrier == "" {
		return 0, noLine(id)
	}
	for _, m := range b.u.Parts {
		if m.Kind == hal.KindMeter && slices.Contains(m.Serves, id) {
			mi := slices.IndexFunc(b.p.Meters, func(x Meter) bool { return x.ID == m.ID })
			if mi < 0 {
				break
			}
			return b.channel(Channel{ID: id, Kind: hal.KindValve, Meter: mi, MaxOpen: p.MaxOpen, Lag: b.u.Lags[id]}), nil
		}
	}
	return 0, bad(id, "no flow meter counts this valve", "add it to a meter's serves in the rig file")
}

func (b *builder) channel(c Channel) int {
	if i := slices.IndexFunc(b.p.Chans, func(x Channel) bool { return x.ID == c.ID }); i >= 0 {
		return i
	}
	b.p.Chans = append(b.p.Chans, c)
	return len(b.p.Chans) - 1
}

// pump adds the channel of a pump, named by its own or its slot's id.
func (b *builder) pump(id string) (int, error) {
	slot := ""
	p, ok := b.part(id)
	if ok && p.Kind == hal.KindSlot {
		slot = p.ID
		p, ok = b.part(p.Pump)
	}
	if !ok || p.Kind != hal.KindPump || p.StrokeUL <= 0 || p.MaxRate <= 0 {
		return 0, noLine(id)
	}
	for _, s := range b.u.Parts {
		if slot == "" && s.Kind == hal.KindSlot && s.Pump == p.ID {
			slot = s.ID
		}
	}
	plate := 1000 * p.StrokeUL
	return b.channel(Channel{
		ID: p.ID, Kind: hal.KindPump, PlateNL: plate, StrokeNL: int64(math.Round(float64(plate) * b.factor(p.ID))), MaxRate: p.MaxRate, Slot: slot,
	}), nil
}

// isValve tells which kind of line an id names.
func (b *builder) isValve(id string) bool {
	p, ok := b.part(id)
	return ok && p.Kind == hal.KindValve
}

// still is the valve that rinses the nozzle: still water, or the first carrier there is.
func (b *builder) still() string {
	first := ""
	for _, p := range b.u.Parts {
		if p.Kind != hal.KindValve || p.Carrier == "" {
			continue
		}
		if first == "" {
			first = p.ID
		}
		if strings.HasSuffix(p.Carrier, ".still") {
			return p.ID
		}
	}
	return first
}

func (b *builder) add(s Step) int { b.p.Steps = append(b.p.Steps, s); return len(b.p.Steps) - 1 }

func (b *builder) confirm(name, what string) int {
	return b.add(Step{Name: name, Do: Confirm, Chan: -1, Ask: &api.Ask{Kind: api.AskConfirm, What: what}})
}

func (b *builder) number(name, what, unit string, low, high float64) int {
	return b.add(Step{Name: name, Do: Number, Chan: -1, Ask: &api.Ask{Kind: api.AskNumber, What: what, Unit: unit, Min: low, Max: high}})
}

// flow adds a flow of ul with its bounds.
func (b *builder) flow(name, say string, ch int, ul int64) *Step {
	i := b.add(Step{
		Name: name, Say: say, Do: Flow, Chan: ch, UL: ul, MaxUL: ul + ul/10 + 20_000, MaxTime: over(ul, slowest) + 5*time.Second,
		MinULs: slowest, MaxU: fastest,
	})
	return &b.p.Steps[i]
}

// dose adds strokes of ul at full rate with their bounds.
func (b *builder) dose(name, say string, ch int, ul int64) *Step {
	c := b.p.Chans[ch]
	every := rate(c.MaxRate)
	i := b.add(Step{Name: name, Say: say, Do: Dose, Chan: ch, UL: ul, Every: every, MaxUL: ul + ul/10})
	s := &b.p.Steps[i]
	s.MaxTime = doseTime(c, s)
	return s
}

// doseTime bounds a dose step.
func doseTime(c Channel, s *Step) time.Duration {
	n := max(s.Strokes, 1000*max(s.UL, s.MaxUL)/c.StrokeNL)
	return time.Duration(n)*s.Every*3/2 + 5*time.Second
}

// rate is the time between strokes, so that the pump never gets more than it can.
func rate(strokes float64) time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / strokes))
}

func over(ul, flow int64) time.Duration {
	return time.Duration(float64(ul) / float64(flow) * float64(time.Second))
}

// lineUL is the volume of the line behind a pump: as given, or what 1.5 s of pumping fill.
func (b *builder) lineUL(c Channel) (int64, error) {
	def := float64(c.PlateNL) * c.MaxRate * lineTime / 1e6
	ml, err := b.num("line_ml", def, 0.1, 500)
	return int64(ml * 1000), err
}

// num reads a numeric parameter.
func (b *builder) num(key string, def, low, high float64) (float64, error) {
	b.used[key] = true
	raw, ok := b.p.Params[key]
	if !ok {
		return def, nil
	}
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil || !(v >= low && v <= high) {
		return 0, bad("params."+key, fmt.Sprintf("%q is not a number from %g to %g", raw, low, high), "correct it or leave it out")
	}
	return v, nil
}

func ml(ul int64) string { return units.Volume(ul).String() }
