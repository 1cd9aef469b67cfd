package maintenance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/hal"
	"fountain/internal/problem"
)

// prime fills a line until no bubble comes; it asks first, for what comes out is wasted (CocktailBerry #777).
func (b *builder) prime() error {
	if b.isValve(b.p.Line) {
		ch, err := b.valve(b.p.Line)
		if err != nil {
			return err
		}
		most, err := b.num("max_ml", primeMost/1000, 100, 3000)
		if err != nil {
			return err
		}
		b.confirm("ask", fmt.Sprintf("Priming lets water flow until no bubble comes, at most %.0f ml. Put a jug under the nozzle.", most))
		s := b.flow("prime", "Water flows until no bubble comes.", ch, primeLeast)
		s.Until, s.MaxUL, s.MaxTime = Steady, int64(most*1000), over(int64(most*1000), slowest)
		return nil
	}
	ch, err := b.pump(b.p.Line)
	if err != nil {
		return err
	}
	line, err := b.lineUL(b.p.Chans[ch])
	if err != nil {
		return err
	}
	b.confirm("ask", fmt.Sprintf("Priming pumps about %s of the cartridge into the nozzle, at most %s. Put a jug below.", ml(line), ml(3*line)))
	s := b.dose("prime", "The line is filled.", ch, line)
	s.Until, s.MaxUL = Steady, 3*line
	s.MaxTime = doseTime(b.p.Chans[ch], s)
	return b.rinseNozzle()
}

// rinseNozzle takes away what was dosed without water.
func (b *builder) rinseNozzle() error {
	if b.still() == "" {
		return nil
	}
	ch, err := b.valve(b.still())
	if err == nil {
		b.flow("rinse the nozzle", "The nozzle is rinsed.", ch, nozzleUL)
	}
	return err
}

// purge empties a line.
func (b *builder) purge() error {
	if b.isValve(b.p.Line) {
		ch, err := b.valve(b.p.Line)
		if err != nil {
			return err
		}
		b.confirm("shut the supply", "Shut the supply of this line by hand and put a jug under the nozzle.")
		s := b.flow("purge", "The line runs empty.", ch, 0)
		s.Until, s.MaxUL, s.MaxTime = Dry, purgeMost, over(purgeMost, slowest)
		return nil
	}
	ch, err := b.pump(b.p.Line)
	if err != nil {
		return err
	}
	line, err := b.lineUL(b.p.Chans[ch])
	if err != nil {
		return err
	}
	b.confirm("take the cartridge out", "Take the cartridge out of its slot and put a jug under the nozzle.")
	s := b.dose("purge", "The line runs empty.", ch, line)
	s.Until, s.MaxUL = Dry, 4*line
	s.MaxTime = doseTime(b.p.Chans[ch], s)
	return b.rinseNozzle()
}

// rinse lets a carrier through the nozzle.
func (b *builder) rinse() error {
	if b.p.Line == "" {
		b.p.Line = b.still()
	}
	ch, err := b.valve(b.p.Line)
	if err != nil {
		return err
	}
	want, err := b.num("ml", rinseUL/1000, 20, 3000)
	if err != nil {
		return err
	}
	b.flow("rinse", "The nozzle is rinsed.", ch, int64(want*1000))
	return nil
}

// clean runs a recipe over a line.
func (b *builder) clean() error {
	r, err := b.recipe()
	if err != nil {
		return err
	}
	b.p.Recipe = r.ID
	var ch int
	line := int64(0)
	switch r.Applies {
	case AppliesNozzle:
		b.p.Line, b.p.Scope, b.p.jobs = Nozzle, Nozzle, []string{jobKey(JobNozzle, "")}
		ch, err = b.valve(b.still())
	case AppliesValve:
		ch, err = b.valve(b.p.Line)
	default:
		if ch, err = b.pump(b.p.Line); err == nil {
			line, err = b.lineUL(b.p.Chans[ch])
		}
	}
	if err != nil {
		return err
	}
	if b.p.Scope == "" {
		b.p.Scope = b.p.Chans[ch].ID
		b.p.jobs = []string{jobKey(JobClean, b.p.Scope)}
	}
	for i, rs := range r.Steps {
		b.cleaning(rs, fmt.Sprintf("%d %s", i+1, rs.Do), ch, line)
	}
	return nil
}

// cleaning adds one step of a recipe.
func (b *builder) cleaning(rs RecipeStep, name string, ch int, line int64) {
	switch {
	case rs.Do == doConfirm:
		b.confirm(name, rs.Say)
	case rs.Do == doDwell:
		b.add(Step{Name: name, Say: rs.Say, Do: Dwell, Chan: ch, For: rs.For, MinC: rs.MinC, MaxC: rs.MaxC})
	default:
		pumped := b.p.Chans[ch].Kind == hal.KindPump
		if rs.MaxC > 0 && (b.p.Temp < 0 || pumped) { // no sensor there: a thermometer, and the book says that it was entered
			i := b.number(name+", temperature", "Measure the temperature of what is connected now.", "°C", 0, 100)
			b.p.Steps[i].MinC, b.p.Steps[i].MaxC = rs.MinC, rs.MaxC
		}
		ul := int64(rs.ML * 1000)
		if rs.Lines > 0 {
			ul = int64(rs.Lines * float64(line))
		}
		var s *Step
		if pumped {
			s = b.dose(name, rs.Say, ch, ul)
		} else {
			s = b.flow(name, rs.Say, ch, ul)
		}
		s.MinC, s.MaxC, s.Rinse = rs.MinC, rs.MaxC, rs.Do == doRinse
		if s.Rinse {
			b.p.RinseUL += ul
		} else {
			b.p.RinseUL = 0 // only what follows the last other flow is the final rinse
			for i := range b.p.Steps[:len(b.p.Steps)-1] {
				b.p.Steps[i].Rinse = false
			}
		}
	}
}

// recipe finds the recipe: as named, or the first that applies.
func (b *builder) recipe() (*Recipe, error) {
	b.used["recipe"] = true
	want, named := b.p.Params["recipe"]
	applies := AppliesPump
	switch {
	case b.p.Line == Nozzle || b.p.Line == "":
		applies = AppliesNozzle
	case b.isValve(b.p.Line):
		applies = AppliesValve
	}
	var known []string
	for _, r := range b.u.Recipes {
		if r.Applies != applies {
			continue
		}
		if !named || r.ID == want {
			return r, nil
		}
		known = append(known, r.ID)
	}
	return nil, bad("params.recipe", fmt.Sprintf("no recipe %q cleans a %s", want, applies), "use one of "+strings.Join(known, ", "))
}

// calibrate measures a flow meter or a dosing pump at several points. The run is ended by time or by strokes, never by
// what the meter under test counts.
func (b *builder) calibrate() error {
	b.used["unit"], b.used["density"] = true, true
	if u, ok := b.p.Params["unit"]; ok {
		if u != "ml" && u != "g" {
			return bad("params.unit", fmt.Sprintf("unit %q is unknown", u), "give ml or g")
		}
		b.p.unit = u
	}
	part, ok := b.part(b.p.Line)
	if !ok {
		return noLine(b.p.Line)
	}
	if part.Kind == hal.KindValve { // its meter is meant
		for _, m := range b.u.Parts {
			if m.Kind == hal.KindMeter && slices.Contains(m.Serves, part.ID) {
				part = m
			}
		}
	}
	var err error
	if part.Kind == hal.KindMeter {
		if b.p.density, err = b.num("density", 0.998, 0.5, 2); err != nil { // water at 20 °C, g/ml
			return err
		}
		return b.calibrateMeter(part)
	}
	_, given := b.p.Params["density"]
	if b.p.unit == "g" && !given {
		return bad("params.density", "a scale tells the volume of a syrup only with its density", "give density in g/ml, or measure ml")
	}
	if b.p.density, err = b.num("density", 1, 0.5, 2); err != nil {
		return err
	}
	return b.calibratePump()
}

func (b *builder) calibrateMeter(m hal.Part) error {
	i := slices.IndexFunc(m.Serves, b.isValve)
	if i < 0 {
		return bad(m.ID, "this meter counts no valve", "correct its serves in the rig file")
	}
	ch, err := b.valve(m.Serves[i])
	if err != nil {
		return err
	}
	b.p.calibrates, b.p.presentFx = m.ID, b.factor(m.ID)
	var pts []point
	for k, target := range []int64{200_000, 500_000} {
		b.confirm(fmt.Sprintf("cup %d", k+1), fmt.Sprintf("Put an empty measuring cup for about %s under the nozzle.", ml(target)))
		s := b.flow(fmt.Sprintf("run %d", k+1), "Water runs for a fixed time.", ch, 0)
		s.For, s.MaxUL, s.MaxTime = over(target, nominal), min(4*target, burstUL), 2*over(target, nominal)+time.Second
		run := len(b.p.Steps) - 1
		pts = append(pts, point{run, b.measured(k+1, 2500)})
	}
	b.add(Step{Name: "factor", Say: "The factor is computed.", Do: Judge, Chan: -1, verdict: judgeCalibration, points: pts})
	return nil
}

func (b *builder) measured(k int, most float64) int {
	return b.number(fmt.Sprintf("measured %d", k), "How much is in the cup?", b.p.unit, 0.1, most)
}

func (b *builder) calibratePump() error {
	ch, err := b.pump(b.p.Line)
	if err != nil {
		return err
	}
	c := b.p.Chans[ch]
	b.p.calibrates, b.p.presentFx = c.ID, b.factor(c.ID)
	n := max(500, 20_000_000/c.PlateNL) // enough to read from a cup
	var pts []point
	for k, part := range []float64{1, 0.5} { // of the pump's full rate: not every pump is linear (reef-pi #713)
		b.confirm(fmt.Sprintf("cup %d", k+1), fmt.Sprintf("The line has to be primed. Put an empty, dry measuring cup for about %s under the nozzle.", ml(n*c.PlateNL/1000)))
		s := b.dose(fmt.Sprintf("run %d", k+1), "The pump makes a fixed number of strokes.", ch, 0)
		s.Strokes, s.Every, s.MaxUL = n, rate(c.MaxRate*part), n*max(c.PlateNL, c.StrokeNL)/1000
		s.MaxTime = doseTime(c, s)
		run := len(b.p.Steps) - 1
		pts = append(pts, point{run, b.measured(k+1, 25*float64(n*c.PlateNL)/1e6)})
	}
	b.add(Step{Name: "factor", Say: "The factor is computed.", Do: Judge, Chan: -1, verdict: judgeCalibration, points: pts})
	return nil
}

// selfTest tests every channel, or one.
func (b *builder) selfTest() error {
	b.used["dry"] = true
	if raw, ok := b.p.Params["dry"]; ok {
		dry, err := strconv.ParseBool(raw)
		if err != nil {
			return bad("params.dry", fmt.Sprintf("%q is neither true nor false", raw), "give true or false")
		}
		if dry {
			b.p.Idle, b.p.given = true, b.u.Given
			b.add(Step{Name: "dry test", Say: "Nothing may move.", Do: Watch, Chan: -1, For: dryWatch})
			return nil
		}
	}
	b.p.Stuck = true
	var ids []string
	for _, l := range b.u.Lines {
		if (l.Kind == hal.KindValve || l.Kind == hal.KindPump) && (b.p.Line == "" || l.ID == b.p.Line) {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) == 0 && b.p.Line != "" {
		ids = []string{b.p.Line}
	}
	b.confirm("ask", "Every channel under test lets something flow. Put a jug under the nozzle.")
	for _, id := range ids {
		if b.isValve(id) {
			ch, err := b.valve(id)
			if err != nil {
				return err
			}
			for k := range 2 { // twice: a valve that stuck once has to show it (spec/hal.md 6)
				s := b.flow(fmt.Sprintf("%s, cycle %d", id, k+1), "Valve "+id+" opens and shuts.", ch, testUL)
				s.Test, s.GoOn = true, true
			}
			continue
		}
		ch, err := b.pump(id)
		if err != nil {
			return err
		}
		s := b.dose(id, "Pump "+id+" makes strokes.", ch, 0)
		s.Strokes, s.GoOn = doseWindow, true
		s.MaxUL = doseWindow * b.p.Chans[ch].StrokeNL / 1000
		s.MaxTime = doseTime(b.p.Chans[ch], s)
	}
	return nil
}

// brix pours water and syrup of one beverage separately into a split cup.
func (b *builder) brix() error {
	b.used["ml"] = true // BrixTarget has read it
	d := b.u.Drink
	if d == nil || len(d.Doses) == 0 {
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: b.p.Line, What: "this beverage has no syrup to compare with its water", Remedy: "name a beverage that is mixed",
		}
	}
	syrup := d.Doses[0]
	for _, x := range d.Doses {
		if x.Share > syrup.Share {
			syrup = x
		}
	}
	water, err := b.valve(d.Carrier.Valve)
	if err != nil {
		return err
	}
	pump, err := b.pump(syrup.Pump)
	if err != nil {
		return err
	}
	c := b.p.Chans[pump]
	b.p.calibrates, b.p.presentFx = c.ID, b.factor(c.ID)
	b.p.ratio = float64(d.CarrierShare) / float64(syrup.Share)
	b.p.jobs = []string{jobKey(JobBrix, "")}
	n := syrup.Strokes
	b.confirm("split cup", fmt.Sprintf("Hold the syrup separator and put a split cup under the nozzle: %s of water and %s of %s follow.", ml(d.CarrierUL), ml(n*c.StrokeNL/1000), syrup.Ingredient))
	b.flow("water", "Water runs.", water, d.CarrierUL)
	w := len(b.p.Steps) - 1
	s := b.dose("syrup", "Syrup runs.", pump, 0)
	s.Strokes, s.MaxUL = n, n*c.StrokeNL/1000
	s.MaxTime = doseTime(c, s)
	sy := len(b.p.Steps) - 1
	wn := b.number("water in the cup", "How much water is in the cup?", "ml", 1, 2500)
	sn := b.number("syrup in the cup", "How much syrup is in the cup?", "ml", 0.01, 2500)
	b.add(Step{Name: "ratio", Say: "The ratio is compared with the recipe.", Do: Judge, Chan: -1, verdict: judgeBrix, points: []point{{w, wn}, {sy, sn}}})
	return nil
}

// BrixTarget is the drink that a Brix check asks the machine to plan.
func BrixTarget(req api.StartOp) (beverage.ID, int64, error) {
	b := &builder{p: &Program{Params: req.Params}, used: map[string]bool{}}
	v, err := b.num("ml", brixUL/1000, 100, 800)
	return beverage.ID(req.Line), int64(math.Round(v * 1000)), err
}

// agitate moves cartridges.
func (b *builder) agitate() error {
	p, ok := b.part(b.p.Line)
	if !ok || p.Kind != hal.KindAgitator {
		return noLine(b.p.Line)
	}
	most := 60.0
	if p.MaxOpen > 0 {
		most = min(most, (p.MaxOpen - p.MaxOpen/10).Seconds())
	}
	sec, err := b.num("s", min(agitateFor.Seconds(), most), 1, most)
	if err != nil {
		return err
	}
	ch := b.channel(Channel{ID: p.ID, Kind: hal.KindAgitator, MaxOpen: p.MaxOpen})
	b.add(Step{Name: "agitate", Say: "The agitator runs.", Do: Drive, Chan: ch, For: time.Duration(sec * float64(time.Second))})
	return nil
}
