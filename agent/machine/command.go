package machine

import (
	"context"
	"sync/atomic"

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
	case <-m.stopped:
		return notRunning("the machine is stopping")
	}
}

func notActive(id string) error {
	return &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "this pour is not active", Remedy: "start a new pour"}
}

// rinseLease is a rinse that a person asked for, on a unit without a cup sensor.
type rinseLease struct {
	id     string
	beats  atomic.Uint64
	stop   atomic.Bool
	answer chan error // capacity 1: whether it began
}

// Rinse runs water through the nozzle into the tray until the residue of the last drink is below its limits, and returns
// an id to Beat and to Stop. With a cup sensor it needs no cup under the nozzle; without one a person has to have taken
// it away, and their lease is what proves that somebody is there. Errors are problems, as those of Start. The water is
// waste: it is counted in State and stands in no record.
func (m *Machine) Rinse(ctx context.Context) (string, error) {
	return "", notRunning("the nozzle cannot be rinsed yet")
}
