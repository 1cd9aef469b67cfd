package rigfile

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// sim reads the physics of the simulated twin.
func (p *parser) sim(n *yaml.Node) {
	o := p.object(n, "sim", "on_owner_death", "supply", "valves", "meters", "pumps", "cup", "tray_ul",
		"carbonator", "cooling", "lines", "nozzle", "settle", "estop_cuts_supply", "heartbeat_hold", "faults")
	s := &p.rig.Sim
	s.OnOwnerDeath = o.oneOf("on_owner_death", DeathHold, DeathHold, DeathRelease)
	s.TrayUL = o.integer("tray_ul", 0, 1000, 100_000_000)
	if n := o.keys["supply"]; n != nil {
		u := p.object(n, "sim.supply", "drift", "ripple", "sag")
		s.Supply = SimSupply{Drift: u.number("drift", 0, 0, 0.3), Ripple: u.number("ripple", 0, 0, 0.3), Sag: u.number("sag", 0, 0, 0.5)}
	}
	o.each("valves", func(n *yaml.Node, path string) {
		v := p.object(n, path, "id", "flow_ul", "open_lag", "close_lag", "jitter")
		sv := SimValve{
			ID: p.ref(&v, "outputs", p.hasValve), FlowUL: v.integer("flow_ul", 0, 1000, 1_000_000),
			OpenLag: v.duration("open_lag", time.Millisecond, time.Second), CloseLag: v.duration("close_lag", time.Millisecond, time.Second),
			Jitter: v.duration("jitter", 0, 100*time.Millisecond),
		}
		s.Valves = append(s.Valves, sv)
	})
	o.each("meters", func(n *yaml.Node, path string) {
		v := p.object(n, path, "id", "gain_error", "gain_sigma", "min_flow_ul")
		s.Meters = append(s.Meters, SimMeter{
			ID:        p.ref(&v, "meters", p.hasMeter),
			GainError: v.number("gain_error", 0, -0.5, 0.5), GainSet: v.has("gain_error"),
			GainSigma: v.number("gain_sigma", 0, 0, 0.2), MinFlowUL: v.integer("min_flow_ul", 0, 0, 100_000),
		})
	})
	if n := o.keys["pumps"]; n != nil {
		u := p.object(n, "sim.pumps", "bias", "spread")
		s.Pumps = SimPumps{Bias: u.number("bias", 0, 0, 0.2), Spread: u.number("spread", 0, 0, 0.5)}
	}
	if n := o.keys["cup"]; n != nil {
		c := p.object(n, "sim.cup", "absent", "capacity_ul")
		s.Cup = SimCup{Absent: c.boolean("absent"), CapacityUL: c.integer("capacity_ul", 0, 1000, 10_000_000)}
	}
	if n := o.keys["carbonator"]; n != nil {
		c := p.object(n, "sim.carbonator", "capacity_ul", "refill_at_ul", "refill_uls")
		s.Carbonator = &SimCarbonator{
			CapacityUL: c.integer("capacity_ul", 0, 1000, 100_000_000), RefillAtUL: c.integer("refill_at_ul", 0, 1, 100_000_000),
			RefillULS: c.integer("refill_uls", 0, 1, 1_000_000),
		}
	}
	if n := o.keys["cooling"]; n != nil {
		c := p.object(n, "sim.cooling", "water_c", "cabinet_c", "ambient_c", "bath_ul", "cool_watts")
		s.Cooling = &SimCooling{
			WaterC: c.number("water_c", 0, -20, 100), CabinetC: c.number("cabinet_c", 0, -20, 100), AmbientC: c.number("ambient_c", 0, -40, 80),
			BathUL: c.integer("bath_ul", 0, 1000, 1_000_000_000), CoolWatts: c.number("cool_watts", 0, 0, 100_000),
		}
	}
	if n := o.keys["lines"]; n != nil {
		l := p.object(n, "sim.lines", "volume_ul", "air_ul")
		s.Lines = SimLines{VolumeUL: l.integer("volume_ul", 0, 0, 10_000_000), AirUL: l.integer("air_ul", 0, 0, 10_000_000)}
	}
	if n := o.keys["nozzle"]; n != nil {
		z := p.object(n, "sim.nozzle", "film_ul")
		s.Nozzle = SimNozzle{FilmUL: z.integer("film_ul", 0, 0, 100_000)}
	}
	s.Settle = o.duration("settle", time.Second, 10_000*time.Hour)
	s.EStopCutsSupply = o.boolean("estop_cuts_supply")
	s.HeartbeatHold = o.duration("heartbeat_hold", time.Millisecond, time.Minute)
	if s.HeartbeatHold > 0 && p.rig.Heartbeat == nil {
		o.bad("heartbeat_hold", "the rig has no heartbeat", "add heartbeat: with its line, or remove heartbeat_hold")
	}
	o.each("faults", p.fault)
}

// fault reads one fault; hal/sim, which knows the kinds, checks what they strike.
func (p *parser) fault(n *yaml.Node, path string) {
	o := p.object(n, path, "kind", "part", "with", "amount", "at", "for")
	p.rig.Sim.Faults = append(p.rig.Sim.Faults, SimFault{
		Kind: o.need("kind", "name the fault, as hal/sim lists them"), Part: o.text("part"), With: o.text("with"),
		Amount: o.number("amount", 0, -1e9, 1e9), At: o.duration("at", 0, 1000*time.Hour), For: o.duration("for", time.Millisecond, 1000*time.Hour),
	})
}

// ref reads the id of a part that must exist in the list named by of.
func (p *parser) ref(o *object, of string, exists func(string) bool) string {
	id := o.need("id", "name one of the "+of)
	if id != "" && !exists(id) {
		o.bad("id", fmt.Sprintf("%q is none of the %s", id, of), "correct the id")
	}
	o.named(id)
	return id
}

func (p *parser) hasMeter(id string) bool {
	for _, m := range p.rig.Meters {
		if m.ID == id {
			return true
		}
	}
	return false
}
