package rigfile

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/hal"
)

// owner reads who opens the part; only says who may, "" for either.
func (p *parser) owner(o object, only hal.Owner, what string) hal.Owner {
	w := hal.Owner(o.oneOf("owner", "", string(hal.OwnerGuard), string(hal.OwnerAgent)))
	if only != "" && w != "" && w != only {
		o.bad("owner", fmt.Sprintf("%s must be the %s's", what, only), "set owner: "+string(only))
	}
	return w
}

func (p *parser) add(part hal.Part) { p.rig.parts = append(p.rig.parts, part) }

// current reads current_ma: what the part draws while it is driven.
func (o object) current() int64 { return o.integer("current_ma", 0, 1, 100_000) }

func (p *parser) valve(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "name", "active", "max_open", "carrier", "q_max_ul", "current_ma")
	id := p.id(&o)
	v := Valve{ID: id, Carrier: o.text("carrier"), QMaxUL: o.integer("q_max_ul", 0, 1, 1_000_000), CurrentMA: o.current()}
	if id == hal.Master {
		v.Owner = p.owner(o, hal.OwnerGuard, "MASTER")
		v.Line = p.line(o, id, masterUse, true)
	} else {
		v.Owner = p.owner(o, hal.OwnerAgent, "every valve but MASTER")
		v.Line = p.line(o, id, driven, true)
	}
	if !o.has("max_open") {
		o.missing("max_open", "say how long the valve may stay open without being renewed, for example max_open: 60s")
	} else {
		v.MaxOpen = o.duration("max_open", time.Millisecond, 10*time.Minute)
	}
	switch {
	case id == hal.Master:
		if v.Carrier != "" {
			o.bad("carrier", "MASTER is no carrier valve", "remove carrier")
		}
		if !o.has("q_max_ul") {
			o.missing("q_max_ul", "give the largest flow the machine can reach in µL/s: the guard's bound without a meter")
		}
	default:
		if o.has("q_max_ul") {
			o.bad("q_max_ul", "only MASTER has it", "remove it")
		}
		if v.Carrier == "" {
			o.missing("carrier", "name the ingredient it lets through, for example water.still")
		}
	}
	p.later = append(p.later, func() {
		if p.rig.Board.SupplyMA > 0 && !o.has("current_ma") {
			o.missing("current_ma", "give what the valve draws in mA: the board has a supply_ma to keep")
		}
	})
	p.rig.Valves = append(p.rig.Valves, v)
	part := hal.Part{ID: id, Kind: hal.KindValve, Owner: v.Owner, MaxOpen: v.MaxOpen, Carrier: v.Carrier, QMax: v.QMaxUL, CurrentMA: v.CurrentMA, Chip: v.Line.Chip}
	if id == hal.Master {
		part.SupplyMA = p.rig.Board.SupplyMA // the board is read first
	}
	p.add(part)
}

func (p *parser) pump(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "name", "active", "stroke_ul", "max_rate", "sense", "current_ma")
	id := p.id(&o)
	u := Pump{
		ID: id, Owner: p.owner(o, hal.OwnerAgent, "a pump"), Line: p.line(o, id, dosing, true),
		StrokeUL: o.integer("stroke_ul", 0, 1, 10_000), MaxRate: o.number("max_rate", 0, 0.1, 2000), CurrentMA: o.current(),
	}
	for _, k := range []string{"stroke_ul", "max_rate"} {
		if !o.has(k) {
			o.missing(k, "give the volume of one stroke in µL and the strokes per second it can do")
		}
	}
	if s := o.keys["sense"]; s != nil {
		if c := p.chips[u.Line.Chip]; c != nil && c.Kind == ChipDoser {
			o.bad("sense", fmt.Sprintf("the doser %s confirms strokes itself", c.ID), "remove sense")
		} else {
			so := p.object(s, o.path+".sense", "chip", "line", "name", "active")
			l := p.line(so, "the stroke sensor of "+id, sensed, false)
			l.ActiveHigh = so.oneOf("active", "high", "high", "low") == "high"
			u.Sense = &l
		}
	}
	p.rig.Pumps = append(p.rig.Pumps, u)
	p.add(hal.Part{ID: id, Kind: hal.KindPump, Owner: u.Owner, StrokeUL: u.StrokeUL, MaxRate: u.MaxRate, CurrentMA: u.CurrentMA, Chip: u.Line.Chip})
}

func (p *parser) meter(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "name", "pulses_per_litre", "serves", "debounce")
	id := p.id(&o)
	m := Meter{
		ID: id, Owner: p.owner(o, hal.OwnerAgent, "a meter"), Line: p.line(o, id, counted, false),
		PulsesPerLitre: o.number("pulses_per_litre", 0, 1, 100_000), Serves: o.texts("serves"), Debounce: o.duration("debounce", 0, time.Second),
	}
	if !o.has("pulses_per_litre") {
		o.missing("pulses_per_litre", "take it from the meter's data sheet")
	}
	if len(m.Serves) == 0 {
		o.missing("serves", "list the valves whose flow it counts")
	}
	p.later = append(p.later, func() { p.served(o, m) })
	p.rig.Meters = append(p.rig.Meters, m)
	p.add(hal.Part{ID: id, Kind: hal.KindMeter, Owner: m.Owner, PulsesPerLitre: m.PulsesPerLitre, Serves: m.Serves, Chip: m.Line.Chip})
}

// served checks what a meter counts, and that its debounce lets the fastest pulses through.
func (p *parser) served(o object, m Meter) {
	for i, s := range m.Serves {
		if !p.hasValve(s) {
			p.fail(o.at("serves"), fmt.Sprintf("%s[%d]", join(o.path, "serves"), i), fmt.Sprintf("unknown valve %q", s), "name one of the outputs")
		}
	}
	for _, v := range p.rig.Valves {
		if v.ID != hal.Master || v.QMaxUL == 0 || m.PulsesPerLitre == 0 || m.Debounce == 0 {
			continue
		}
		perSecond := float64(v.QMaxUL) / 1e6 * m.PulsesPerLitre
		if half := time.Duration(float64(time.Second) / perSecond / 2); m.Debounce > half {
			o.bad("debounce", fmt.Sprintf("longer than half a pulse at the largest flow: %.0f pulses/s last %v each half", perSecond, half.Round(time.Microsecond)),
				fmt.Sprintf("use at most %v, or none", half.Round(time.Microsecond)))
		}
	}
}

// signals are the words for the safety inputs.
var signals = []struct {
	word string
	bit  hal.Interlocks
}{
	{"e-stop", hal.EStop},
	{"leak", hal.Leak},
	{"door", hal.Door},
	{"tray-full", hal.TrayFull},
	{"no-cup", hal.NoCup},
	{"no-water", hal.NoWater},
	{"no-co2", hal.NoCO2},
	{"carbonating", hal.Carbonating},
}

// fastest is the longest debounce of an input that has to shut valves at once (DESIGN 8: ≤ 20 ms from the input to the
// valves).
const fastest = 15 * time.Millisecond

func (p *parser) interlock(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "signal", "chip", "line", "name", "safe", "debounce")
	id := p.id(&o)
	words := make([]string, len(signals))
	for i, s := range signals {
		words[i] = s.word
	}
	i := Interlock{ID: id}
	sig := o.oneOf("signal", "", words...)
	for _, s := range signals {
		if s.word == sig {
			i.Signal = s.bit
		}
	}
	switch {
	case sig == "":
		i.Owner = p.owner(o, "", "")
	case i.Signal&(hal.EStop|hal.Leak) != 0:
		i.Owner = p.owner(o, hal.OwnerGuard, sig)
	default:
		i.Owner = p.owner(o, hal.OwnerAgent, sig)
	}
	i.Line = p.line(o, id, watched, false)
	i.SafeHigh = o.oneOf("safe", "", "high", "low") == "high"
	i.Debounce = o.duration("debounce", 0, time.Second)
	if i.Signal&(hal.EStop|hal.Door|hal.NoCup) != 0 && i.Debounce > fastest {
		o.bad("debounce", fmt.Sprintf("%v is too slow for %s: valves have to shut within 20 ms", i.Debounce, sig), fmt.Sprintf("use at most %v", fastest))
	}
	for _, other := range p.rig.Interlocks {
		if i.Signal != 0 && other.Signal == i.Signal {
			o.bad("signal", fmt.Sprintf("signal %s is already driven by %s", sig, other.ID), "keep one input per signal")
		}
	}
	p.rig.Interlocks = append(p.rig.Interlocks, i)
	p.add(hal.Part{ID: id, Kind: hal.KindInterlock, Owner: i.Owner, Signal: i.Signal, Chip: i.Line.Chip})
}

func (p *parser) slot(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "pump", "reader")
	s := Slot{ID: p.id(&o), Pump: o.need("pump", "name the pump that empties the slot"), Reader: o.text("reader")}
	if s.Pump != "" && !p.hasPump(s.Pump) {
		o.bad("pump", fmt.Sprintf("unknown pump %q", s.Pump), "name one of the pumps")
	}
	if s.Reader != "" {
		switch c := p.chips[s.Reader]; {
		case c == nil:
			o.bad("reader", fmt.Sprintf("unknown chip %q", s.Reader), "add it under chips or correct the name")
		case c.Kind != "" && c.Kind != ChipPN532:
			o.bad("reader", fmt.Sprintf("chip %s (%s) reads no tags", c.ID, c.Kind), "name a chip of kind pn532")
		}
	}
	for _, other := range p.rig.Slots {
		if s.Pump != "" && other.Pump == s.Pump {
			o.bad("pump", fmt.Sprintf("pump %s already serves slot %s", s.Pump, other.ID), "give each slot its own pump")
		}
		if s.Reader != "" && other.Reader == s.Reader {
			o.bad("reader", fmt.Sprintf("reader %s already reads slot %s", s.Reader, other.ID), "give each slot its own reader")
		}
	}
	p.rig.Slots = append(p.rig.Slots, s)
	p.add(hal.Part{ID: s.ID, Kind: hal.KindSlot, Owner: hal.OwnerAgent, Pump: s.Pump, Chip: s.Reader})
}

func (p *parser) hasPump(id string) bool {
	for _, u := range p.rig.Pumps {
		if u.ID == id {
			return true
		}
	}
	return false
}

func (p *parser) hasSlot(id string) bool {
	for _, s := range p.rig.Slots {
		if s.ID == id {
			return true
		}
	}
	return false
}

func (p *parser) agitator(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "name", "active", "max_open", "slots", "every", "for", "current_ma")
	id := p.id(&o)
	a := Agitator{
		ID: id, Owner: p.owner(o, hal.OwnerAgent, "an agitator"), Line: p.line(o, id, driven, true), Slots: o.texts("slots"),
		MaxOpen: o.duration("max_open", time.Millisecond, 10*time.Minute),
		Every:   o.duration("every", time.Second, 30*24*time.Hour), For: o.duration("for", time.Millisecond, 10*time.Minute), CurrentMA: o.current(),
	}
	for _, k := range []struct{ key, remedy string }{
		{"max_open", "say how long it may run without being renewed, for example max_open: 30s"},
		{"every", "say how often it runs, for example every: 2h"},
		{"for", "say how long it runs, for example for: 15s"},
		{"slots", "list the cartridge slots it moves"},
	} {
		if !o.has(k.key) {
			o.missing(k.key, k.remedy)
		}
	}
	if a.For > 0 && a.Every > 0 && a.For >= a.Every {
		o.bad("for", fmt.Sprintf("a run of %v does not end before the next, every %v", a.For, a.Every), "make it shorter than every")
	}
	for i, s := range a.Slots {
		if !p.hasSlot(s) {
			p.fail(o.at("slots"), fmt.Sprintf("%s[%d]", join(o.path, "slots"), i), fmt.Sprintf("unknown slot %q", s), "name one of the slots")
		}
	}
	p.rig.Agitators = append(p.rig.Agitators, a)
	p.add(hal.Part{ID: id, Kind: hal.KindAgitator, Owner: a.Owner, MaxOpen: a.MaxOpen, CurrentMA: a.CurrentMA, Slots: a.Slots, Every: a.Every, For: a.For, Chip: a.Line.Chip})
}
