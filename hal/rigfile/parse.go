package rigfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/hal"
	"fountain/internal/problem"
)

// maxSize bounds a rig file; the demo machine with 80 pumps needs about 20 KB.
const maxSize = 1 << 20

// Load reads and checks the rig file at path. Every error is, or joins, *problem.Problem with CodeBadConfig, or
// CodeNotFound when there is no such file.
func Load(path string) (*Rig, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &problem.Problem{Code: problem.CodeNotFound, Where: path, What: "no such rig file", Remedy: "check the path, or use \"sim\" for the built-in demo rig"}
	case err != nil:
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "the rig file cannot be read: " + err.Error(), Remedy: "make the file readable"}
	}
	return Parse(path, data)
}

// Parse checks a rig file already in memory; name stands in messages.
func Parse(name string, data []byte) (*Rig, error) {
	r := &reader{file: name}
	if len(data) > maxSize {
		r.fail(nil, "", fmt.Sprintf("larger than %d bytes", maxSize), "this is no rig file")
		return nil, r.err()
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.fail(nil, "", "empty", "start from testdata/rig/demo.yaml")
		} else {
			r.fail(nil, "", "not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "correct the line it names")
		}
		return nil, r.err()
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.fail(nil, "", "more than one document", "keep one rig per file")
	}
	p := &parser{reader: r, rig: &Rig{Path: name}, ids: map[string]int{}, chips: map[string]Chip{}, lines: map[[2]any]string{}}
	p.file(doc.Content[0])
	if err := r.err(); err != nil {
		return nil, err
	}
	return p.rig, nil
}

// parser builds the rig; what needs the whole file is checked at the end.
type parser struct {
	*reader
	rig   *Rig
	ids   map[string]int // id → line where it stands
	chips map[string]Chip
	lines map[[2]any]string // chip, line → id of who uses it
	later []func()          // checks that need all ids
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (p *parser) file(root *yaml.Node) {
	o := p.object(root, "", "board", "chips", "outputs", "pumps", "meters", "interlocks", "slots", "sensors", "sim")
	if n := o.keys["board"]; n != nil {
		b := p.object(n, "board", "model", "expects")
		p.rig.Board = Board{Model: b.need("model", "name the board"), Expects: b.texts("expects")}
	}
	o.each("chips", p.chip)
	o.each("outputs", p.valve)
	o.each("pumps", p.pump)
	o.each("meters", p.meter)
	o.each("interlocks", p.interlock)
	o.each("slots", p.slot)
	o.each("sensors", p.sensor)
	if !p.hasValve(hal.Master) {
		p.fail(o.at("outputs"), "outputs", "no MASTER valve", "add an output with id: master and owner: guard")
	}
	if n := o.keys["sim"]; n != nil {
		p.sim(n)
	}
	if p.rig.Sim.OnOwnerDeath == "" {
		p.rig.Sim.OnOwnerDeath = DeathHold
	}
	for _, check := range p.later {
		check()
	}
}

func (p *parser) hasValve(id string) bool {
	for _, v := range p.rig.Valves {
		if v.ID == id {
			return true
		}
	}
	return false
}

// id reads the entry's id, which must be well formed and new.
func (p *parser) id(o *object) string {
	id := o.need("id", "give it an id: lower case letters, digits, - and _")
	if id == "" {
		return ""
	}
	if !idForm.MatchString(id) {
		o.bad("id", fmt.Sprintf("%q is not an id", id), "use lower case letters, digits, - and _, starting with a letter, at most 32")
	}
	if line, dup := p.ids[id]; dup {
		o.bad("id", fmt.Sprintf("id %q is already used in line %d", id, line), "choose another id")
	} else {
		p.ids[id] = o.at("id").Line
	}
	o.named(id)
	return id
}

func (p *parser) chip(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "kind", "label", "bus", "addr")
	c := Chip{ID: p.id(&o), Kind: o.oneOf("kind", "", ChipGPIO, ChipMCP23017, ChipTCA9535, ChipPCA9685, ChipDoser)}
	switch c.Kind {
	case "":
	case ChipGPIO:
		c.Label = o.need("label", "name the chip's label, as gpiodetect shows it")
	default:
		for _, k := range []string{"bus", "addr"} {
			if !o.has(k) {
				o.missing(k, "say on which I²C bus and address the chip answers")
			}
		}
		c.Bus = int(o.integer("bus", 0, 0, 255))
		c.Addr = int(o.integer("addr", 0, 0x03, 0x77))
	}
	if c.ID != "" {
		p.chips[c.ID] = c
		p.rig.Chips = append(p.rig.Chips, c)
	}
}

// line reads chip and line; polarity is asked for where a wrong guess would open something.
func (p *parser) line(o object, id string, polarity bool) Line {
	l := Line{Chip: o.need("chip", "name one of the chips of this file"), Line: -1}
	if !o.has("line") {
		o.missing("line", "give the line's number on its chip")
	} else {
		l.Line = int(o.integer("line", -1, 0, 511))
	}
	if polarity {
		l.ActiveHigh = o.oneOf("active", "", "high", "low") == "high"
	}
	if l.Chip == "" {
		return l
	}
	c, ok := p.chips[l.Chip]
	if !ok {
		o.bad("chip", fmt.Sprintf("unknown chip %q", l.Chip), "add it under chips or correct the name")
		return l
	}
	if l.Line < 0 {
		return l
	}
	if c.Kind != ChipGPIO && l.Line > 15 {
		o.bad("line", fmt.Sprintf("chip %s has lines 0 to 15, not %d", c.ID, l.Line), "correct the line")
	}
	key := [2]any{l.Chip, l.Line}
	if other, used := p.lines[key]; used {
		o.bad("line", fmt.Sprintf("line %d of chip %s is already used by %s", l.Line, l.Chip, other), "give each part its own line")
	} else {
		p.lines[key] = id
	}
	return l
}

func (p *parser) owner(o object) hal.Owner {
	return hal.Owner(o.oneOf("owner", "", string(hal.OwnerGuard), string(hal.OwnerAgent)))
}

func (p *parser) add(part hal.Part) { p.rig.parts = append(p.rig.parts, part) }

func (p *parser) valve(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "active", "max_open", "carrier", "q_max_ul")
	id := p.id(&o)
	v := Valve{ID: id, Owner: p.owner(o), Line: p.line(o, id, true), Carrier: o.text("carrier"), QMaxUL: o.integer("q_max_ul", 0, 1, 1_000_000)}
	if !o.has("max_open") {
		o.missing("max_open", "say how long the valve may stay open without being renewed, for example max_open: 60s")
	} else {
		v.MaxOpen = o.duration("max_open", time.Millisecond, 10*time.Minute)
	}
	if id == hal.Master {
		if v.Owner != hal.OwnerGuard && v.Owner != "" {
			o.bad("owner", "MASTER must be the guard's", "set owner: guard")
		}
		if v.Carrier != "" {
			o.bad("carrier", "MASTER is no carrier valve", "remove carrier")
		}
		if !o.has("q_max_ul") {
			o.missing("q_max_ul", "give the largest flow the machine can reach in µL/s: the guard's bound without a meter")
		}
	} else {
		if o.has("q_max_ul") {
			o.bad("q_max_ul", "only MASTER has it", "remove it")
		}
		if v.Carrier == "" {
			o.missing("carrier", "name the ingredient it lets through, for example water.still")
		}
	}
	p.rig.Valves = append(p.rig.Valves, v)
	p.add(hal.Part{ID: id, Kind: hal.KindValve, Owner: v.Owner, MaxOpen: v.MaxOpen, Carrier: v.Carrier, QMax: v.QMaxUL, Chip: v.Line.Chip})
}

func (p *parser) pump(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "active", "stroke_ul", "max_rate")
	id := p.id(&o)
	u := Pump{ID: id, Owner: p.owner(o), Line: p.line(o, id, true), StrokeUL: o.integer("stroke_ul", 0, 1, 10_000), MaxRate: o.number("max_rate", 0, 0.1, 2000)}
	for _, k := range []string{"stroke_ul", "max_rate"} {
		if !o.has(k) {
			o.missing(k, "give the volume of one stroke in µL and the strokes per second it can do")
		}
	}
	p.rig.Pumps = append(p.rig.Pumps, u)
	p.add(hal.Part{ID: id, Kind: hal.KindPump, Owner: u.Owner, StrokeUL: u.StrokeUL, MaxRate: u.MaxRate, Chip: u.Line.Chip})
}

func (p *parser) meter(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "chip", "line", "pulses_per_litre", "serves")
	id := p.id(&o)
	m := Meter{ID: id, Owner: p.owner(o), Line: p.line(o, id, false), PulsesPerLitre: o.number("pulses_per_litre", 0, 1, 100_000), Serves: o.texts("serves")}
	if !o.has("pulses_per_litre") {
		o.missing("pulses_per_litre", "take it from the meter's data sheet")
	}
	if c, ok := p.chips[m.Line.Chip]; ok && c.Kind != ChipGPIO {
		o.bad("chip", fmt.Sprintf("a meter may not sit behind the expander %s: it loses pulses", c.ID), "wire it to a gpiochip line")
	}
	if len(m.Serves) == 0 {
		o.missing("serves", "list the valves whose flow it counts")
	}
	p.later = append(p.later, func() {
		for i, s := range m.Serves {
			if !p.hasValve(s) {
				p.fail(o.at("serves"), fmt.Sprintf("%s[%d]", join(o.path, "serves"), i), fmt.Sprintf("unknown valve %q", s), "name one of the outputs")
			}
		}
	})
	p.rig.Meters = append(p.rig.Meters, m)
	p.add(hal.Part{ID: id, Kind: hal.KindMeter, Owner: m.Owner, PulsesPerLitre: m.PulsesPerLitre, Serves: m.Serves, Chip: m.Line.Chip})
}

var signals = map[string]hal.Interlocks{"e-stop": hal.EStop, "leak": hal.Leak, "door": hal.Door, "tray-full": hal.TrayFull, "no-cup": hal.NoCup}

func (p *parser) interlock(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "owner", "signal", "chip", "line", "safe", "debounce")
	id := p.id(&o)
	sig := o.oneOf("signal", "", "e-stop", "leak", "door", "tray-full", "no-cup")
	i := Interlock{ID: id, Owner: p.owner(o), Signal: signals[sig], Line: p.line(o, id, false), SafeHigh: o.oneOf("safe", "", "high", "low") == "high", Debounce: o.duration("debounce", 0, time.Second)}
	if i.Signal&(hal.EStop|hal.Leak) != 0 && i.Owner == hal.OwnerAgent {
		o.bad("owner", sig+" must be the guard's", "set owner: guard")
	}
	for _, other := range p.rig.Interlocks {
		if i.Signal != 0 && other.Signal == i.Signal {
			o.bad("signal", fmt.Sprintf("signal %s is already driven by %s", sig, other.ID), "keep one input per signal")
		}
	}
	p.rig.Interlocks = append(p.rig.Interlocks, i)
	p.add(hal.Part{ID: id, Kind: hal.KindInterlock, Owner: i.Owner, Chip: i.Line.Chip})
}

func (p *parser) slot(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "pump")
	s := Slot{ID: p.id(&o), Pump: o.need("pump", "name the pump that empties the slot")}
	p.later = append(p.later, func() {
		if s.Pump == "" {
			return
		}
		for _, u := range p.rig.Pumps {
			if u.ID == s.Pump {
				return
			}
		}
		o.bad("pump", fmt.Sprintf("unknown pump %q", s.Pump), "name one of the pumps")
	})
	for _, other := range p.rig.Slots {
		if s.Pump != "" && other.Pump == s.Pump {
			o.bad("pump", fmt.Sprintf("pump %s already serves slot %s", s.Pump, other.ID), "give each slot its own pump")
		}
	}
	p.rig.Slots = append(p.rig.Slots, s)
	p.add(hal.Part{ID: s.ID, Kind: hal.KindSlot, Owner: hal.OwnerAgent, Pump: s.Pump, Chip: s.Reader})
}

func (p *parser) sensor(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "kind", "path", "scale", "unit")
	s := Sensor{ID: p.id(&o), Kind: o.oneOf("kind", "", "file"), Path: o.need("path", "name the kernel's file"), Scale: o.number("scale", 1, -1e9, 1e9)}
	_ = o.need("unit", "name the unit, for example C")
	p.rig.Sensors = append(p.rig.Sensors, s)
	p.add(hal.Part{ID: s.ID, Kind: hal.KindSensor, Owner: hal.OwnerAgent})
}
