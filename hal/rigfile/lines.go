package rigfile

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// use is what a line is for; it decides which kinds of chips may have it.
type use struct {
	what   string   // as messages say it
	kinds  []string // of chips
	why    string   // it may not sit on another kind
	remedy string
}

// Uses of lines.
var (
	driven    = use{"a valve or agitator", []string{ChipGPIO, ChipMCP23017, ChipTCA9535, ChipPCA9685}, "it has no outputs for valves", "wire it to a gpiochip or an expander"}
	masterUse = use{"MASTER", []string{ChipGPIO}, "an expander keeps its level when everything else has died, and its bus can hang", "wire it to a gpiochip line"}
	dosing    = use{"a pump", []string{ChipGPIO, ChipMCP23017, ChipTCA9535, ChipPCA9685, ChipDoser}, "it drives no pumps", "wire it to a doser, a gpiochip or an expander"}
	counted   = use{"a meter", []string{ChipGPIO}, "it loses pulses", "wire it to a gpiochip line"}
	sensed    = use{"a stroke sensor", []string{ChipGPIO}, "it loses pulses", "wire it to a gpiochip line"}
	watched   = use{"a safety input", []string{ChipGPIO}, "a bus that hangs would hide it", "wire it to a gpiochip line"}
	toggled   = use{"the heartbeat", []string{ChipGPIO}, "a bus that hangs would stop it", "wire it to a gpiochip line"}
	resetting = use{"a reset line", []string{ChipGPIO}, "the chips on the bus could not be reset when the bus hangs", "wire it to a gpiochip line"}
)

// pin is one place where a wire may end.
type pin struct {
	chip string
	line int
	name string // when the file gives a name; then line is −1
}

func (c *Chip) lines() int {
	switch c.Kind {
	case ChipGPIO:
		return 512
	case ChipADS1115:
		return 4
	case ChipPN532:
		return 0
	}
	return 16
}

func (p *parser) chip(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "kind", "label", "bus", "addr", "reset")
	kinds := []string{ChipGPIO, ChipMCP23017, ChipTCA9535, ChipPCA9685, ChipDoser, ChipADS1115, ChipPN532}
	c := &Chip{ID: p.id(&o), Kind: o.oneOf("kind", "", kinds...)}
	switch c.Kind {
	case "":
	case ChipGPIO:
		c.Label = o.need("label", "name the chip's label, as gpiodetect shows it")
		p.onlyFor(o, "only chips on an I²C bus have it", "bus", "addr", "reset")
	default:
		p.onlyFor(o, "only a gpiochip has it", "label")
		if !slices.Contains(driven.kinds, c.Kind) {
			p.onlyFor(o, "only an expander is reset by a line", "reset")
		}
		for _, k := range []string{"bus", "addr"} {
			if !o.has(k) {
				o.missing(k, "say on which I²C bus and address the chip answers")
			}
		}
		c.Bus = int(o.integer("bus", 0, 0, 255))
		c.Addr = int(o.integer("addr", 0, 0x03, 0x77))
	}
	for _, other := range p.rig.Chips {
		switch {
		case c.Kind == ChipGPIO && other.Kind == ChipGPIO && c.Label != "" && c.Label == other.Label:
			o.bad("label", fmt.Sprintf("chip %s has the same label", other.ID), "name each chip once")
		case c.Addr != 0 && c.Kind != ChipGPIO && other.Kind != ChipGPIO && c.Bus == other.Bus && c.Addr == other.Addr:
			o.bad("addr", fmt.Sprintf("chip %s already answers at %#02x of bus %d", other.ID, c.Addr, c.Bus), "correct one of the addresses")
		}
	}
	if c.ID == "" {
		return
	}
	p.chips[c.ID] = c
	p.rig.Chips = append(p.rig.Chips, *c)
	if r := o.keys["reset"]; r != nil && c.Kind != ChipGPIO && slices.Contains(driven.kinds, c.Kind) {
		i := len(p.rig.Chips) - 1
		p.resets = append(p.resets, func() {
			ro := p.object(r, o.path+".reset", "chip", "line", "name", "active")
			l := p.line(ro, "the reset of "+c.ID, resetting, true)
			p.rig.Chips[i].Reset = &l
		})
	}
}

// onlyFor refuses keys that mean nothing here.
func (p *parser) onlyFor(o object, what string, keys ...string) {
	for _, k := range keys {
		if o.has(k) {
			o.bad(k, what, "remove it")
		}
	}
}

// line reads chip and line or name; polarity is asked for where a wrong guess would open something.
func (p *parser) line(o object, who string, u use, polarity bool) Line {
	l := Line{Chip: o.need("chip", "name one of the chips of this file"), Line: -1, Name: o.text("name")}
	switch {
	case o.has("line") && o.has("name"):
		o.bad("name", "both line and name are given", "keep one of the two")
	case o.has("line"):
		l.Line = int(o.integer("line", -1, 0, 511))
	case !o.has("name"):
		o.missing("line", "give the line's number on its chip, or its name")
	case l.Name == "":
		o.bad("name", "empty", "give the line's name, as gpioinfo shows it")
	}
	if polarity {
		l.ActiveHigh = o.oneOf("active", "", "high", "low") == "high"
	}
	if l.Chip == "" {
		return l
	}
	c, ok := p.chips[l.Chip]
	switch {
	case !ok:
		o.bad("chip", fmt.Sprintf("unknown chip %q", l.Chip), "add it under chips or correct the name")
		return l
	case c.Kind == "":
		return l // told already
	case !slices.Contains(u.kinds, c.Kind):
		o.bad("chip", fmt.Sprintf("%s may not sit on %s (%s): %s", u.what, c.ID, c.Kind, u.why), u.remedy)
		return l
	case l.Name != "" && c.Kind != ChipGPIO:
		o.bad("name", fmt.Sprintf("chip %s has no line names", c.ID), fmt.Sprintf("give line: 0 to %d", c.lines()-1))
		return l
	case l.Line >= c.lines():
		o.bad("line", fmt.Sprintf("chip %s has lines 0 to %d, not %d", c.ID, c.lines()-1, l.Line), "correct the line")
		return l
	}
	if c.Kind == ChipPCA9685 && polarity && !l.ActiveHigh && o.has("active") {
		o.bad("active", fmt.Sprintf("chip %s drives its lines low after a reset: an active-low output would be on", c.ID), "use active: high, with a driver stage that is off at low level")
	}
	p.take(o, pin{l.Chip, l.Line, l.Name}, who)
	return l
}

// take notes that who uses a pin. A line given once by name and once by number is found out when the chip is opened.
func (p *parser) take(o object, at pin, who string) {
	if at.line < 0 && at.name == "" {
		return // told already
	}
	other, used := p.pins[at]
	switch {
	case !used:
		p.pins[at] = who
	case at.name != "":
		o.bad("name", fmt.Sprintf("line %q of chip %s is already used by %s", at.name, at.chip, other), "give each part its own line")
	default:
		o.bad("line", fmt.Sprintf("line %d of chip %s is already used by %s", at.line, at.chip, other), "give each part its own line")
	}
}
