package machine

import (
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// wish is what a person asks of the active pour; the loop answers it in its next tick.
type wish struct {
	what   uint8
	answer chan error // capacity 1
}

const (
	wantPause uint8 = iota + 1
	wantResume
)

// command hands a wish to the loop and waits for its answer.
func (m *Machine) command(id string, what uint8) error {
	l := m.current.Load()
	if l == nil || l.id != id {
		return notActive(id)
	}
	w := &wish{what: what, answer: make(chan error, 1)}
	if !l.want.CompareAndSwap(nil, w) {
		return &problem.Problem{Code: problem.CodeBusy, Where: id, What: "another command is under way", Remedy: "try again", Retry: true}
	}
	select {
	case err := <-w.answer:
		return err
	case <-l.over:
		return notActive(id)
	case <-m.stopped:
		return notRunning("the machine is stopping")
	}
}

// wishes does what a person asks of the active pour.
func (lo *loop) wishes(now time.Duration) {
	w := lo.lease.want.Load()
	if w == nil {
		return
	}
	var err error
	conflict := func(what, remedy string) error {
		return &problem.Problem{Code: problem.CodeConflict, Where: lo.lease.id, What: what, Remedy: remedy}
	}
	switch w.what {
	case wantPause:
		if lo.pour.Phase == pour.Paused {
			break
		}
		lo.ev = pour.Event{Kind: pour.Pause, Now: now, Reason: pour.ReasonAsked}
		lo.handle()
		if lo.pour.Phase != pour.Paused {
			err = conflict("the pour cannot be paused any more", "it is ending, or has not begun to flow")
		}
	case wantResume:
		switch fault := lo.fault(now); {
		case lo.pour.Phase != pour.Paused:
			err = conflict("the pour is not paused", "resume only what is paused")
		case lo.locks&hal.NoCup != 0:
			err = refusal(FaultNoCup)
		case fault != "" && fault != pour.ReasonTrayFull && fault != CodeNoWater: // these end no pour that has begun
			err = refusal(fault)
		default:
			lo.ev = pour.Event{Kind: pour.Resume, Now: now}
			lo.handle()
		}
	}
	lo.lease.want.Store(nil)
	w.answer <- err
}

func notActive(id string) error {
	return &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "this pour is not active", Remedy: "start a new pour"}
}
