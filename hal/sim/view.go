package sim

import (
	"encoding/binary"
	"encoding/json"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// view is the plant as one owner sees it over its connection.
type view struct {
	p       *Plant
	rig     *ownedRig
	welcome welcome
	meters  []int
	pumps   []int
	slots   []int
	sensors []int
	snap    snapshot
	done    atomic.Uint64 // commands carried out
}

func newView(p *Plant, rig *ownedRig) *view {
	v := &view{p: p, rig: rig, welcome: welcome{Parts: p.rig.Parts()}}
	for _, vi := range rig.o.outputs {
		v.welcome.Valves = append(v.welcome.Valves, p.valves[vi].part.ID)
	}
	for i := range p.meters {
		if p.meters[i].part.Owner == rig.o.name {
			v.meters = append(v.meters, i)
			v.welcome.Meters = append(v.welcome.Meters, p.meters[i].part.ID)
		}
	}
	for i := range p.pumps {
		if p.pumps[i].part.Owner == rig.o.name {
			v.pumps = append(v.pumps, i)
			v.welcome.Pumps = append(v.welcome.Pumps, p.pumps[i].part.ID)
			v.welcome.PumpChips = append(v.welcome.PumpChips, slices.IndexFunc(p.rig.Chips, func(c rigfile.Chip) bool { return c.ID == p.pumps[i].chip }))
		}
	}
	for i := range p.slots {
		if rig.o.name == hal.OwnerAgent {
			v.slots = append(v.slots, i)
			v.welcome.Slots = append(v.welcome.Slots, p.slots[i].id)
		}
	}
	for i := range p.sensors {
		if p.sensors[i].part.Owner == rig.o.name {
			v.sensors = append(v.sensors, i)
			v.welcome.Sensors = append(v.welcome.Sensors, p.sensors[i].part.ID)
			v.welcome.Every = append(v.welcome.Every, p.sensors[i].every)
		}
	}
	for _, c := range p.rig.Chips {
		v.welcome.Chips = append(v.welcome.Chips, c.ID)
	}
	if p.hold > 0 && rig.o.name == hal.OwnerGuard {
		v.welcome.Heartbeat = p.rig.Heartbeat.Every
	}
	v.snap.counts = make([]hal.Count, len(v.meters))
	v.snap.delivered = make([]uint64, len(v.pumps))
	v.snap.sensors = make([]reading, len(v.sensors))
	return v
}

// take fills the snapshot; busy tells that something moves or is commanded, silent that the answers stand still.
func (v *view) take() (busy, silent bool) {
	p := v.p
	s := &v.snap
	s.done = v.done.Load() // before the rest: what is counted here shows in it
	now := p.lock()
	defer p.mu.Unlock()
	s.at, s.commanded, s.deadMask, s.goneChips, s.faulty, s.slow = now, v.rig.o.want, 0, 0, 0, 0
	for i, vi := range v.rig.o.outputs {
		s.deadMask |= bit(p.goneChips[p.valves[vi].chip], i)
	}
	s.goneMask = s.deadMask | v.rig.o.failed
	for i, c := range p.rig.Chips {
		s.goneChips |= bit(p.goneChips[c.ID], i)
		s.faulty |= bit(p.is(ChipReset, c.ID), i)
		s.slow |= bit(p.slowChips[c.ID] > 0, i)
	}
	s.locks, s.locksGone = p.interlocks(v.rig.o.name, now)
	for i, mi := range v.meters {
		s.counts[i] = p.meters[mi].line.count()
	}
	for i, pi := range v.pumps {
		s.delivered[i] = p.pumps[pi].delivered - v.rig.o.base[pi]
	}
	for i, si := range v.sensors {
		s.sensors[i] = p.sensors[si].got
	}
	busy = !p.quiet()
	for i := range p.valves {
		busy = busy || p.valves[i].commanded
	}
	for i := range p.locks {
		busy = busy || p.locks[i].raw != p.locks[i].shown // still bouncing
	}
	return busy, v.rig.o.frozen != nil
}

func bit(on bool, i int) uint64 {
	if on && i < 64 {
		return 1 << i
	}
	return 0
}

func (v *view) tag(request uint64, slot int) tagAnswer {
	v.p.lock()
	defer v.p.mu.Unlock()
	t, err := v.p.tag(slot)
	a := tagAnswer{Request: request, Tag: t}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// push sends snapshots and tag answers until done. A stopped owner makes it wait; nobody else waits for it.
func (v *view) push(c net.Conn, wake <-chan struct{}, tags <-chan tagAnswer, done <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var buf []byte
	for {
		busy, silent := v.take()
		if buf = buf[:0]; !silent {
			buf = v.snap.append(buf)
		}
		for more := true; more; {
			select {
			case a := <-tags:
				body, err := json.Marshal(a)
				if err != nil {
					panic(err) // strings, numbers and a time of our own making
				}
				buf = append(buf, frameTag, 0, 0, 0)
				buf = binary.LittleEndian.AppendUint32(buf, uint32(len(body)))
				buf = append(buf, body...)
			default:
				more = false
			}
		}
		if _, err := c.Write(buf); err != nil {
			return // the reader of this connection notices as well
		}
		if busy {
			time.Sleep(pushFast)
			select {
			case <-done:
				return
			default:
				continue
			}
		}
		timer.Reset(pushIdle)
		select {
		case <-done:
			return
		case <-wake:
		case <-timer.C:
		}
	}
}
