package agent

import (
	"context"
	"time"

	"fountain/hal"
)

// rigGrace is how long a start that fails for another reason waits for the rig: opening it is what shuts the lines a
// killed process left open.
const rigGrace = time.Second

// opening is the rig being opened while the store recovers.
type opening struct {
	cancel context.CancelFunc
	done   chan struct{}
	rig    hal.Rig
	pacer  hal.Pacer
	err    error
}

func (a *Agent) openRig(ctx context.Context) *opening {
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{cancel: cancel, done: make(chan struct{}), rig: a.deps.Rig, pacer: a.deps.Pacer}
	if o.rig != nil {
		close(o.done)
		return o
	}
	open := a.deps.Open
	go func() {
		defer close(o.done)
		o.rig, o.pacer, o.err = open(ctx)
	}()
	return o
}

// wait returns what Open did.
func (o *opening) wait() (hal.Rig, hal.Pacer, error) {
	<-o.done
	o.cancel()
	return o.rig, o.pacer, o.err
}

// giveUp returns when Open has: soon, whether the rig answers or not.
func (o *opening) giveUp() {
	t := time.NewTimer(rigGrace)
	defer t.Stop()
	select {
	case <-o.done:
	case <-t.C:
	}
	o.cancel()
	<-o.done
}
