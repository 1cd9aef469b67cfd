package rigfile

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/hal"
)

// Bounds of the board's own safety parts. The guard's loop runs every 5 ms, so a faster heartbeat is none of its own; a
// slower one lets the board's one-shot hold the valve supply for longer than DESIGN 3 gives MASTER. A watchdog slower
// than a minute is no protection, one faster than 2 s resets a busy machine.
const (
	minHeartbeat, maxHeartbeat = 5 * time.Millisecond, 100 * time.Millisecond
	minWatchdog, maxWatchdog   = 2 * time.Second, time.Minute
)

func (p *parser) board(n *yaml.Node) {
	o := p.object(n, "board", "model", "expects", "supply_ma", "watchdog")
	b := &p.rig.Board
	b.Model, b.Expects = o.need("model", "name the board"), o.texts("expects")
	for i, e := range b.Expects {
		if e != ExpectStrictGPIO {
			p.fail(o.at("expects"), fmt.Sprintf("%s.expects[%d]", o.path, i), fmt.Sprintf("nothing is known of %q", e), "remove it, or write "+ExpectStrictGPIO)
		}
	}
	b.SupplyMA = o.integer("supply_ma", 0, 1, 1_000_000)
	if w := o.keys["watchdog"]; w != nil {
		p.watchdog(w)
	}
	if b.SupplyMA > 0 {
		p.later = append(p.later, func() { p.supply(o) })
	}
}

func (p *parser) watchdog(n *yaml.Node) {
	o := p.object(n, "board.watchdog", "path", "timeout")
	w := &Watchdog{Path: o.need("path", "name the device, for example /dev/watchdog0"), Timeout: o.duration("timeout", minWatchdog, maxWatchdog)}
	if w.Path != "" && !strings.HasPrefix(w.Path, "/dev/") {
		o.bad("path", fmt.Sprintf("%q is no device", w.Path), "name the device, for example /dev/watchdog0")
	}
	if !o.has("timeout") {
		o.missing("timeout", "say after how long without the guard the machine resets, for example timeout: 10s")
	}
	if w.Timeout%time.Second != 0 {
		o.bad("timeout", fmt.Sprintf("%v is no whole number of seconds, which is what the kernel takes", w.Timeout), "use whole seconds, for example 10s")
	}
	p.rig.Board.Watchdog = w
}

// supply checks that the least that has to work at once can: MASTER and one valve.
func (p *parser) supply(o object) {
	var master, most int64
	var hungriest string
	for _, v := range p.rig.Valves {
		switch {
		case v.ID == hal.Master:
			master = v.CurrentMA
		case v.CurrentMA > most:
			most, hungriest = v.CurrentMA, v.ID
		}
	}
	if need := master + most; p.rig.Board.SupplyMA < need {
		o.bad("supply_ma", fmt.Sprintf("%d mA do not open MASTER and %s at once: they draw %d mA", p.rig.Board.SupplyMA, hungriest, need), "use a stronger supply, or correct the figures")
	}
}

func (p *parser) heartbeat(n *yaml.Node) {
	o := p.object(n, "heartbeat", "chip", "line", "name", "every")
	h := &Heartbeat{Line: p.line(o, "the heartbeat", toggled, false), Every: o.duration("every", minHeartbeat, maxHeartbeat)}
	h.Line.ActiveHigh = true
	if !o.has("every") {
		o.missing("every", "give the time between two edges, below half the one-shot's time, for example every: 25ms")
	}
	p.rig.Heartbeat = h
}
