package maintenance

import (
	"fmt"
	"math"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/units"
)

// Dosing by strokes.
const (
	doseAhead  = 100 * time.Millisecond // strokes queued before their time: a dead agent gives no more
	doseWindow = 20                     // strokes looked at for regularity
	doseTwice  = 2                      // windows in a row that have to be regular
)

// dose is a dose step under way.
type dose struct {
	base    uint64
	asked   int64
	want    int64
	window  int64 // due strokes at the start of the window
	inWin   int64 // confirmed then
	regular int   // windows in a row with all strokes confirmed
	silent  int   // with none
}

// startDose begins to give strokes.
func (r *Run) startDose() {
	s := r.step()
	c := r.prog.Chans[s.Chan]
	d := dose{base: r.in.Delivered[s.Chan], want: s.Strokes}
	if d.want == 0 {
		d.want = (1000*s.UL + c.StrokeNL - 1) / c.StrokeNL
	}
	r.dose, r.open = d, true
	r.to(cDose)
}

// dosing is a tick of a dose step: strokes are asked for shortly before their time, and counted when the sensor has
// confirmed them.
func (r *Run) dosing() {
	d, s := &r.dose, r.step()
	c := r.prog.Chans[s.Chan]
	if r.in.Locks&hal.TrayFull != 0 {
		r.doseEnds(pour.ReasonTrayFull)
		return
	}
	held := r.now - r.since
	most := d.want
	if s.Until != Volume {
		most = 1000 * s.MaxUL / c.StrokeNL
	}
	if ask := min(most, int64((held+doseAhead)/s.Every)+1); ask > d.asked {
		r.fx.add(Effect{Action: Strokes, Chan: s.Chan, N: int(ask - d.asked), Every: s.Every})
		d.asked = ask
	}
	got := int64(r.in.Delivered[s.Chan] - d.base)
	due := min(d.asked, int64(max(0, held-pour.StrokeWait)/s.Every)) // these are over, whatever came of them
	if due-d.window >= doseWindow {
		d.look(due, min(got, due))
	}
	switch {
	case s.Until == Volume && got >= d.want:
		r.doseEnds("")
	case s.Until == Volume && float64(due-got) > max(3, strokeSlop*float64(d.want)):
		r.doseEnds(pour.ReasonSoldOut)
	case s.Until == Steady && due*c.StrokeNL >= 1000*s.UL && d.regular >= doseTwice:
		r.doseEnds("")
	case s.Until == Dry && d.silent >= doseTwice:
		r.doseEnds("")
	case due >= most:
		switch s.Until {
		case Steady:
			r.doseEnds(ReasonUnconfirmed)
		case Dry:
			r.doseEnds(ReasonNotEmpty)
		default:
			r.doseEnds("")
		}
	case s.MaxTime > 0 && held > s.MaxTime:
		r.doseEnds(pour.ReasonTimeBound)
	}
}

// look judges one window of strokes.
func (d *dose) look(due, got int64) {
	n, confirmed := due-d.window, got-d.inWin
	d.window, d.inWin = due, got
	d.regular++
	if float64(confirmed) < 0.95*float64(n) {
		d.regular = 0
	}
	d.silent++
	if confirmed > 0 {
		d.silent = 0
	}
}

// doseEnds stops the pump and compares.
func (r *Run) doseEnds(bad string) {
	d, s := &r.dose, r.step()
	c := r.prog.Chans[s.Chan]
	r.fx.add(Effect{Action: StopPumps})
	r.open = false
	got := int64(r.in.Delivered[s.Chan] - d.base)
	ul := got * c.StrokeNL / 1000
	r.results[r.i] = result{counted: got, ul: ul, plateUL: got * c.PlateNL / 1000, rate: 1 / s.Every.Seconds()}
	r.steps[r.i].Proof = fmt.Sprintf("%d of %d strokes confirmed, %s", got, d.asked, units.Volume(ul))
	ok := true
	switch s.Until {
	case Volume:
		ok = r.proof("strokes confirmed", float64(got), float64(d.want)-max(1, strokeSlop*float64(d.want)), math.MaxFloat64, "strokes")
	case Steady:
		ok = r.proof("windows of regular strokes", float64(d.regular), doseTwice, math.MaxFloat64, "windows")
		r.proof("volume", float64(ul)/1000, 0, float64(s.MaxUL)/1000, "ml")
	case Dry:
		ok = r.proof("windows without a stroke", float64(d.silent), doseTwice, math.MaxFloat64, "windows")
	}
	if bad == "" && !ok {
		bad = ReasonUnconfirmed
	}
	if bad != "" {
		r.fail(bad)
		return
	}
	if s.Rinse {
		r.rinseUL += ul
	}
	r.pass()
}

// watch is a tick of the dry self-test.
func (r *Run) watch() {
	f, s, in := &r.flow, r.step(), r.in
	if r.now-r.since < s.For {
		return
	}
	ok := r.proof("guard answers", truth(in.Alive), 1, 1, "")
	ok = r.proof("safety inputs can be read", truth(!in.LocksErr), 1, 1, "") && ok
	for _, bit := range []hal.Interlocks{hal.EStop, hal.Leak, hal.Door, hal.TrayFull} {
		ok = r.proof(bit.String()+" tripped", truth(in.Locks&bit != 0), 0, 0, "") && ok
	}
	for i, m := range r.prog.Meters {
		d := in.Meters[i].Pulses - f.others[i].Pulses
		ok = r.proof("pulses of "+m.ID+" while nothing flows", float64(d), 0, strayMax, "pulses") && ok
	}
	for i, x := range r.prog.Sensors {
		ok = r.proof("sensor "+x.ID+" can be trusted", truth(in.Sensors[i].Quality == hal.Good), 1, 1, "") && ok
	}
	for _, e := range r.prog.given {
		ok = ok && e.OK
	}
	if !ok {
		r.fail(ReasonFound)
		return
	}
	r.steps[r.i].Proof = "nothing moved, everything answers"
	r.pass()
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
