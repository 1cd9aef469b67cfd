package rigfile

import (
	"fmt"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/hal"
)

// roles say what can be measured, in the unit of the role; low and high are what no machine like this leaves.
var roles = []struct {
	role      hal.Role
	low, high float64
	unit      string
}{
	{hal.RoleWaterTemp, -40, 125, "°C"},
	{hal.RoleCabinetTemp, -40, 125, "°C"},
	{hal.RoleWaterPressure, -100, 2000, "kPa"},
	{hal.RoleCO2Pressure, -100, 10_000, "kPa"},
}

// defaultPoll is how often a sensor is read unless the file says otherwise.
const defaultPoll = time.Second

func (p *parser) sensor(n *yaml.Node, path string) {
	o := p.object(n, path, "id", "role", "kind", "path", "chip", "channel", "scale", "offset", "min", "max", "every")
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r.role)
	}
	s := Sensor{
		ID: p.id(&o), Role: hal.Role(o.oneOf("role", "", words...)), Kind: o.oneOf("kind", "", SensorFile, SensorADC),
		Scale: o.number("scale", 1, -1e9, 1e9), Offset: o.number("offset", 0, -1e9, 1e9),
		Every: o.duration("every", 100*time.Millisecond, time.Hour),
	}
	if s.Every == 0 {
		s.Every = defaultPoll
	}
	if s.Scale == 0 {
		o.bad("scale", "0 makes every reading the same", "give the unit's amount per count")
	}
	switch s.Kind {
	case SensorFile:
		p.onlyFor(o, "only an adc sensor has it", "chip", "channel")
		s.Path = o.need("path", "name the kernel's file, for example /sys/bus/w1/devices/28-*/temperature")
		if _, err := filepath.Match(s.Path, ""); s.Path != "" && (err != nil || !filepath.IsAbs(s.Path)) {
			o.bad("path", fmt.Sprintf("%q is no absolute path or pattern", s.Path), "start it with / and close every [")
		}
	case SensorADC:
		p.onlyFor(o, "only a file sensor has it", "path")
		p.channel(o, &s)
	}
	p.plausible(o, &s)
	p.rig.Sensors = append(p.rig.Sensors, s)
	p.add(hal.Part{ID: s.ID, Kind: hal.KindSensor, Owner: hal.OwnerAgent, Role: s.Role, Chip: s.Chip})
}

// channel reads where an adc sensor is wired.
func (p *parser) channel(o object, s *Sensor) {
	s.Chip = o.need("chip", "name a chip of kind ads1115")
	if !o.has("channel") {
		o.missing("channel", "give the converter's input, 0 to 3")
	}
	s.Channel = int(o.integer("channel", -1, 0, 3))
	switch c := p.chips[s.Chip]; {
	case s.Chip == "":
	case c == nil:
		o.bad("chip", fmt.Sprintf("unknown chip %q", s.Chip), "add it under chips or correct the name")
	case c.Kind != "" && c.Kind != ChipADS1115:
		o.bad("chip", fmt.Sprintf("chip %s (%s) measures nothing", c.ID, c.Kind), "name a chip of kind ads1115")
	case s.Channel >= 0:
		at := pin{s.Chip, s.Channel, ""}
		if other, used := p.pins[at]; used {
			o.bad("channel", fmt.Sprintf("channel %d of chip %s is already used by %s", s.Channel, s.Chip, other), "give each sensor its own channel")
		} else {
			p.pins[at] = s.ID
		}
	}
}

// plausible reads the range outside which a reading is an open or shorted sensor. Every role blocks something, so every
// role needs one.
func (p *parser) plausible(o object, s *Sensor) {
	low, high, unit := -1e9, 1e9, ""
	for _, r := range roles {
		if r.role == s.Role {
			low, high, unit = r.low, r.high, r.unit
		}
	}
	for _, k := range []string{"min", "max"} {
		if !o.has(k) {
			o.missing(k, "give the plausible range in "+unit+": outside it the sensor is open or shorted")
		}
	}
	s.Min, s.Max = o.number("min", 0, low, high), o.number("max", 0, low, high)
	if o.has("min") && o.has("max") && s.Min >= s.Max {
		o.bad("max", fmt.Sprintf("the plausible range from %g to %g is empty", s.Min, s.Max), "make max larger than min")
	}
}
