package pour

import (
	"math"
	"time"
)

// dose follows one ingredient: the pump of its first cartridge and that of its alternate.
type dose struct {
	src      [2]source
	use      int           // 0 first, 1 alternate
	out      bool          // no cartridge is left to draw from
	noAlt    bool          // the alternate must not be used
	missed   int64         // strokes that were never confirmed
	silent   bool          // strokes were missed since the last confirmed one
	progress time.Duration // last confirmation, or when something was asked of an idle pump
	busy     time.Duration // the strokes asked for are made by then
	patience time.Duration
}

// source is one pump.
type source struct {
	base   uint64
	got    int64 // confirmed
	asked  int64
	stroke time.Duration // shortest time of one
}

func (d *dose) outstanding() bool { return d.src[d.use].asked > d.src[d.use].got }

// delivered takes in what the stroke sensors have confirmed.
func (s *State) delivered(now time.Duration, in *Inputs) {
	for i := range s.n {
		d := &s.doses[i]
		for j, n := range [2]uint64{in.Delivered[i], in.Alternate[i]} {
			if got := int64(n - d.src[j].base); got > d.src[j].got {
				d.src[j].got, s.stroked = got, s.water.pulses
				d.src[j].asked = max(d.src[j].asked, got) // one that was given up for lost came late
				if j == d.use {
					d.progress, d.silent = now, false
				}
			}
		}
		if u := &d.src[d.use]; u.asked > u.got && now > d.busy+strokeLate {
			d.missed += u.asked - u.got // never confirmed, so never delivered: follow asks again
			u.asked, d.silent = u.got, true
		}
	}
}

// due is the share of the ingredients that belongs to w of water, 0 to 1.
func (s *State) due(w float64) float64 {
	c := float64(s.plan.CarrierUL)
	if s.plan.Hold {
		return min(max(w/c, 0), 1)
	}
	end := RinseFrom * c
	if end <= s.leadW {
		return 1
	}
	return min(max((w-s.leadW)/(end-s.leadW), 0), 1)
}

// follow asks for the strokes that are due and not asked for yet, and goes to Tail when that was the last. When the
// current is limited the pumps take turns.
func (s *State) follow(now time.Duration, share float64, fx *Effects) {
	left, waits, all := s.plan.PumpMA, false, true
	if left > 0 {
		for i := range s.n {
			if s.doses[i].outstanding() {
				left -= s.current(i)
			}
		}
	}
	for k := range s.n {
		i := (s.turn + k) % s.n
		d := &s.doses[i]
		if d.out {
			continue
		}
		total, n := s.strokes(i, 1), s.strokes(i, share)-d.src[d.use].asked
		if n > 0 && s.plan.PumpMA > 0 {
			n = min(n, turnStrokes)
			switch {
			case d.outstanding():
				n = 0 // its turn goes on
			case s.current(i) > left:
				n, waits = 0, true
			default:
				left -= s.current(i)
			}
		}
		s.ask(i, n, now, fx)
		all = all && d.src[d.use].asked >= total
	}
	if waits {
		s.turn = (s.turn + 1) % s.n
	}
	if all && s.Phase == Flow {
		s.Phase = Tail
	}
}

// strokes is how many strokes of the pump in use belong to a share of the drink, from the start of its use.
func (s *State) strokes(i int, share float64) int64 {
	d, p := &s.doses[i], &s.plan.Doses[i]
	if d.use == 0 {
		return int64(math.Floor(float64(p.Strokes)*share + 0.5))
	}
	want := float64(p.Strokes*p.StrokeNL)*share - float64(d.src[0].got*p.StrokeNL)
	return max(0, int64(math.Floor(want/float64(p.Alt.StrokeNL)+0.5)))
}

func (s *State) current(i int) int64 {
	p := &s.plan.Doses[i]
	if s.doses[i].use == 1 {
		return p.Alt.CurrentMA
	}
	return p.CurrentMA
}

func (s *State) ask(i int, n int64, now time.Duration, fx *Effects) {
	if n <= 0 {
		return
	}
	d := &s.doses[i]
	u := &d.src[d.use]
	if u.asked == u.got && !d.silent {
		d.progress = now
	}
	u.asked += n
	d.busy = max(d.busy, now) + time.Duration(n)*u.stroke
	fx.add(Effect{Action: Dose, Index: i, N: n, Alt: d.use == 1})
}

// supply looks for pumps that confirm nothing. One with a second cartridge goes on from there; without one the
// ingredient is out, and supply reports true.
func (s *State) supply(now time.Duration, fx *Effects) (out bool) {
	for i := range s.n {
		d := &s.doses[i]
		if d.out || !d.outstanding() && !d.silent || now-d.progress <= d.patience {
			continue
		}
		fx.add(Effect{Action: Empty, Index: i, Alt: d.use == 1})
		out = s.leave(i, now, fx) || out
	}
	return out
}

// leave stops drawing from the cartridge in use, and reports true when there is no other.
func (s *State) leave(i int, now time.Duration, fx *Effects) (out bool) {
	d := &s.doses[i]
	d.missed += d.src[d.use].asked - d.src[d.use].got
	d.src[d.use].asked = d.src[d.use].got
	if d.use == 0 && !d.noAlt && s.plan.Doses[i].Alt != nil {
		d.use, d.silent, d.progress, d.busy = 1, false, now, 0
		fx.add(Effect{Action: Switch, Index: i})
		return false
	}
	d.out = true
	fx.add(Effect{Action: StopDose, Index: i, Alt: d.use == 1})
	return true
}

// pulled handles a cartridge that must not be drawn from any more.
func (s *State) pulled(e *Event, fx *Effects) {
	if !s.Phase.Active() || e.Index < 0 || e.Index >= s.n {
		return
	}
	d := &s.doses[e.Index]
	switch {
	case d.out || e.Alt && d.use == 0:
		d.noAlt = d.noAlt || e.Alt
		return
	case !e.Alt && d.use == 1:
		return // it was left already
	}
	u := &d.src[d.use]
	done := u.asked <= u.got && u.got >= s.strokes(e.Index, 1)
	if done { // its part is in the cup
		return
	}
	if s.leave(e.Index, e.Now, fx) {
		if s.Phase == Settle {
			s.fault(ReasonCartridge)
			return
		}
		s.end(ReasonCartridge, e.Now, fx)
	}
}
