package sim

import (
	"time"
)

// watchDeadlines is the dead-man: it shuts what was not renewed in time.
func (r *remoteRig) watchDeadlines() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(r.expire())
		select {
		case <-r.stop:
			return
		case <-r.arm:
		case <-timer.C:
		}
	}
}

// settle compares what was commanded with what the plant did. An output behind a chip that does not answer stays as it
// was, and the caller may have been told before anybody knew: it is due at once. One that fell with its chip is shut.
// settle returns the outputs that do not answer, and whether it has to look again because commands are under way; out is
// held.
func (r *remoteRig) settle(now time.Duration) (deadMask uint64, again bool) {
	r.in.Lock()
	deadMask, done, commanded := r.snap.deadMask, r.snap.done, r.snap.commanded
	r.in.Unlock()
	if done < r.sent {
		return deadMask, commanded != r.commanded
	}
	open := commanded &^ r.commanded & deadMask
	r.commanded = r.commanded&commanded | open
	for i := range r.deadline {
		switch bit := uint64(1) << i; {
		case open&bit != 0:
			r.deadline[i] = now
		case r.commanded&bit == 0:
			r.deadline[i] = 0
		}
	}
	return deadMask, false
}

// expire shuts what is overdue and returns the time until the next deadline.
func (r *remoteRig) expire() time.Duration {
	r.out.Lock()
	defer r.out.Unlock()
	if r.closed {
		return time.Hour
	}
	now := r.now()
	next := now + time.Hour
	deadMask, again := r.settle(now)
	var due uint64
	for i, d := range r.deadline {
		switch {
		case d == 0:
		case d <= now:
			due |= 1 << i
		default:
			next = min(next, d)
		}
	}
	if due == 0 && (again || deadMask != 0) {
		return min(next-now, pushIdle) // what was shut since may not have arrived
	}
	if due == 0 {
		return next - now
	}
	if err := r.send(command{op: opApply, a: due}); err != nil {
		r.in.Lock()
		lost := r.lost
		r.in.Unlock()
		if lost {
			return time.Hour // nothing can be shut any more; the owner hears hal.ErrGone
		}
		return retrySafe
	}
	r.commanded &^= due &^ deadMask
	for i := range r.deadline {
		if (due&^deadMask)&(1<<i) != 0 {
			r.deadline[i] = 0
		}
	}
	if due&deadMask != 0 {
		return retrySafe // until the chip answers again
	}
	return next - now
}
