package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// Timing and limits of what is watched.
const (
	watchEvery   = time.Second
	rigPatience  = 2 * time.Second // a rig that is gone for longer is opened anew: by ending, the supervisor starts us again
	heldFor      = time.Hour       // what happens in an instant stands so long
	lateWindow   = time.Minute
	lateMost     = 10               // ticks more than 20 ms late in lateWindow
	clockPatient = 10 * time.Minute // for the clock to be set after the start
	offlineFor   = 24 * time.Hour
	storeMin     = 64 << 20 // bytes free
	storeShare   = 50       // or one of so many parts
)

// watched is what the watch looks at, taken at one moment.
type watched struct {
	state   machine.State
	health  []hal.Fault
	clock   bool          // the clock was set
	free    uint64        // bytes on the data partition
	size    uint64        // of it; 0: not known
	cloud   api.Cloud     // off when there is none
	dry     []string      // valves that found no water
	refused []string      // values of the technician that were left out
	trusted time.Time     // the last time known for sure
	up      time.Duration // since the start, on any clock that never goes back
}

// watch turns what the machine, the hardware and the host say into alarms, each with its scope.
//
//	machine.State, Rig.Health, clock, disk, cloud ──step──► alarms ──► board
//
// step is pure but for what it remembers; it belongs to one goroutine.
type watch struct {
	scopes *scopes

	held   map[heldKey]holding
	late   []lateSample
	gaps   uint64
	gapAt  time.Duration // of the last; 0: none
	online time.Duration // when the cloud was last there
}

type heldKey struct {
	name  alarm.Name
	scope string
}

type holding struct {
	alarm alarm.Alarm
	until time.Duration
}

type lateSample struct {
	at time.Duration
	n  uint64
}

func newWatch(s *scopes) *watch { return &watch{scopes: s, held: map[heldKey]holding{}} }

// machineAlarms are the alarms of the machine's faults, by code.
var machineAlarms = map[string]alarm.Name{
	pour.ReasonEStop: alarm.EStop, pour.ReasonLeak: alarm.Leak, pour.ReasonDoor: alarm.DoorOpen, pour.ReasonTrayFull: alarm.TrayFull,
	pour.ReasonInterlock: alarm.InterlockUnreadable, pour.ReasonGuardGone: alarm.GuardGone, pour.ReasonRigLost: alarm.RigLost,
	pour.ReasonJournal: alarm.JournalStuck, pour.ReasonStuckOpen: alarm.StuckOpen, pour.ReasonWrongWay: alarm.WrongWay,
	pour.ReasonOverFlow: alarm.OverFlow, pour.ReasonMeterLost: alarm.MeterDead, pour.ReasonHardware: alarm.OutputFault,
	pour.ReasonNoFlow: alarm.NoFlow, pour.ReasonAir: alarm.AirInLine,
	machine.CodeFlow: alarm.GhostFlow, machine.CodeWeep: alarm.Weep, machine.CodeEMI: alarm.MeterNoise, machine.CodeAir: alarm.AirInLine,
	machine.CodeNoWater: alarm.NoWater, machine.CodeRinseFirst: alarm.RinseFirst,
}

// inputAlarms are the alarms of the inputs; those of gas belong to readiness.
var inputAlarms = []struct {
	bit  hal.Interlocks
	name alarm.Name
}{
	{hal.EStop, alarm.EStop}, {hal.Leak, alarm.Leak}, {hal.Door, alarm.DoorOpen}, {hal.TrayFull, alarm.TrayFull}, {hal.NoWater, alarm.NoWater},
}

// step says what is wrong now.
func (w *watch) step(in watched) []alarm.Alarm {
	var want []alarm.Alarm
	add := func(a alarm.Alarm) {
		if a.Scope == "" {
			a.Scope = alarm.ScopeUnit
		}
		same := func(b alarm.Alarm) bool { return b.Name == a.Name && b.Scope == a.Scope }
		if !slices.ContainsFunc(want, same) {
			want = append(want, a)
		}
	}
	w.machine(in, add)
	w.hardware(in, add)
	w.host(in, add)
	for k, h := range w.held {
		if in.up >= h.until {
			delete(w.held, k)
			continue
		}
		add(h.alarm)
	}
	return want
}

// hold keeps what happened in an instant for a while.
func (w *watch) hold(up time.Duration, a alarm.Alarm) {
	w.held[heldKey{a.Name, a.Scope}] = holding{a, up + heldFor}
}

// machine says what the control loop found.
func (w *watch) machine(in watched, add func(alarm.Alarm)) {
	st := in.state
	for _, i := range inputAlarms {
		if st.Interlocks&i.bit != 0 {
			add(alarm.Alarm{Name: i.name, Evidence: "inputs: " + st.Interlocks.String()})
		}
	}
	for _, f := range st.Faults {
		if a, ok := ofMachine(f); ok {
			add(a)
		}
	}
	if n, ok := machineAlarms[st.Fault]; ok {
		add(alarm.Alarm{Name: n, Evidence: words(in.health)})
	}
	for _, v := range in.dry {
		add(alarm.Alarm{Name: alarm.NoFlow, Scope: v, Evidence: fmt.Sprintf("%d pours in a row", dryAfter)})
	}
	if st.Unfed {
		add(alarm.Alarm{Name: alarm.WatchdogOff, Evidence: "the guard says that it cannot feed it"})
	}
	w.loop(in, add)
}

// loop judges the control loop's own timing.
func (w *watch) loop(in watched, add func(alarm.Alarm)) {
	st := in.state
	w.late = append(w.late, lateSample{in.up, st.VeryLate})
	for len(w.late) > 1 && in.up-w.late[1].at >= lateWindow {
		w.late = w.late[1:]
	}
	if n := st.VeryLate - w.late[0].n; n >= lateMost {
		add(alarm.Alarm{Name: alarm.LoopLate, Evidence: fmt.Sprintf("%d ticks in the last minute, the worst so far %d ms", n, st.WorstTick.Milliseconds())})
	}
	if st.LoopGaps > w.gaps {
		w.gaps, w.gapAt = st.LoopGaps, in.up
		w.hold(in.up, alarm.Alarm{Name: alarm.LoopGap, Evidence: fmt.Sprintf("%d since the start, the worst %d ms", st.LoopGaps, st.WorstTick.Milliseconds())})
	}
}

// hardware says what the rig found.
func (w *watch) hardware(in watched, add func(alarm.Alarm)) {
	for _, f := range in.health {
		a := alarm.Alarm{Name: alarm.PartFault, Scope: f.Part, Evidence: f.What}
		p, isPart := w.scopes.parts[f.Part]
		switch f.Kind {
		case hal.FaultGone:
			switch {
			case !isPart:
				a.Name = alarm.ChipGone
			case p.Kind == hal.KindValve || p.Kind == hal.KindPump || p.Kind == hal.KindMeter:
				a.Name = alarm.PartGone
			}
		case hal.FaultSlow:
			a.Name = alarm.BusSlow
		case hal.FaultReset:
			a.Name = alarm.ExpanderReset
			w.hold(in.up, a)
		case hal.FaultUnconfirmed:
			a.Name = alarm.StrokesUnconfirmed
		case hal.FaultLost:
			a.Name = alarm.MeterUncertain
			w.hold(in.up, a)
		case hal.FaultKeepsLevel:
			a = alarm.Alarm{Name: alarm.LinesKeepLevel, Evidence: f.Part + ": " + f.What}
		default:
			a.What = f.What
		}
		add(a)
	}
}

// host says what is wrong around the agent.
func (w *watch) host(in watched, add func(alarm.Alarm)) {
	if in.size > 0 && (in.free < storeMin || in.free < in.size/storeShare) {
		add(alarm.Alarm{Name: alarm.StoreFull, Evidence: fmt.Sprintf("%d MiB of %d free", in.free>>20, in.size>>20)})
	}
	if !in.clock && in.up >= clockPatient {
		ev := "nothing has set it since the start"
		if !in.trusted.IsZero() {
			ev += "; it was sure on " + date(in.trusted)
		}
		add(alarm.Alarm{Name: alarm.ClockUntrusted, Evidence: ev})
	}
	switch {
	case in.cloud.State == cloudOff, in.cloud.State == cloudOnline:
		w.online = in.up
	case in.up-w.online >= offlineFor:
		add(alarm.Alarm{Name: alarm.CloudOffline, Evidence: fmt.Sprintf("for more than %s, %d pours wait: %s", offlineFor, in.cloud.Backlog, in.cloud.LastErr)})
	}
	for _, r := range in.refused {
		add(alarm.Alarm{Name: alarm.ConfigRefused, Evidence: r})
	}
}

func words(list []hal.Fault) string {
	s := ""
	for i, f := range list {
		if i > 0 {
			s += "; "
		}
		s += f.Part + ": " + f.What
	}
	return s
}

// observe takes in everything the watch looks at.
func (a *Agent) observe(up time.Duration) watched {
	st := a.machine.State()
	in := watched{
		state: st, health: append(slices.Clone(a.deps.Rig.Health()), st.HealthNote...), clock: sure(clockQuality()),
		cloud: a.cloud.status(), dry: a.view.dryLines(), up: up, trusted: a.lastTrusted(),
	}
	in.cloud.Backlog = a.store.Stats().Pending
	if !a.cfg.Config.Cloud.Configured() {
		in.cloud.State = cloudOff
	}
	for _, p := range slices.Concat(a.cfg.Config.Refused, a.remote.problems()) {
		in.refused = append(in.refused, p.Where+": "+p.What)
	}
	in.free, in.size = a.disk() // if that is not known the store itself will tell
	return in
}

// watchAll keeps the board true until ctx ends. It ends by itself when the rig is gone for longer than rigPatience.
func (a *Agent) watchAll(ctx context.Context) error {
	owned := alarm.RaisedBy("agent/watch.go")
	w := newWatch(a.scopes)
	begin := time.Now()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var gone time.Time // since when the rig has not answered
	for {
		in := a.observe(time.Since(begin))
		a.board.Keep(owned, w.step(in))
		switch {
		case in.state.Fault != pour.ReasonRigLost:
			gone = time.Time{}
		case gone.IsZero():
			gone = time.Now()
		case time.Since(gone) > rigPatience:
			return &problem.Problem{
				Code: problem.CodeUnreachable, Where: "rig", What: "the hardware does not answer any more",
				Remedy: "the agent starts anew and opens it again", Retry: true,
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.rewatch:
		}
	}
}

// look asks the watch to look at once: the machine has changed.
func (a *Agent) look() {
	wake(a.rewatch)
}
