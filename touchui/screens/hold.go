package screens

// The life of one hold, as a pure machine. Releasing while the agent has not answered yet is remembered and stops the
// pour the moment it is granted. A release ends a pour in whatever state it is: also one that is paused because its cup was
// taken away. Only a portion, which no finger holds, can be pressed on when its cup is back.
//
//	resting ─press─► asking ─granted─► flowing ─release|over─► ending ─settled─► resting
//	                   │ refused ─► resting      released while asking: granted ─► ending
//
//	flowing ─paused─► paused ─press─► resuming ─granted|flows─► flowing
//	                    │ flows ─► flowing  │ refused ─► paused
//	                    └ release|over ─► ending ◄─ release|over ┘
type holdState uint8

const (
	resting  holdState = iota
	asking             // the agent was asked for a pour
	flowing            // a lease is held and beaten
	paused             // the agent shut everything and keeps the count; the lease is beaten
	resuming           // the agent was asked to go on
	ending             // stopped; the record is on its way
)

type holdEvent uint8

const (
	evPress holdEvent = iota
	evRelease
	evGranted
	evRefused
	evTick   // the UI's own loop, every api.BeatEvery
	evPaused // the agent says that it is paused
	evFlows  // the agent says that it is not
	evOver   // the agent ended the pour
	evSettled
)

type holdEffect uint8

const (
	doNothing holdEffect = iota
	doAsk
	doBeat
	doResume
	doStop
)

type hold struct {
	state    holdState
	released bool // let go while asking
}

// step is the whole behaviour; every pair not listed leaves things as they are.
func (h hold) step(e holdEvent) (hold, holdEffect) {
	switch {
	case h.state == resting && e == evPress:
		return hold{state: asking}, doAsk
	case h.state == asking && e == evRelease:
		return hold{state: asking, released: true}, doNothing
	case h.state == asking && e == evGranted && h.released:
		return hold{state: ending}, doStop
	case h.state == asking && e == evGranted:
		return hold{state: flowing}, doBeat
	case h.state == asking && e == evRefused:
		return hold{}, doNothing
	case h.leased() && e == evTick:
		return h, doBeat
	case h.leased() && (e == evRelease || e == evOver):
		return hold{state: ending}, doStop
	case h.state == flowing && e == evPaused:
		return hold{state: paused}, doNothing
	case h.state == paused && e == evPress:
		return hold{state: resuming}, doResume
	case h.state == resuming && e == evRefused:
		return hold{state: paused}, doNothing
	case h.state == paused && e == evFlows, h.state == resuming && (e == evFlows || e == evGranted):
		return hold{state: flowing}, doNothing
	case h.state == ending && e == evSettled:
		return hold{}, doNothing
	}
	return h, doNothing
}

// active reports whether something may be flowing or about to.
func (h hold) active() bool { return h.state != resting }

// leased reports whether a lease is held and has to be beaten.
func (h hold) leased() bool { return h.state == flowing || h.state == paused || h.state == resuming }
