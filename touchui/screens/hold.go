package screens

// The life of one hold, as a pure machine. Releasing while the agent has not answered yet is remembered and stops the
// pour the moment it is granted.
//
//	resting ─press─► asking ─granted─► flowing ─release|over─► ending ─settled─► resting
//	                   │ refused ─► resting      released while asking: granted ─► ending
type holdState uint8

const (
	resting holdState = iota
	asking            // the agent was asked for a pour
	flowing           // a lease is held and beaten
	ending            // stopped; the record is on its way
)

type holdEvent uint8

const (
	evPress holdEvent = iota
	evRelease
	evGranted
	evRefused
	evTick // the UI's own loop, every api.BeatEvery
	evOver // the agent ended the pour
	evSettled
)

type holdEffect uint8

const (
	doNothing holdEffect = iota
	doAsk
	doBeat
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
	case h.state == flowing && e == evTick:
		return h, doBeat
	case h.state == flowing && (e == evRelease || e == evOver):
		return hold{state: ending}, doStop
	case h.state == ending && e == evSettled:
		return hold{}, doNothing
	}
	return h, doNothing
}

// active reports whether something may be flowing or about to.
func (h hold) active() bool { return h.state != resting }
